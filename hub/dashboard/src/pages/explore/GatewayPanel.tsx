import type { SeriesEntry } from '../../api/shapes';
import { anyValue } from '../../format/number';
import { readingTime, span } from '../../format/span';
import { Link } from '../../shell/Link';
import { addressOf } from '../../shell/route';
import { useShown } from '../../store/hooks';
import { BehindCell } from '../fleet/BehindCell';
import { BooksCell } from '../fleet/BooksCell';
import { BufferCell } from '../fleet/BufferCell';
import { StateCell } from '../fleet/StateCell';

interface GatewayPanelProps {
  type: string;
  source: string;
  entry: SeriesEntry | undefined;
}

/** What is known of a source, with the gateway that it comes through. */
export function GatewayPanel({ type, source, entry }: GatewayPanelProps) {
  const clock = useShown((state) => state.clock);
  const agent = useShown((state) => (entry?.agent ? state.agents?.get(entry.agent) : undefined));
  return (
    <section className="panel" aria-labelledby="gateway-title">
      <div className="head">
        <h2 id="gateway-title">Where it comes from</h2>
      </div>
      <dl className="facts-list">
        <dt>source</dt>
        <dd>{source}</dd>
        <dt>type</dt>
        <dd>{type}</dd>
        {Object.entries(entry?.labels ?? {}).map(([name, value]) => (
          <div key={name} className="pair">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        <dt>last value</dt>
        <dd>
          {entry
            ? `${anyValue(entry.lastValue)}${entry.lastTime ? ` · ${span(clock - Date.parse(entry.lastTime))} ago` : ''}`
            : '–'}
        </dd>
        <dt>first seen</dt>
        <dd>{entry?.firstSeen ? readingTime(entry.firstSeen, clock) : '–'}</dd>
        <dt>gateway</dt>
        <dd>
          {entry?.agent ? (
            <Link href={addressOf('fleet', { search: entry.agent })}>{entry.agent}</Link>
          ) : (
            'none: an application posted it'
          )}
        </dd>
        {agent && (
          <>
            <dt>state</dt>
            <dd>
              <StateCell agent={agent} />
            </dd>
            <dt>buffer</dt>
            <dd>
              <BufferCell agent={agent} />
            </dd>
            <dt>behind</dt>
            <dd>
              <BehindCell agent={agent} />
            </dd>
            <dt>books</dt>
            <dd>
              <BooksCell agent={agent} />
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}

import type { SeriesEntry, Value } from '../../api/shapes';
import { anyValue } from '../../format/number';
import { readingTime, span } from '../../format/span';
import { Link } from '../../shell/Link';
import { addressOf } from '../../shell/route';
import { useShown, useTail } from '../../store/hooks';
import { BehindCell } from '../fleet/BehindCell';
import { BooksCell } from '../fleet/BooksCell';
import { BufferCell } from '../fleet/BufferCell';
import { StateCell } from '../fleet/StateCell';
import { applicationOf } from './origin';

interface GatewayPanelProps {
  type: string;
  source: string;
  entry: SeriesEntry | undefined;
}

/** The newest of what the catalogue knows and what has arrived since. */
function useLastValue(
  type: string,
  source: string,
  entry: SeriesEntry | undefined,
): { value: Value; time: string | null } {
  const reading = useTail(type)?.readings.find((known) => known.source === source);
  const isNewer = reading && Date.parse(reading.time) >= Date.parse(entry?.lastTime ?? '1970-01-01');
  return isNewer ? reading : { value: entry?.lastValue ?? null, time: entry?.lastTime ?? null };
}

/** What is known of a source, with the gateway that it comes through. */
export function GatewayPanel({ type, source, entry }: GatewayPanelProps) {
  const clock = useShown((state) => state.clock);
  const agent = useShown((state) => (entry?.agent ? state.agents?.get(entry.agent) : undefined));
  const application = applicationOf(entry?.agent);
  const { value, time } = useLastValue(type, source, entry);
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
          {anyValue(value)}
          {time && ` · ${span(clock - Date.parse(time))} ago`}
        </dd>
        <dt>first seen</dt>
        <dd>{entry?.firstSeen ? readingTime(entry.firstSeen, clock) : '–'}</dd>
        <dt>gateway</dt>
        <dd>
          {application !== null && `none: the application ${application} posted it`}
          {entry?.agent && application === null && (
            <Link href={addressOf('fleet', { search: entry.agent })}>{entry.agent}</Link>
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

import { useRef } from 'react';
import { addressOf, setParameters, useRoute } from '../../shell/route';
import { suitedGranularity } from '../../shell/range';
import { useRange } from '../../shell/rangeAddress';
import { plural } from '../../format/number';
import { Link } from '../../shell/Link';
import { useShown } from '../../store/hooks';
import { BigChart } from '../../chart/BigChart';
import { EmptyState } from './EmptyState';
import { FleetPanel } from './FleetPanel';
import { SourcesPanel } from './SourcesPanel';
import { Strip } from './Strip';
import { TypeCards } from './TypeCards';
import { byReach } from './urgency';

/** Is it live, is anything wrong, where do I look. */
export function Overview() {
  const { parameters } = useRoute();
  const range = useRange();
  const summary = useShown((state) => state.summary);
  const gateways = useShown((state) => state.agents?.size ?? null);
  const isEmpty = summary !== null && summary.length === 0;
  const sources = summary?.reduce((sum, type) => sum + type.sources, 0) ?? 0;
  const wanted = parameters.get('type');
  // The first choice stays, so that the big chart does not jump when counts change.
  const first = useRef<string | null>(null);
  first.current ??= summary?.toSorted(byReach)[0]?.type ?? null;
  const focus = summary?.find(({ type }) => type === (wanted ?? first.current)) ?? summary?.[0];

  return (
    <>
      <div className="row">
        <h1>Overview</h1>
        {summary && !isEmpty && (
          <span className="muted">
            {plural(summary.length, 'type')} · {plural(sources, 'source')}
            {gateways !== null && ` · ${plural(gateways, 'gateway')}`}
          </span>
        )}
      </div>
      <Strip />
      {isEmpty ? <EmptyState /> : <TypeCards />}
      {focus && summary && (
        <section className="panel" aria-label={`Chart of ${focus.type}`}>
          <div className="head">
            <h2>
              <select
                aria-label="Type of the big chart"
                value={focus.type}
                onChange={(event) => setParameters({ type: event.target.value }, 'replace')}
              >
                {summary.map(({ type }) => (
                  <option key={type}>{type}</option>
                ))}
              </select>
            </h2>
            <span className="muted">
              {focus.unit && `${focus.unit} · `}
              {plural(focus.sources, 'source')} · by {suitedGranularity(range.span)}
            </span>
            <span className="spacer" />
            <Link href={addressOf('explore', { type: focus.type })}>Explore {focus.type}</Link>
          </div>
          <BigChart
            type={focus.type}
            source={null}
            unit={focus.unit}
            granularity={suitedGranularity(range.span)}
            range={range}
          />
        </section>
      )}
      {focus && (
        <div className="two">
          <SourcesPanel type={focus.type} />
          <FleetPanel />
        </div>
      )}
    </>
  );
}

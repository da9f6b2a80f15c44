import { useRef } from 'react';
import type { TypeSummary } from '../../api/shapes';
import { MiniChart } from '../../chart/MiniChart';
import { count, measured, perSecond, plural } from '../../format/number';
import { bucketTime, span } from '../../format/span';
import { Link } from '../../shell/Link';
import { windowOf } from '../../shell/range';
import { useRange } from '../../shell/rangeAddress';
import { useInSight } from '../../shell/useInSight';
import { addressOf } from '../../shell/route';
import { MILLIS } from '../../store/buckets';
import { useSeries, useShown } from '../../store/hooks';
import type { Bucket } from '../../store/state';
import { miniGranularity, recentRate } from './recent';
import { silentFor } from './urgency';

function Facts({ newest, buckets, clock }: { newest: Bucket; buckets: readonly Bucket[]; clock: number }) {
  const isOpen = clock < newest.start + MILLIS.minute;
  const rate = recentRate(buckets, clock);
  return (
    <div className="facts">
      <span title={`95th percentile of the minute from ${bucketTime(newest.start, 'minute')}`}>
        p95 <b>{measured(newest.p95)}</b>
      </span>
      <span title="Readings per second over this minute and the one before">
        <b>{perSecond(rate).replace(' /s', '')}</b> /s
      </span>
      <span className="facts-span">{isOpen ? 'avg this minute' : `avg at ${bucketTime(newest.start, 'minute')}`}</span>
    </div>
  );
}

/** One type at a glance: what it is now, how it went, whether it still comes. */
export function TypeCard({ summary }: { summary: TypeSummary }) {
  const { type, unit } = summary;
  const card = useRef<HTMLElement>(null);
  const isInSight = useInSight(card);
  const clock = useShown((state) => state.clock);
  const range = useRange();
  const granularity = miniGranularity(range.span);
  const { from, to } = windowOf(range, clock, granularity);
  const now = windowOf({ kind: 'last', key: '1h', span: MILLIS.hour }, clock, 'minute');
  const { series: minutes } = useSeries(type, null, 'minute', now.from, now.to, isInSight);
  const { series: drawn } = useSeries(type, null, granularity, from, to, isInSight);
  const newest = minutes?.buckets.at(-1);
  const silent = silentFor(summary, clock);

  return (
    <article
      ref={card}
      className={`card ${silent === null ? '' : 'warn'}`}
      data-testid={`type-card-${type}`}
      data-average={newest?.average}
      data-count={newest?.count}
      data-buckets={minutes?.buckets.length ?? 0}
    >
      <div className="card-head">
        <h2 className="name">
          <Link href={addressOf('explore', { type })}>{type}</Link>
        </h2>
        {silent === null ? (
          <span className="faint">{plural(summary.sources, 'source')}</span>
        ) : (
          <span className="pill warn">silent for {span(silent)}</span>
        )}
      </div>
      <div className="big">
        {newest ? measured(newest.average) : minutes ? '–' : <span className="skeleton skeleton-figure" />}
        {newest && unit && <small>{unit}</small>}
      </div>
      {newest ? (
        <Facts newest={newest} buckets={minutes?.buckets ?? []} clock={clock} />
      ) : (
        <div className="facts">
          {minutes ? `no numbers in the last hour · ${count(summary.lastDay.count)} in 24 h` : ' '}
        </div>
      )}
      <div className="mini-stage">
        {drawn ? (
          <MiniChart series={drawn} granularity={granularity} from={from} to={to} now={clock} />
        ) : (
          <div className="skeleton skeleton-mini" />
        )}
      </div>
    </article>
  );
}

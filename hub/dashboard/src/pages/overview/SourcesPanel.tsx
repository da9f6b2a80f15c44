import { hub } from '../../api/hub';
import { plural } from '../../format/number';
import { Link } from '../../shell/Link';
import { addressOf } from '../../shell/route';
import { useFetched } from '../../store/hooks';
import { SourceTable } from '../explore/SourceTable';
import { byValue } from '../explore/sources';

const ROWS = 6;
const FETCHED = 500;
const EVERY_MS = 4_000;

/** The sources of the big chart's type with the highest values. */
export function SourcesPanel({ type }: { type: string }) {
  const { data, fault } = useFetched(
    `sources ${type}`,
    (signal) => hub.series({ type, limit: FETCHED }, signal),
    EVERY_MS,
  );
  const series = data?.series.toSorted(byValue) ?? null;
  return (
    <section className="panel" aria-labelledby="sources-title">
      <div className="head">
        <h2 id="sources-title">Sources</h2>
        <span className="muted">of {type}, highest value first</span>
        <span className="spacer" />
        {series && series.length > ROWS && (
          <Link href={addressOf('explore', { type })}>
            All {data?.next ? `${series.length}+` : plural(series.length, 'source')}
          </Link>
        )}
      </div>
      {fault && (
        <p className="fault" role="alert">
          The list of sources could not be fetched: {fault}. Charts are not affected.
        </p>
      )}
      <SourceTable type={type} series={series?.slice(0, ROWS) ?? null} skeletonRows={ROWS} />
    </section>
  );
}

import type { SeriesEntry } from '../../api/shapes';
import { SourceRow } from './SourceRow';

interface SourceTableProps {
  type: string;
  /** Null while they are being fetched. */
  series: readonly SeriesEntry[] | null;
  skeletonRows: number;
}

export function SourceTable({ type, series, skeletonRows }: SourceTableProps) {
  return (
    <div className="scroll-table" tabIndex={0} role="region" aria-label={`Sources of ${type}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">source</th>
            <th scope="col" className="n">
              last value
            </th>
            <th scope="col" className="n" title="95th percentile of the newest minute">
              p95
            </th>
            <th scope="col" className="hide-narrow">
              last hour
            </th>
            <th scope="col" className="n">
              age
            </th>
          </tr>
        </thead>
        <tbody>
          {series?.map((entry) => <SourceRow key={entry.source} entry={entry} />) ??
            Array.from({ length: skeletonRows }, (_, index) => (
              <tr key={index}>
                <td colSpan={5}>
                  <span className="skeleton skeleton-row" />
                </td>
              </tr>
            ))}
          {series?.length === 0 && (
            <tr>
              <td colSpan={5} className="muted">
                No source has sent {type} yet.
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

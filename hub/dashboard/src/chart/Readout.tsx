import type { Granularity } from '../api/shapes';
import { count, measured } from '../format/number';
import { bucketTime } from '../format/span';
import { MILLIS } from '../store/buckets';
import type { Columns } from './columns';

interface ReadoutProps {
  columns: Columns;
  index: number | null;
  granularity: Granularity;
  unit: string | null;
}

/** `14:03`, or `14:02 – 14:04` where a point stands for several buckets. */
function slotTime({ time, step }: Columns, index: number, granularity: Granularity): string {
  const start = time[index] as number;
  const isShared = step > MILLIS[granularity];
  return bucketTime(start, granularity) + (isShared ? ` – ${bucketTime(start + step, granularity)}` : '');
}

/** The legend, which turns into the figures under the cursor. */
export function Readout({ columns, index, granularity, unit }: ReadoutProps) {
  const average = index === null ? null : (columns.average[index] ?? null);
  const hasCursor = index !== null && columns.time[index] !== undefined;
  const at = (column: (number | null)[]) => measured(column[index as number] as number, 4);
  const time = hasCursor ? slotTime(columns, index, granularity) : null;
  return (
    <div className="legend">
      {hasCursor && (
        <b className="readout-time">
          {time}
          {average === null ? ' · no readings' : ''}
        </b>
      )}
      <span>
        <i className="key key-average" />
        average
        {average !== null && (
          <b>
            {' '}
            {at(columns.average)} {unit}
          </b>
        )}
      </span>
      <span>
        <i className="key key-band" />
        {average === null ? (
          'min – max'
        ) : (
          <b>
            {at(columns.min)} – {at(columns.max)}
          </b>
        )}
      </span>
      <span>
        <i className="key key-p95" />
        p95{average !== null && <b> {at(columns.p95)}</b>}
      </span>
      {average !== null && (
        <span>
          <b>{count(columns.count[index as number] as number)}</b> readings
        </span>
      )}
    </div>
  );
}

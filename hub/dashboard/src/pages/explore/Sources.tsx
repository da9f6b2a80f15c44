import { useMemo, useState } from 'react';
import { hub } from '../../api/hub';
import { useFetched } from '../../store/hooks';
import { SourceTable } from './SourceTable';
import { byAge, bySource, byValue } from './sources';

const ORDERS = { value: byValue, name: bySource, age: byAge };
type Order = keyof typeof ORDERS;
const LABELS: Record<Order, string> = { value: 'highest value first', name: 'by name', age: 'oldest first' };

const FETCHED = 1_000;
const EVERY_MS = 4_000;
/** Rows built at once; each holds a live subscription. */
const ROWS = 25;

/** All sources of a type. */
export function Sources({ type }: { type: string }) {
  const [order, setOrder] = useState<Order>('value');
  const [filter, setFilter] = useState('');
  const [limit, setLimit] = useState(ROWS);
  const { data, fault } = useFetched(
    `sources ${type}`,
    (signal) => hub.series({ type, limit: FETCHED }, signal),
    EVERY_MS,
  );
  const found = useMemo(
    () =>
      data?.series.filter(({ source }) => source.toLowerCase().includes(filter.toLowerCase())).sort(ORDERS[order]) ??
      null,
    [data, filter, order],
  );
  return (
    <section className="panel" aria-labelledby="sources-title">
      <div className="head">
        <h2 id="sources-title">Sources</h2>
        <select
          aria-label="Order of the sources"
          value={order}
          onChange={(event) => setOrder(event.target.value as Order)}
        >
          {(Object.keys(LABELS) as Order[]).map((key) => (
            <option key={key} value={key}>
              {LABELS[key]}
            </option>
          ))}
        </select>
        <span className="spacer" />
        <input
          type="search"
          className="filter"
          placeholder="Filter sources"
          aria-label="Filter sources by name"
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
      </div>
      {fault && (
        <p className="fault" role="alert">
          The list of sources could not be fetched: {fault}. Charts are not affected.
        </p>
      )}
      <SourceTable type={type} series={found?.slice(0, limit) ?? null} skeletonRows={6} />
      {found && found.length > limit && (
        <div className="foot">
          <button type="button" className="btn" onClick={() => setLimit(limit + ROWS)}>
            Show more
          </button>
          <span className="muted">
            {limit} of {data?.next ? `more than ${found.length}` : found.length}
          </span>
        </div>
      )}
    </section>
  );
}

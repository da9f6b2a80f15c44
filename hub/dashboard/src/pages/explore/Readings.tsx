import { useEffect, useMemo, useState } from 'react';
import { hub } from '../../api/hub';
import type { Reading } from '../../api/shapes';
import { anyValue } from '../../format/number';
import { readingTime } from '../../format/span';
import { Link } from '../../shell/Link';
import type { Range } from '../../shell/range';
import { mergeReadings } from './merge';
import { applicationOf } from './origin';
import { addressOf } from '../../shell/route';
import { useFetched, useTail, useShown } from '../../store/hooks';

interface ReadingsProps {
  type: string;
  source: string | null;
  range: Range;
}

const PAGE = 50;

/** Raw readings as they were stored; live unless the range is fixed, older ones page by page. */
export function Readings({ type, source, range }: ReadingsProps) {
  const clock = useShown((state) => state.clock);
  const tail = useTail(type);
  const fixed = range.kind === 'fixed' ? { from: range.from, to: range.to } : undefined;
  const query = { type, source: source ?? undefined, limit: PAGE, ...fixed };
  const key = JSON.stringify(query);
  // What was stored before the live tail began is asked for when it has begun, so that nothing falls between them.
  const { data, fault } = useFetched(`events ${key}`, (signal) => hub.events(query, signal), 0, tail?.generation);
  const [older, setOlder] = useState<{ events: Reading[]; next: string | null } | null>(null);
  const [olderFault, setOlderFault] = useState<string | null>(null);
  useEffect(() => setOlder(null), [key]);

  const rows = useMemo(() => {
    const live = fixed ? [] : (tail?.readings ?? []).filter((reading) => !source || reading.source === source);
    const all = mergeReadings(live, data?.events ?? [], older?.events ?? []);
    return older ? all : all.slice(0, PAGE);
  }, [tail, data, older, source, fixed === undefined]);
  const next = older ? older.next : data?.next;
  const isLoading = !data && !fault;

  const loadOlder = async () => {
    if (!next) return;
    try {
      const page = await hub.events({ ...query, cursor: next });
      setOlder((before) => ({ events: [...(before?.events ?? []), ...page.events], next: page.next }));
      setOlderFault(null);
    } catch (error) {
      setOlderFault(error instanceof Error ? error.message : String(error));
    }
  };

  return (
    <section className="panel" aria-labelledby="readings-title">
      <div className="head">
        <h2 id="readings-title">Readings</h2>
        <span className="muted">{fixed ? 'in the span above, newest first' : 'newest first, as they are stored'}</span>
      </div>
      {(fault ?? olderFault) && (
        <p className="fault" role="alert">
          Stored readings could not be fetched: {fault ?? olderFault}.{' '}
          {fixed ? '' : 'Those that arrive now still show.'}
        </p>
      )}
      <div
        className="scroll-table readings-box"
        tabIndex={0}
        role="region"
        aria-label={`Readings of ${source ?? type}`}
      >
        <table>
          <thead>
            <tr>
              <th scope="col">time</th>
              {!source && <th scope="col">source</th>}
              <th scope="col" className="n">
                value
              </th>
              <th scope="col" className="hide-narrow">
                gateway
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((reading) => (
              <tr key={reading.id}>
                <td className="mono">{readingTime(reading.time, clock)}</td>
                {!source && (
                  <td>
                    <Link href={addressOf('explore', { type, source: reading.source })}>{reading.source}</Link>
                  </td>
                )}
                <td className="n">{anyValue(reading.value)}</td>
                <td className="muted hide-narrow">{applicationOf(reading.agent) ?? (reading.agent || '–')}</td>
              </tr>
            ))}
            {rows.length === 0 && (
              <tr>
                <td colSpan={4} className="muted">
                  {isLoading ? <span className="skeleton skeleton-row" /> : 'No readings in this span.'}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
      {next && (
        <div className="foot">
          <button type="button" className="btn" onClick={() => void loadOlder()}>
            Older readings
          </button>
        </div>
      )}
    </section>
  );
}

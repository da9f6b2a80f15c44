import { useState } from 'react';
import { useShown } from '../../store/hooks';
import { TypeCard } from './TypeCard';
import { inUrgency } from './urgency';

/** Cards drawn at first; each holds a live subscription. */
const CARDS_AT_FIRST = 24;

/** Columns of a wide screen, so that the last row is as full as it can be. */
export function balancedColumns(cards: number): number {
  const rows = Math.max(1, Math.ceil(cards / 4));
  return Math.max(3, Math.ceil(cards / rows));
}

export function TypeCards() {
  const summary = useShown((state) => state.summary);
  const clock = useShown((state) => state.clock);
  const [limit, setLimit] = useState(CARDS_AT_FIRST);
  if (!summary) {
    return (
      <div className="cards" aria-busy="true" aria-label="Types">
        {[0, 1, 2, 3].map((index) => (
          <div key={index} className="card skeleton skeleton-card" />
        ))}
      </div>
    );
  }
  const types = summary.toSorted(inUrgency(clock));
  return (
    <>
      <div className="cards" data-columns={balancedColumns(Math.min(limit, types.length))}>
        {types.slice(0, limit).map((type) => (
          <TypeCard key={type.type} summary={type} />
        ))}
      </div>
      {types.length > limit && (
        <button type="button" className="btn" onClick={() => setLimit(limit + CARDS_AT_FIRST)}>
          Show {Math.min(CARDS_AT_FIRST, types.length - limit)} more of {types.length} types
        </button>
      )}
    </>
  );
}

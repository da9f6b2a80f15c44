import { useEffect, useState, useSyncExternalStore } from 'react';
import { freshness } from '../store/freshness';
import { useKnown, usePause, useRuntime } from '../store/hooks';

/** How old what one sees is. It reads what is known, not what a paused screen shows. */
export function AgeChip() {
  const { store } = useRuntime();
  const { isPaused, held } = usePause();
  // Once a tick is often enough for a figure that people read; the link's state shows at once.
  useKnown((state) => state.clock);
  useSyncExternalStore(store.subscribe, () => store.known().link);
  const { kind, label, detail } = freshness(store.known(), isPaused, held);
  const [announced, setAnnounced] = useState(label);
  useEffect(() => setAnnounced(label), [label]);
  return (
    <>
      <span
        className={`age age-${kind}`}
        data-testid="age-chip"
        data-state={kind}
        title="How old the figures on this page are"
      >
        <i aria-hidden="true" />
        <b>{label}</b>
        {detail && <small>{detail}</small>}
      </span>
      <span className="visually-hidden" role="status">
        {announced}
      </span>
    </>
  );
}

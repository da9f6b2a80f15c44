import { useKnown } from '../store/hooks';
import type { Resource, State } from '../store/state';

const MEANING: Record<Resource, string> = {
  status: 'The five figures at the top could not be fetched',
  summary: 'The list of types could not be fetched',
  agents: 'The gateways’ states could not be fetched',
};

function stillWorks(state: State): string {
  if (state.link === 'open') return 'Charts are still live.';
  return state.lastMessageAt === null
    ? 'Nothing is live yet; the page keeps trying.'
    : 'What is shown is the last that arrived; the page reconnects by itself.';
}

/** Says what failed and what still works. */
export function Faults() {
  const faults = useKnown((state) => state.faults);
  const rest = useKnown(stillWorks);
  if (faults.size === 0) return null;
  const reasons = [...new Set(faults.values())].join('; ');
  const meanings = [...faults.keys()].map((resource) => MEANING[resource]).join('. ');
  return (
    <div className="fault-banner" role="alert">
      <b>{meanings}</b>: {reasons}. {rest}
    </div>
  );
}

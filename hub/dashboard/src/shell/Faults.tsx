import { useKnown } from '../store/hooks';
import type { Resource, State } from '../store/state';

const MEANING: Record<Resource, string> = {
  status: 'The five figures at the top could not be fetched',
  summary: 'The list of types could not be fetched',
  agents: 'The gateways’ states could not be fetched',
};
/** A connection that comes back within this time is not worth a banner; the data-age chip has said it. */
const LOST_MS = 3_000;

function isLinkLost(state: State): boolean {
  return state.linkLostAt !== null && state.clock - state.linkLostAt > LOST_MS;
}

function whatFailed(isLost: boolean, faults: ReadonlyMap<Resource, string>): string {
  const meanings = [...faults.keys()].map((resource) => MEANING[resource]);
  return [...(isLost ? ['The live connection is lost, so charts stand still'] : []), ...meanings].join('. ');
}

function whatWorks(isLost: boolean, hasFaults: boolean): string {
  if (!isLost) return 'Charts are still live.';
  return hasFaults
    ? 'What is shown is the last that arrived; the page reconnects by itself.'
    : 'The figures at the top and all lists are still fetched; the page reconnects by itself.';
}

/** Says what failed and what still works. */
export function Faults() {
  const faults = useKnown((state) => state.faults);
  const isLost = useKnown(isLinkLost);
  if (faults.size === 0 && !isLost) return null;
  const reasons = [...new Set(faults.values())].join('; ');
  return (
    <div className="fault-banner" role="alert">
      <b>{whatFailed(isLost, faults)}</b>
      {reasons && `: ${reasons}`}. {whatWorks(isLost, faults.size > 0)}
    </div>
  );
}

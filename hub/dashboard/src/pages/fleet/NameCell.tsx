import type { Agent } from '../../api/shapes';
import { STATE_NAMES } from './states';

/** A gateway's name with its state as a shape, and the first of its faults. */
export function NameCell({ agent }: { agent: Agent }) {
  return (
    <>
      <i
        className={`dot dot-${agent.state}`}
        role="img"
        aria-label={STATE_NAMES[agent.state]}
        title={STATE_NAMES[agent.state]}
      />
      {agent.agent}
      {agent.faults.length > 0 && (
        <span className="pill bad agent-fault" title={agent.faults.join('\n')}>
          {agent.faults[0]}
        </span>
      )}
    </>
  );
}

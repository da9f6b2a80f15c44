import type { Agent } from '../../api/shapes';
import { STATE_NAMES } from './states';

/** A gateway's name with its state as a shape, and the first of its faults below it. */
export function NameCell({ agent }: { agent: Agent }) {
  const isFaulty = agent.faults.length > 0 || !agent.balanced;
  const meaning = isFaulty ? `${STATE_NAMES[agent.state]}, with a fault` : STATE_NAMES[agent.state];
  const shape = isFaulty && agent.state !== 'silent' ? 'dot-fault' : `dot-${agent.state}`;
  return (
    <span className="agent-name">
      <i className={`dot ${shape}`} role="img" aria-label={meaning} title={meaning} />
      <span>
        {agent.agent}
        {agent.faults.length > 0 && <small title={agent.faults.join('\n')}>{agent.faults.join(' · ')}</small>}
      </span>
    </span>
  );
}

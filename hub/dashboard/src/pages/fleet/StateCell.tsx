import type { Agent } from '../../api/shapes';
import { STATE_NAMES } from './states';

export function StateCell({ agent }: { agent: Agent }) {
  return <span className={`state-${agent.state}`}>{STATE_NAMES[agent.state]}</span>;
}

/** Which gateway needs a look first. */

import type { Agent } from '../../api/shapes';
import { byName } from '../../format/number';

function need(agent: Agent): number {
  if (!agent.balanced) return 0;
  if (agent.faults.length > 0) return 1;
  if (agent.state === 'silent') return 2;
  return agent.state === 'catching_up' ? 3 : 4;
}

export const inNeed = (a: Agent, b: Agent): number => need(a) - need(b) || byName(a.agent, b.agent);

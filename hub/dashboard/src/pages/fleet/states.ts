/** The words for a gateway's states. */

import type { AgentState } from '../../api/shapes';

export const STATE_NAMES: Record<AgentState, string> = { live: 'live', catching_up: 'catching up', silent: 'silent' };

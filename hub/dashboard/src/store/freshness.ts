/** What the data-age chip may say. Nothing here is optimistic: what is not known is not said. */

import { clockTime, span } from '../format/span';
import type { State } from './state';

export type FreshnessKind = 'live' | 'quiet' | 'paused' | 'catching_up' | 'disconnected' | 'connecting';

export interface Freshness {
  kind: FreshnessKind;
  label: string;
  detail: string;
}

/** The hub's processing may lag this much before the page stops calling itself live. */
const CATCHING_UP_MS = 5_000;
/** With no newer reading for this long the page says how old the newest one is. */
const QUIET_MS = 10_000;

function disconnectedDetail(state: State): string {
  return state.lastMessageAt === null ? 'never connected' : `last at ${clockTime(state.lastMessageAt)}`;
}

function catchingUpDetail(state: State): string | null {
  const lag = state.status?.processingLagMs ?? 0;
  if (lag > CATCHING_UP_MS) return `hub ${span(lag)} behind`;
  const reachable = [...(state.agents?.values() ?? [])].filter((agent) => agent.state !== 'silent');
  if (reachable.length === 0 || reachable.some((agent) => agent.state === 'live')) return null;
  const drains = reachable.map((agent) => agent.drainSeconds);
  if (drains.some((seconds) => seconds === null)) return 'not yet known for how long';
  return `${span(Math.max(...drains.map((seconds) => seconds ?? 0)) * 1_000)} left`;
}

function liveFreshness(state: State): Freshness {
  const label = 'Live';
  if (state.newest === null) return { kind: 'quiet', label, detail: 'no reading yet' };
  const age = Math.max(0, state.clock - state.newest);
  if (age > QUIET_MS + (state.delayMs ?? 0)) return { kind: 'quiet', label, detail: `newest ${span(age)} old` };
  const delay = state.delayMs ?? age;
  return { kind: 'live', label, detail: `${span(delay)} behind` };
}

export function freshness(known: State, isPaused: boolean, held: number): Freshness {
  if (isPaused) {
    const lost = known.link === 'open' ? '' : ' · connection lost';
    return { kind: 'paused', label: 'Paused', detail: `${held} ${held === 1 ? 'update' : 'updates'} held${lost}` };
  }
  if (known.link === 'connecting' && known.lastMessageAt === null)
    return { kind: 'connecting', label: 'Connecting', detail: '' };
  if (known.link !== 'open') return { kind: 'disconnected', label: 'Disconnected', detail: disconnectedDetail(known) };
  const catchingUp = catchingUpDetail(known);
  if (catchingUp) return { kind: 'catching_up', label: 'Catching up', detail: catchingUp };
  return liveFreshness(known);
}

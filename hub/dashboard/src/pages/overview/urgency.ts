/** Which type to look at first: those that fell silent, then all others by name, then those long unused. */

import type { TypeSummary } from '../../api/shapes';
import { byName } from '../../format/number';

/** A type that had readings within the hour and none for this long fell silent. */
const SILENT_AFTER_MS = 5 * 60_000;

export function silentFor(type: TypeSummary, now: number): number | null {
  if (type.newest === null || type.lastHour.count === 0) return null;
  const age = now - type.newest;
  return age > SILENT_AFTER_MS ? age : null;
}

function rank(type: TypeSummary, now: number): number {
  if (silentFor(type, now) !== null) return 0;
  return type.lastHour.count > 0 || type.newest === null ? 1 : 2;
}

/** The type that most sources send comes first. */
export const byReach = (a: TypeSummary, b: TypeSummary): number => b.sources - a.sources || byName(a.type, b.type);

export function inUrgency(now: number): (a: TypeSummary, b: TypeSummary) => number {
  return (a, b) => rank(a, now) - rank(b, now) || byName(a.type, b.type);
}

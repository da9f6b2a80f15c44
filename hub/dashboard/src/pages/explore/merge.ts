import type { Reading } from '../../api/shapes';

/** Newest first, each once. */
export function mergeReadings(...lists: readonly (readonly Reading[])[]): Reading[] {
  const byId = new Map(lists.flat().map((reading) => [reading.id, reading]));
  return [...byId.values()].sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : a.id < b.id ? 1 : -1));
}

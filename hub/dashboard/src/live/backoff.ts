/** How long to wait before trying again: full jitter under a doubling ceiling, never below a floor. */

const FLOOR_MS = 250;
const FIRST_CEILING_MS = 1_000;
const LAST_CEILING_MS = 15_000;

export function reconnectDelay(attempt: number, random: () => number): number {
  const ceiling = Math.min(LAST_CEILING_MS, FIRST_CEILING_MS * 2 ** Math.min(attempt, 10));
  return FLOOR_MS + random() * (ceiling - FLOOR_MS);
}

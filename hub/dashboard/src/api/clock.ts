/**
 * The hub's clock, so that "0.2 s behind" stays true on a machine whose own clock is off.
 *
 * Every answer's `Date` header bounds the difference (it is cut to whole seconds, and the answer took a while);
 * the bounds of several answers narrow it. A difference that the bounds do not prove is taken as zero.
 */

export interface OffsetBounds {
  low: number;
  high: number;
}

export const UNKNOWN: OffsetBounds = { low: -Infinity, high: Infinity };

/** Narrows the bounds by one answer; starts anew when they contradict it, as after a clock was set. */
export function narrow(bounds: OffsetBounds, serverSecond: number, askedAt: number, answeredAt: number): OffsetBounds {
  const low = serverSecond - answeredAt;
  const high = serverSecond + 1_000 - askedAt;
  const next = { low: Math.max(low, bounds.low), high: Math.min(high, bounds.high) };
  return next.low <= next.high ? next : { low, high };
}

/** The smallest difference that the bounds allow. */
export function provenOffset(bounds: OffsetBounds): number {
  if (bounds.low > 0) return bounds.low;
  if (bounds.high < 0) return bounds.high;
  return 0;
}

let known = UNKNOWN;

export function observeDateHeader(header: string | null, askedAt: number, answeredAt: number): void {
  const serverSecond = header ? Date.parse(header) : NaN;
  if (Number.isFinite(serverSecond)) known = narrow(known, serverSecond, askedAt, answeredAt);
}

/** Now by the hub's clock, in milliseconds since 1970. */
export function hubNow(): number {
  return Date.now() + provenOffset(known);
}

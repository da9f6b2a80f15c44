import { describe, expect, it } from 'vitest';
import type { TypeSummary } from '../../api/shapes';
import { recentRate } from './recent';
import { byReach, inUrgency, silentFor } from './urgency';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 0, 1, 12, 0, 30);
const type = (name: string, minutesOld: number | null, lastHour = 10, sources = 1): TypeSummary => ({
  type: name,
  sources,
  unit: null,
  lastHour: { count: lastHour, total: 0 },
  lastDay: { count: 100, total: 0 },
  newest: minutesOld === null ? null : NOW - minutesOld * MINUTE,
});

describe('the order of types', () => {
  it('puts those that fell silent first and those long unused last', () => {
    const types = [type('unused', 600, 0), type('b', 0), type('a', 1), type('silent', 6)];
    expect(types.sort(inUrgency(NOW)).map((known) => known.type)).toEqual(['silent', 'a', 'b', 'unused']);
  });

  it('says for how long a type is silent', () => {
    expect(silentFor(type('t', 6), NOW)).toBe(6 * MINUTE);
    expect(silentFor(type('t', 4), NOW)).toBeNull();
    expect(silentFor(type('t', null, 0), NOW)).toBeNull();
  });

  it('takes the type of most sources for the big chart', () =>
    expect([type('a', 0, 1, 2), type('b', 0, 1, 9)].sort(byReach)[0]?.type).toBe('b'));
});

it('rates readings over the open minute and the one before it', () => {
  const start = Math.floor(NOW / MINUTE) * MINUTE;
  const bucket = (minute: number, count: number) =>
    ({ start: start + minute * MINUTE, count }) as Parameters<typeof recentRate>[0][number];
  expect(recentRate([bucket(-5, 999), bucket(-1, 60), bucket(0, 30)], NOW)).toBe(1);
  expect(recentRate([bucket(-5, 999)], NOW)).toBe(0);
});

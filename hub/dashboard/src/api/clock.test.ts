import { describe, expect, it } from 'vitest';
import { UNKNOWN, narrow, provenOffset } from './clock';

describe("the hub's clock", () => {
  it('is taken as equal while the answers allow it', () => {
    expect(provenOffset(UNKNOWN)).toBe(0);
    expect(provenOffset(narrow(UNKNOWN, 10_000, 10_400, 10_450))).toBe(0);
  });

  it('is corrected by no more than the answers prove', () => {
    expect(provenOffset(narrow(UNKNOWN, 70_000, 10_000, 10_100))).toBe(59_900);
    expect(provenOffset(narrow(UNKNOWN, 10_000, 70_000, 70_100))).toBe(-59_000);
  });

  it('is narrowed by every answer and learnt anew when it was set', () => {
    const first = narrow(UNKNOWN, 10_000, 10_400, 10_450);
    expect(first).toEqual({ low: -450, high: 600 });
    expect(narrow(first, 11_000, 11_900, 11_950)).toEqual({ low: -450, high: 100 });
    expect(narrow(first, 90_000, 20_000, 20_000)).toEqual({ low: 70_000, high: 71_000 });
  });
});

import { describe, expect, it } from 'vitest';
import { defaultPreset, parseRange, suitedGranularity, windowOf } from './range';

const HOUR = 3_600_000;
const parse = (search: string) => parseRange(new URLSearchParams(search));

describe('the range in the address', () => {
  it('is the last hour when nothing or nonsense is said', () => {
    for (const search of ['', 'range=year', 'from=5', 'from=9&to=5', 'from=a&to=b']) {
      expect(parse(search)).toEqual({ kind: 'last', key: '1h', span: HOUR });
    }
  });

  it('is shorter while there is little to show', () => {
    expect(defaultPreset(null, 9 * HOUR)).toBe('1h');
    expect(defaultPreset(9 * HOUR - 60_000, 9 * HOUR)).toBe('15m');
    expect(defaultPreset(8 * HOUR, 9 * HOUR)).toBe('1h');
  });

  it('is what a preset says', () => expect(parse('range=6h')).toMatchObject({ kind: 'last', span: 6 * HOUR }));

  it('is fixed between two moments, whatever preset it was zoomed from', () =>
    expect(parse('range=6h&from=1000&to=5000')).toEqual({ kind: 'fixed', from: 1_000, to: 5_000, span: 4_000 }));
});

describe('the window of a range', () => {
  it('ends with the open bucket and moves only when the next one opens', () => {
    const at = (clock: number) => windowOf(parse(''), clock, 'minute');
    expect(at(10 * HOUR + 1)).toEqual({ from: 9 * HOUR + 60_000, to: 10 * HOUR + 60_000 });
    expect(at(10 * HOUR + 59_999)).toEqual(at(10 * HOUR + 1));
    expect(at(10 * HOUR + 60_000).to).toBe(10 * HOUR + 120_000);
  });

  it('stays where it is when it is fixed', () =>
    expect(windowOf(parse('from=1000&to=5000'), 99 * HOUR, 'hour')).toEqual({ from: 1_000, to: 5_000 }));
});

it('shows a day in minutes, a week in hours and more in days', () => {
  const days = [1, 7, 60].map((amount) => suitedGranularity(amount * 24 * HOUR));
  expect(days).toEqual(['minute', 'hour', 'day']);
});

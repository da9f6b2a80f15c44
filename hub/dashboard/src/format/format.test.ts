import { describe, expect, it } from 'vitest';
import { anyValue, bytes, count, measured, millis, percent, perSecond } from './number';
import { readingTime, span } from './span';

describe('spans', () => {
  it.each([
    [0, '0.0 s'],
    [240, '0.2 s'],
    [9_940, '9.9 s'],
    [9_999, '10 s'],
    [59_400, '59 s'],
    [59_600, '1 m'],
    [240_000, '4 m'],
    [3_540_000, '59 m'],
    [3_599_000, '1 h'],
    [3_900_000, '1 h 5 m'],
    [36_000_000, '10 h'],
    [86_400_000, '1 d'],
    [97_200_000, '1 d 3 h'],
    [30 * 86_400_000, '30 d'],
    [-5, '0.0 s'],
    [NaN, '–'],
  ])('says %d ms as %s', (milliseconds, text) => expect(span(milliseconds)).toBe(text));

  it('keeps the milliseconds of a reading', () => {
    const time = '2026-01-01T14:03:12.482951Z';
    expect(readingTime(time, Date.parse(time))).toMatch(/^\d\d:03:12\.482$/);
  });

  it('names the day of a reading that is not from today', () => {
    const time = '2026-01-01T14:03:12.482951Z';
    expect(readingTime(time, Date.parse(time) + 5 * 86_400_000)).toMatch(/^1 Jan /);
  });
});

describe('figures', () => {
  it.each([
    [23.412, '23.4'],
    [1.8249, '1.82'],
    [418.2, '418'],
    [12_345.6, '12,346'],
    [-0.0182, '−0.0182'],
    [0, '0'],
    [6.02e12, '6.02e+12'],
    [NaN, '–'],
  ])('measures %d as %s', (value, text) => expect(measured(value)).toBe(text));

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [3_100_000, '3.1 MB'],
    [999_960, '1.0 MB'],
    [1_073_741_824, '1.1 GB'],
    [46_000_000, '46.0 MB'],
  ])('weighs %d as %s', (value, text) => expect(bytes(value)).toBe(text));

  it('groups thousands', () => expect(count(111_204_338)).toBe('111,204,338'));
  it('gives small rates a fraction', () =>
    expect([perSecond(1284), perSecond(3.44), perSecond(0.05)]).toEqual(['1,284 /s', '3.4 /s', '0.05 /s']));
  it('never rounds something to nothing', () =>
    expect([percent(0), percent(0.004), percent(0.46)]).toEqual(['0 %', '< 1 %', '46 %']));
  it('turns to seconds above a thousand milliseconds', () =>
    expect([millis(142), millis(1_300), millis(null)]).toEqual(['142 ms', '1.3 s', '–']));
  it('shows values of every kind', () =>
    expect([anyValue(true), anyValue('open'), anyValue(23.4125), anyValue(20), anyValue(null)]).toEqual([
      'true',
      'open',
      '23.4125',
      '20',
      '–',
    ]));
});

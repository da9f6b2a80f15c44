import { describe, expect, it } from 'vitest';
import type { Bucket } from '../store/state';
import { isolated, toColumns } from './columns';

const MINUTE = 60_000;
const bucket = (minute: number, average: number, count = 1): Bucket => ({
  start: minute * MINUTE,
  count,
  total: average * count,
  average,
  min: average - 1,
  max: average + 1,
  p50: average,
  p95: average + 0.5,
  p99: average,
  newest: 0,
});

describe('columns', () => {
  it('leave a hole where there is no bucket', () => {
    const { average, min, p95 } = toColumns([bucket(0, 1), bucket(2, 3)], 0, 3 * MINUTE, MINUTE, 100);
    expect([average, min, p95]).toEqual([
      [1, null, 3],
      [0, null, 2],
      [1.5, null, 3.5],
    ]);
  });

  it('hold only what lies in the span', () => {
    const { time, average } = toColumns(
      [bucket(0, 1), bucket(5, 2), bucket(9, 3)],
      4 * MINUTE,
      6 * MINUTE,
      MINUTE,
      100,
    );
    expect([time, average]).toEqual([
      [4 * MINUTE, 5 * MINUTE],
      [null, 2],
    ]);
  });

  it('never hold more points than asked for, and fold exactly', () => {
    const buckets = [bucket(0, 1, 1), bucket(1, 4, 2), bucket(2, 7, 1)];
    const columns = toColumns(buckets, 0, 4 * MINUTE, MINUTE, 2);
    expect(columns.step).toBe(2 * MINUTE);
    expect(columns).toMatchObject({ average: [3, 7], min: [0, 6], max: [5, 8], p95: [4.5, 7.5], count: [3, 1] });
  });

  it('tell which points stand alone between holes', () => expect(isolated([1, null, 2, null, 3, 4])).toEqual([0, 2]));
});

import { expect, it } from 'vitest';
import type { Reading } from '../../api/shapes';
import { mergeReadings } from './merge';

const reading = (id: string, second: number): Reading => ({
  id,
  type: 't',
  source: 's',
  time: `2026-01-01T00:00:0${second}.000000Z`,
  value: 1,
});

it('merges the live tail and stored pages, newest first, each reading once', () => {
  const merged = mergeReadings(
    [reading('c', 3), reading('b', 2)],
    [reading('b', 2), reading('a', 1)],
    [reading('d', 1)],
  );
  expect(merged.map(({ id }) => id)).toEqual(['c', 'b', 'd', 'a']);
});

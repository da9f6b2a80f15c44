import { expect, it } from 'vitest';
import { rowsInSight } from './useRowWindow';

it('builds only the rows in sight and a few around them', () => {
  expect(rowsInSight(0, 400, 40, 1_000)).toEqual({ first: 0, last: 18 });
  expect(rowsInSight(20_000, 400, 40, 1_000)).toEqual({ first: 492, last: 518 });
  expect(rowsInSight(39_600, 400, 40, 1_000)).toEqual({ first: 982, last: 1_000 });
  expect(rowsInSight(39_600, 400, 40, 3)).toEqual({ first: 3, last: 3 });
});

import { expect, it } from 'vitest';
import { publishLine } from './publish';

it('tells where to publish, from what the hub knows or else from its own address', () => {
  expect(publishLine('10.0.0.7:11883', 'hub')).toContain('-h 10.0.0.7 -p 11883 ');
  expect(publishLine('[::1]:1883', 'hub')).toContain('-h ::1 -p 1883 ');
  expect(publishLine('gateway', 'hub')).toContain('-h gateway -p 1883 ');
  expect(publishLine(null, 'hub')).toContain('-h hub -p 1883 ');
});

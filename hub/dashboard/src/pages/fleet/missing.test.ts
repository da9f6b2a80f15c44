import { describe, expect, it } from 'vitest';
import type { Agent } from '../../api/shapes';
import { missingRows } from './missing';

const span = (to: string) => ({ from: '2026-01-01T00:00:00Z', to, readings: 5, reason: 'evicted' as const });
const agent = (name: string, ...missing: ReturnType<typeof span>[]) => ({ agent: name, missing }) as unknown as Agent;

describe('what gateways lost', () => {
  it('is shown newest first, whoever lost it', () => {
    const rows = missingRows([
      agent('a', span('2026-01-01T10:00:00Z'), span('2026-01-01T12:00:00Z')),
      agent('b', span('2026-01-01T11:00:00Z')),
    ]);
    expect(rows.map((row) => `${row.agent} ${row.to.slice(11, 13)}`)).toEqual(['a 12', 'b 11', 'a 10']);
  });

  it('is nothing at gateways that say nothing of it', () => {
    expect(missingRows([{ agent: 'old' } as unknown as Agent])).toEqual([]);
  });
});

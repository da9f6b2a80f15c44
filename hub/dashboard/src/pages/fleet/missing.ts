import type { Agent, MissingSpan } from '../../api/shapes';

/** More are not shown: each gateway names its newest, and a list is for reading. */
const MAX_SHOWN = 50;

export interface MissingRow extends MissingSpan {
  agent: string;
}

/** What the gateways lost, the newest first. */
export function missingRows(agents: Iterable<Agent>): MissingRow[] {
  const rows = [...agents].flatMap(({ agent, missing }) => (missing ?? []).map((span) => ({ ...span, agent })));
  return rows.sort((a, b) => Date.parse(b.to) - Date.parse(a.to)).slice(0, MAX_SHOWN);
}

const WORDS: Record<MissingSpan['reason'], string> = {
  evicted: 'the buffer was full',
  quarantined: 'the disk was damaged',
  trimmed_earlier: 'the hub had confirmed them before',
  refused: 'the hub refused them',
  other_lane: 'they came another way',
};

export const reasonInWords = (reason: MissingSpan['reason']): string => WORDS[reason] ?? reason;

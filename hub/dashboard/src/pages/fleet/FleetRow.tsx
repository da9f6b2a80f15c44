import { memo } from 'react';
import type { Agent } from '../../api/shapes';
import { count, perSecond } from '../../format/number';
import { span } from '../../format/span';
import { BehindCell } from './BehindCell';
import { BooksCell } from './BooksCell';
import { BufferCell } from './BufferCell';
import { NameCell } from './NameCell';
import { StateCell } from './StateCell';

interface FleetRowProps {
  agent: Agent;
  /** Place in the whole table, for screen readers, as only the rows in sight exist. */
  index: number;
  clock: number;
}

function lastSeen(agent: Agent, clock: number): string {
  const moment = agent.lastSeen ? Date.parse(agent.lastSeen) : NaN;
  return Number.isFinite(moment) ? `${span(clock - moment)} ago` : '–';
}

export const FleetRow = memo(function FleetRow({ agent, index, clock }: FleetRowProps) {
  return (
    <tr data-testid={`fleet-row-${agent.agent}`} aria-rowindex={index + 2}>
      <th scope="row">
        <NameCell agent={agent} />
      </th>
      <td className="hide-narrow">
        <StateCell agent={agent} />
      </td>
      <td className="n hide-narrow">{lastSeen(agent, clock)}</td>
      <td>
        <BufferCell agent={agent} withQuota />
      </td>
      <td className="n">
        <BehindCell agent={agent} />
      </td>
      <td className="n hide-narrow">{perSecond(agent.receivedPerSecond)}</td>
      <td className="n hide-narrow">{perSecond(agent.storedPerSecond)}</td>
      <td className="n hide-narrow">{count(agent.counts.deadLettered)}</td>
      <td className="n hide-narrow">{count(agent.counts.evicted)}</td>
      <td>
        <BooksCell agent={agent} />
      </td>
      <td className="muted hide-narrow">{agent.version}</td>
    </tr>
  );
});

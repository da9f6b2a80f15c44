import type { Agent, AgentState } from '../../api/shapes';
import { bytes, count, percent } from '../../format/number';
import { span } from '../../format/span';

const STATES: Record<AgentState, string> = { live: 'live', catching_up: 'catching up', silent: 'silent' };
/** A gateway this little behind is as live as its batches allow. */
const BEHIND_MS = 10_000;
const FULL_SHARE = 0.8;

export function NameCell({ agent }: { agent: Agent }) {
  return (
    <>
      <i className={`dot dot-${agent.state}`} role="img" aria-label={STATES[agent.state]} title={STATES[agent.state]} />
      {agent.agent}
      {agent.faults.length > 0 && (
        <span className="pill bad agent-fault" title={agent.faults.join('\n')}>
          {agent.faults[0]}
        </span>
      )}
    </>
  );
}

export function StateCell({ agent }: { agent: Agent }) {
  return <span className={`state-${agent.state}`}>{STATES[agent.state]}</span>;
}

export function BufferCell({ agent }: { agent: Agent }) {
  const share = agent.bufferQuotaBytes > 0 ? agent.bufferBytes / agent.bufferQuotaBytes : 0;
  const title = `${bytes(agent.bufferBytes)} of ${bytes(agent.bufferQuotaBytes)}, ${count(agent.counts.buffered)} readings`;
  return (
    <span className={`buffer ${share >= FULL_SHARE ? 'full' : agent.state === 'catching_up' ? 'draining' : ''}`} title={title}>
      <span className="bar">
        <i style={{ width: `${Math.min(100, share * 100)}%` }} />
      </span>
      {percent(share)}
    </span>
  );
}

export function BehindCell({ agent }: { agent: Agent }) {
  if (agent.state === 'silent') return <span className="bad-text">silent{agent.secondsSinceSeen === null ? '' : ` ${span(agent.secondsSinceSeen * 1_000)}`}</span>;
  const left = agent.drainSeconds !== null && agent.state === 'catching_up' ? `, ${span(agent.drainSeconds * 1_000)} left` : '';
  return (
    <span className={agent.behindMs > BEHIND_MS ? 'warn-text' : ''}>
      {span(agent.behindMs)}
      {left}
    </span>
  );
}

export function BooksCell({ agent }: { agent: Agent }) {
  const { received, stored, buffered, deadLettered, evicted, rejected } = agent.counts;
  const title = `${count(received)} received = ${count(stored)} stored + ${count(buffered)} buffered + ${count(deadLettered)} dead-lettered + ${count(evicted)} evicted + ${count(rejected)} rejected`;
  return agent.balanced ? (
    <span className="muted" title={title}>✓ balanced</span>
  ) : (
    <span className="bad-text" title={title.replace(' = ', ' ≠ ')}>✗ not balanced</span>
  );
}

import type { Agent } from '../../api/shapes';
import { span } from '../../format/span';

/** A gateway this little behind is as live as its batches allow. */
const BEHIND_MS = 10_000;

/** How old the oldest reading is that the hub has not confirmed, and when it will have caught up. */
export function BehindCell({ agent }: { agent: Agent }) {
  if (agent.state === 'silent')
    return (
      <span className="bad-text">
        silent{agent.secondsSinceSeen === null ? '' : ` ${span(agent.secondsSinceSeen * 1_000)}`}
      </span>
    );
  const drain = agent.drainSeconds === null ? ', not draining yet' : `, ${span(agent.drainSeconds * 1_000)} left`;
  const left = agent.state === 'catching_up' ? drain : '';
  return (
    <span className={agent.behindMs > BEHIND_MS ? 'warn-text' : ''}>
      {span(agent.behindMs)}
      {left}
    </span>
  );
}

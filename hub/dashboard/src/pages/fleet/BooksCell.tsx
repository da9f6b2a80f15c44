import type { Agent } from '../../api/shapes';
import { count } from '../../format/number';

/** Whether every record that a gateway took in is accounted for exactly once. */
export function BooksCell({ agent }: { agent: Agent }) {
  const { received, stored, buffered, deadLettered, evicted, rejected } = agent.counts;
  const title = `${count(received)} received = ${count(stored)} stored + ${count(buffered)} buffered + ${count(deadLettered)} dead-lettered + ${count(evicted)} evicted + ${count(rejected)} rejected`;
  return agent.balanced ? (
    <span className="muted" title={title}>
      ✓<span className="word"> balanced</span>
    </span>
  ) : (
    <span className="bad-text" title={title.replace(' = ', ' ≠ ')}>
      ✗<span className="word"> not balanced</span>
    </span>
  );
}

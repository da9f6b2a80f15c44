import type { Agent } from '../../api/shapes';
import { bytes, count, percent } from '../../format/number';

/** A buffer this full is about to refuse or evict. */
const FULL_SHARE = 0.8;

/** How much of its quota a gateway's buffer takes. */
export function BufferCell({ agent, withQuota = false }: { agent: Agent; withQuota?: boolean }) {
  const share = agent.bufferQuotaBytes > 0 ? agent.bufferBytes / agent.bufferQuotaBytes : 0;
  const title = `${bytes(agent.bufferBytes)} of ${bytes(agent.bufferQuotaBytes)}, ${count(agent.counts.buffered)} readings`;
  return (
    <span
      className={`buffer ${share >= FULL_SHARE ? 'full' : agent.state === 'catching_up' ? 'draining' : ''}`}
      title={title}
    >
      <span className="bar">
        <i style={{ width: `${Math.min(100, share * 100)}%` }} />
      </span>
      {percent(share)}
      {withQuota && <small className="quota"> of {bytes(agent.bufferQuotaBytes)}</small>}
    </span>
  );
}

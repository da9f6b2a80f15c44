import { CopyLine } from '../../shell/CopyLine';
import { useShown } from '../../store/hooks';
import { publishLine } from './publish';

/** Nothing has arrived yet: says how to send the first reading, and goes away by itself when it comes. */
export function EmptyState() {
  const hint = useShown((state) => state.status?.mqttHint);
  const gateways = useShown((state) => state.agents?.size ?? 0);
  return (
    <section className="panel empty" data-testid="empty-state" aria-label="No readings yet">
      <svg
        width="56"
        height="40"
        viewBox="0 0 56 40"
        fill="none"
        stroke="currentColor"
        strokeWidth="2"
        strokeLinecap="round"
        aria-hidden="true"
      >
        <path d="M2 10h12c12 0 12 22 24 22h16" />
        <path d="M2 20h6c10 0 9 12 17 12" opacity=".4" />
      </svg>
      <h2>No reading has arrived yet</h2>
      <p className="muted">Send the first one to a gateway; this becomes its chart the moment it arrives.</p>
      <CopyLine text={publishLine(hint, location.hostname)} />
      <p className="faint">
        {hint
          ? 'The address is that of a gateway on this machine.'
          : gateways > 0
            ? 'Replace the address by that of one of your gateways.'
            : 'No gateway has reported yet: start penstock-agent, and replace the address by its own.'}
      </p>
    </section>
  );
}

import { useMemo } from 'react';
import { Link } from '../../shell/Link';
import { addressOf } from '../../shell/route';
import { useShown } from '../../store/hooks';
import { FleetSummary } from '../fleet/FleetSummary';
import { BehindCell } from '../fleet/BehindCell';
import { BooksCell } from '../fleet/BooksCell';
import { BufferCell } from '../fleet/BufferCell';
import { NameCell } from '../fleet/NameCell';
import { inNeed } from '../fleet/order';

const ROWS = 6;

/** The gateways that need a look, and how the rest fares. */
export function FleetPanel() {
  const agents = useShown((state) => state.agents);
  const rows = useMemo(() => [...(agents?.values() ?? [])].sort(inNeed).slice(0, ROWS), [agents]);
  return (
    <section className="panel" aria-labelledby="fleet-title">
      <div className="head">
        <h2 id="fleet-title">Fleet</h2>
        <FleetSummary agents={agents} />
        <span className="spacer" />
        {agents && agents.size > ROWS && <Link href={addressOf('fleet')}>All {agents.size}</Link>}
      </div>
      <div className="scroll-table" tabIndex={0} role="region" aria-label="Gateways that need a look first">
        <table>
          <thead>
            <tr>
              <th scope="col">gateway</th>
              <th scope="col">buffer</th>
              <th scope="col" className="n">
                behind
              </th>
              <th scope="col" className="n">
                books
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((agent) => (
              <tr key={agent.agent}>
                <th scope="row">
                  <NameCell agent={agent} />
                </th>
                <td>
                  <BufferCell agent={agent} />
                </td>
                <td className="n">
                  <BehindCell agent={agent} />
                </td>
                <td className="n">
                  <BooksCell agent={agent} />
                </td>
              </tr>
            ))}
            {rows.length === 0 && (
              <tr>
                <td colSpan={4} className="muted">
                  {agents ? (
                    'No gateway has reported yet. Readings posted by applications need none.'
                  ) : (
                    <span className="skeleton skeleton-row" />
                  )}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </section>
  );
}

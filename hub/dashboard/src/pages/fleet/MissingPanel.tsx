import { useMemo } from 'react';
import type { Agent } from '../../api/shapes';
import { count } from '../../format/number';
import { missingRows, reasonInWords } from './missing';

const moment = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/** Which spans of which gateways will never be complete; nothing at all where nothing was lost. */
export function MissingPanel({ agents }: { agents: Iterable<Agent> }) {
  const rows = useMemo(() => missingRows(agents), [agents]);
  if (rows.length === 0) return null;
  return (
    <section className="panel" aria-label="Missing readings" data-testid="fleet-missing">
      <div className="head">
        <h2>Missing</h2>
        <span className="muted">readings that were lost at a gateway, by the time of their arrival there</span>
      </div>
      <div className="scroll-table">
        <table>
          <thead>
            <tr>
              <th scope="col">gateway</th>
              <th scope="col">from</th>
              <th scope="col">to</th>
              <th scope="col" className="n">
                readings
              </th>
              <th scope="col">because</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={`${row.agent} ${row.from} ${row.reason}`}>
                <th scope="row">{row.agent}</th>
                <td>{moment.format(Date.parse(row.from))}</td>
                <td>{moment.format(Date.parse(row.to))}</td>
                <td className="n">{count(row.readings)}</td>
                <td>{reasonInWords(row.reason)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

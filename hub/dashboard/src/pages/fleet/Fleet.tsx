import { useMemo, useRef } from 'react';
import { plural } from '../../format/number';
import { setParameters, useRoute } from '../../shell/route';
import { useShown } from '../../store/hooks';
import { FleetRow } from './FleetRow';
import { FleetSummary } from './FleetSummary';
import { MissingPanel } from './MissingPanel';
import { inNeed } from './order';
import { useRowWindow } from './useRowWindow';

const ROW_HEIGHT = 40;
const COLUMNS: { label: string; isNumber?: boolean; isWideOnly?: boolean; title?: string }[] = [
  { label: 'gateway' },
  { label: 'state', isWideOnly: true },
  { label: 'last seen', isNumber: true, isWideOnly: true },
  { label: 'buffer', title: 'Bytes on the gateway’s disk against its quota' },
  {
    label: 'behind',
    isNumber: true,
    title: 'Age of the oldest reading the hub has not confirmed, and when it will have caught up',
  },
  { label: 'in', isNumber: true, isWideOnly: true, title: 'Readings taken in per second, over ten seconds' },
  {
    label: 'out',
    isNumber: true,
    isWideOnly: true,
    title: 'Readings confirmed by the hub per second, over ten seconds',
  },
  {
    label: 'set aside',
    isNumber: true,
    isWideOnly: true,
    title: 'Messages that could not become readings, kept at the gateway with their reason',
  },
  { label: 'evicted', isNumber: true, isWideOnly: true, title: 'Readings that the buffer’s quota dropped' },
  { label: 'books', title: 'Received = stored + buffered + set aside + evicted + rejected' },
  { label: 'version', isWideOnly: true },
];

/** All gateways, those that need a look first. */
export function Fleet() {
  const agents = useShown((state) => state.agents);
  const clock = useShown((state) => state.clock);
  const { parameters } = useRoute();
  const search = parameters.get('search') ?? '';
  const rows = useMemo(() => {
    const wanted = search.toLowerCase();
    return [...(agents?.values() ?? [])].filter(({ agent }) => agent.toLowerCase().includes(wanted)).sort(inNeed);
  }, [agents, search]);
  const box = useRef<HTMLDivElement>(null);
  const { first, last } = useRowWindow(box, ROW_HEIGHT, rows.length);

  return (
    <>
      <div className="row">
        <h1>Fleet</h1>
        {agents && <span className="muted">{plural(agents.size, 'gateway')}</span>}
        <FleetSummary agents={agents} />
      </div>
      <section className="panel" aria-label="Gateways">
        <div className="head">
          <input
            type="search"
            className="filter"
            placeholder="Filter gateways"
            aria-label="Filter gateways by name"
            value={search}
            onChange={(event) => setParameters({ search: event.target.value }, 'replace')}
          />
          <span className="muted">
            {search ? `${rows.length} of ${agents?.size ?? 0}` : 'those that need a look first'}
          </span>
        </div>
        <div className="scroll-table fleet-box" ref={box} tabIndex={0} role="region" aria-label="Table of gateways">
          <table className="fleet-table" aria-rowcount={rows.length + 1}>
            <thead>
              <tr>
                {COLUMNS.map(({ label, isNumber, isWideOnly, title }) => (
                  <th
                    key={label}
                    scope="col"
                    className={`${isNumber ? 'n' : ''} ${isWideOnly ? 'hide-narrow' : ''}`}
                    title={title}
                  >
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {first > 0 && <tr aria-hidden="true" style={{ height: first * ROW_HEIGHT }} />}
              {rows.slice(first, last).map((agent, index) => (
                <FleetRow key={agent.agent} agent={agent} index={first + index} clock={clock} />
              ))}
              {last < rows.length && <tr aria-hidden="true" style={{ height: (rows.length - last) * ROW_HEIGHT }} />}
              {rows.length === 0 && (
                <tr>
                  <td colSpan={COLUMNS.length} className="muted">
                    {!agents ? (
                      <span className="skeleton skeleton-row" />
                    ) : search ? (
                      'No gateway is called that.'
                    ) : (
                      'No gateway has reported yet. Start penstock-agent with this hub’s address and a token.'
                    )}
                  </td>
                </tr>
              )}
            </tbody>
          </table>
        </div>
      </section>
      <MissingPanel agents={rows} />
    </>
  );
}

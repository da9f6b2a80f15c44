import type { Agent } from '../../api/shapes';

/** How many gateways are in which state, in words as well as in colour. */
export function FleetSummary({ agents }: { agents: ReadonlyMap<string, Agent> | null }) {
  if (!agents || agents.size === 0) return null;
  const all = [...agents.values()];
  const amount = (state: Agent['state']) => all.filter((agent) => agent.state === state).length;
  const unbalanced = all.filter((agent) => !agent.balanced).length;
  return (
    <span className="pills">
      {amount('live') > 0 && <span className="pill ok">{amount('live')} up</span>}
      {amount('catching_up') > 0 && <span className="pill warn">{amount('catching_up')} catching up</span>}
      {amount('silent') > 0 && <span className="pill bad">{amount('silent')} silent</span>}
      {unbalanced > 0 && <span className="pill bad">{unbalanced} unbalanced</span>}
    </span>
  );
}

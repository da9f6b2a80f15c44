import type { KeyboardEvent } from 'react';
import { useMemo, useState } from 'react';
import { hub } from '../api/hub';
import type { Agent, SeriesEntry, TypeSummary } from '../api/shapes';
import { useFetched, useShown } from '../store/hooks';
import { addressOf, goTo } from './route';

interface Hit {
  key: string;
  kind: string;
  label: string;
  href: string;
}

const HITS_SHOWN = 12;
const SERIES_SEARCHED = 1_000;

function findHits(
  text: string,
  types: readonly TypeSummary[],
  series: readonly SeriesEntry[],
  agents: Iterable<Agent>,
): Hit[] {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const hits: Hit[] = [];
  for (const { type } of types) {
    if (type.toLowerCase().includes(wanted))
      hits.push({ key: `t ${type}`, kind: 'type', label: type, href: addressOf('explore', { type }) });
  }
  for (const { agent } of agents) {
    if (agent.toLowerCase().includes(wanted))
      hits.push({ key: `g ${agent}`, kind: 'gateway', label: agent, href: addressOf('fleet', { search: agent }) });
  }
  for (const { type, source } of series) {
    if (`${source} ${type}`.toLowerCase().includes(wanted)) {
      hits.push({
        key: `s ${type} ${source}`,
        kind: type,
        label: source,
        href: addressOf('explore', { type, source }),
      });
    }
  }
  return hits.slice(0, HITS_SHOWN);
}

/** Finds types, gateways and sources by a part of their name. */
export function Search() {
  const [text, setText] = useState('');
  const [isOpen, setOpen] = useState(false);
  const [chosen, setChosen] = useState(0);
  const types = useShown((state) => state.summary);
  const agents = useShown((state) => state.agents);
  const { data } = useFetched(isOpen ? 'search' : '', async (signal) =>
    isOpen ? hub.series({ limit: SERIES_SEARCHED }, signal) : undefined,
  );
  const hits = useMemo(
    () => findHits(text, types ?? [], data?.series ?? [], agents?.values() ?? []),
    [text, types, data, agents],
  );
  const isListed = isOpen && text.trim() !== '';
  const current = hits[Math.min(chosen, hits.length - 1)];

  const leave = () => {
    setOpen(false);
    setText('');
    (document.activeElement as HTMLElement | null)?.blur();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') leave();
    else if (event.key === 'ArrowDown') setChosen((index) => Math.min(hits.length - 1, index + 1));
    else if (event.key === 'ArrowUp') setChosen((index) => Math.max(0, index - 1));
    else if (event.key === 'Enter' && current) {
      goTo(current.href);
      leave();
    } else return;
    event.preventDefault();
  };

  return (
    <div className="search">
      <input
        id="search"
        type="search"
        placeholder="Search  /"
        aria-label="Search types, sources and gateways"
        role="combobox"
        aria-expanded={isListed}
        aria-controls="search-hits"
        aria-autocomplete="list"
        aria-activedescendant={isListed && current ? `hit-${hits.indexOf(current)}` : undefined}
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setChosen(0);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
      />
      <div id="search-hits" className="search-hits" role="listbox" aria-label="Found" hidden={!isListed}>
        {hits.map((hit, index) => (
          <div
            key={hit.key}
            id={`hit-${index}`}
            role="option"
            aria-selected={hit === current}
            onMouseDown={(event) => {
              event.preventDefault();
              goTo(hit.href);
              leave();
            }}
          >
            <span>{hit.label}</span>
            <small>{hit.kind}</small>
          </div>
        ))}
        {isListed && hits.length === 0 && <p className="muted">Nothing is called that.</p>}
      </div>
    </div>
  );
}

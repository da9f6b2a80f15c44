/** The address bar: pages and their parameters. A link shows what its sender saw. */

import { useMemo, useSyncExternalStore } from 'react';

export type Page = 'overview' | 'explore' | 'fleet';

export interface Route {
  page: Page;
  parameters: URLSearchParams;
}

const PATHS: Record<Page, string> = { overview: '/', explore: '/explore', fleet: '/fleet' };
/** Carried from page to page, so that the range stays when the page changes. */
const KEPT = ['range', 'from', 'to'];

const listeners = new Set<() => void>();
const notify = () => listeners.forEach((listener) => listener());
addEventListener('popstate', notify);

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function parseRoute(path: string, search: string): Route {
  const page =
    (Object.keys(PATHS) as Page[]).find((name) => PATHS[name] === path.replace(/(.)\/+$/, '$1')) ?? 'overview';
  return { page, parameters: new URLSearchParams(search) };
}

export function useRoute(): Route {
  const address = useSyncExternalStore(subscribe, () => location.pathname + location.search);
  return useMemo(() => {
    const [path, search] = address.split('?');
    return parseRoute(path ?? '/', search ?? '');
  }, [address]);
}

export type Parameters = Record<string, string | number | null | undefined>;

/** An address of a page that keeps the range. */
export function addressOf(page: Page, parameters: Parameters = {}): string {
  const kept = new URLSearchParams(location.search);
  const next = new URLSearchParams();
  for (const name of KEPT) {
    const value = kept.get(name);
    if (value) next.set(name, value);
  }
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === '') next.delete(name);
    else next.set(name, String(value));
  }
  const text = next.toString();
  return `${PATHS[page]}${text ? `?${text}` : ''}`;
}

export function goTo(address: string, how: 'push' | 'replace' = 'push'): void {
  if (address === location.pathname + location.search) return;
  if (how === 'push') history.pushState(null, '', address);
  else history.replaceState(null, '', address);
  notify();
}

/** Changes parameters of the page that is shown. */
export function setParameters(parameters: Parameters, how: 'push' | 'replace' = 'push'): void {
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || value === undefined || value === '') next.delete(name);
    else next.set(name, String(value));
  }
  const text = next.toString();
  goTo(`${location.pathname}${text ? `?${text}` : ''}`, how);
}

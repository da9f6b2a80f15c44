/** Dark or light: the system's wish until the reader chooses, then the choice, kept on this machine. */

import { useSyncExternalStore } from 'react';

export type Theme = 'dark' | 'light';

const KEY = 'penstock-theme';
const prefersLight = matchMedia('(prefers-color-scheme: light)');
const listeners = new Set<() => void>();

function chosen(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'dark' || value === 'light' ? value : null;
  } catch {
    return null;
  }
}

let choice = chosen();
let applied: Theme = 'dark';

function apply(): void {
  applied = choice ?? (prefersLight.matches ? 'light' : 'dark');
  document.documentElement.dataset.theme = applied;
  listeners.forEach((listener) => listener());
}

apply();
prefersLight.addEventListener('change', apply);

export function toggleTheme(): void {
  choice = applied === 'dark' ? 'light' : 'dark';
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  apply();
}

export function useTheme(): Theme {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => applied,
  );
}

/** Keys that work everywhere but in a field: `/`, `p`, and `g` followed by a page's letter. */

import { useEffect } from 'react';
import { usePause } from '../store/hooks';
import type { Page } from './route';
import { addressOf, goTo } from './route';

const PAGES: Record<string, Page> = { o: 'overview', e: 'explore', f: 'fleet' };
/** How long `g` waits for its letter. */
const CHORD_MS = 1_500;

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(input|select|textarea)$/i.test(target.tagName))
  );
}

export function useShortcuts(): void {
  const { toggle } = usePause();
  useEffect(() => {
    let chordUntil = 0;
    const press = (event: KeyboardEvent) => {
      if (isTyping(event.target) || event.metaKey || event.ctrlKey || event.altKey) return;
      const page = event.timeStamp < chordUntil ? PAGES[event.key] : undefined;
      chordUntil = event.key === 'g' ? event.timeStamp + CHORD_MS : 0;
      if (page) goTo(addressOf(page));
      else if (event.key === 'p') toggle();
      else if (event.key === '/') document.getElementById('search')?.focus();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  });
}

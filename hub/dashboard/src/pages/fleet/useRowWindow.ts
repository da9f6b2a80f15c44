/** Which rows of a long table are in sight, so that only they are built. */

import type { RefObject } from 'react';
import { useEffect, useState } from 'react';

const OVERSCAN = 8;

export interface RowWindow {
  first: number;
  last: number;
}

export function rowsInSight(scrollTop: number, height: number, rowHeight: number, total: number): RowWindow {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - OVERSCAN);
  const last = Math.min(total, Math.ceil((scrollTop + height) / rowHeight) + OVERSCAN);
  return { first: Math.min(first, last), last };
}

export function useRowWindow(box: RefObject<HTMLElement | null>, rowHeight: number, total: number): RowWindow {
  const [seen, setSeen] = useState<RowWindow>({ first: 0, last: Math.min(total, 40) });
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const look = () =>
      setSeen((before) => {
        const next = rowsInSight(element.scrollTop, element.clientHeight, rowHeight, total);
        return before.first === next.first && before.last === next.last ? before : next;
      });
    look();
    element.addEventListener('scroll', look, { passive: true });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => {
      element.removeEventListener('scroll', look);
      observer.disconnect();
    };
  }, [box, rowHeight, total]);
  return { first: Math.min(seen.first, total), last: Math.min(seen.last, total) };
}

/** The composition root: one store, one client, one poller, and how the browser wakes them. */

import { hubNow } from './api/clock';
import { whenUnauthorized } from './api/hub';
import { browserSurroundings } from './live/browser';
import { AGENTS } from './live/channel';
import { LiveClient } from './live/client';
import { Polling } from './store/polling';
import { Store } from './store/store';

/** What arrives within one frame is drawn together. */
const FRAME_MS = 16;
/** Under a steady stream this much time passes between drawings, so that a thousand gateways stay smooth. */
const DRAWING_EVERY_MS = 80;
const TICK_MS = 1_000;

export interface Runtime {
  store: Store;
  client: LiveClient;
}

/** Draws a lone message at once and a stream at a steady pace. */
function pacedDrawing(): (act: () => void) => void {
  let last = -Infinity;
  return (act) => {
    const wait = Math.max(FRAME_MS, last + DRAWING_EVERY_MS - performance.now());
    setTimeout(() => {
      last = performance.now();
      act();
    }, wait);
  };
}

export function startRuntime(): Runtime {
  const store = new Store({ now: hubNow, soon: pacedDrawing() });
  const client = new LiveClient(browserSurroundings, store);
  whenUnauthorized(() => {
    client.stop();
    store.requireLogin(true);
  });
  client.start();
  client.acquire(AGENTS);
  new Polling(store, client).start();
  setInterval(() => store.tick(), TICK_MS);
  addEventListener('online', () => client.retryNow());
  addEventListener('offline', () => client.abandon());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) client.retryNow();
  });
  return { store, client };
}

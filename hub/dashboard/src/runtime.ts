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
const TICK_MS = 1_000;

export interface Runtime {
  store: Store;
  client: LiveClient;
}

export function startRuntime(): Runtime {
  const store = new Store({ now: hubNow, soon: (act) => void setTimeout(act, FRAME_MS) });
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

/** The client's surroundings in a real browser. */

import type { Socket, Surroundings } from './client';

export const browserSurroundings: Surroundings = {
  openSocket() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    return new WebSocket(`${scheme}://${location.host}/api/v1/live`) as unknown as Socket;
  },
  after(milliseconds, act) {
    const timer = setTimeout(act, milliseconds);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

import { describe, expect, it } from 'vitest';
import type { ServerMessage } from '../api/shapes';
import type { LinkState, Socket } from './client';
import { LiveClient } from './client';

class FakeSocket implements Socket {
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly sent: { type: string; channel: string }[] = [];
  isClosed = false;
  send(text: string) {
    this.sent.push(JSON.parse(text) as { type: string; channel: string });
  }
  close() {
    this.isClosed = true;
  }
  says(message: unknown) {
    this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) });
  }
}

/** A client in a world where time passes by hand. */
function world() {
  const sockets: FakeSocket[] = [];
  const timers = new Set<{ due: number; act: () => void }>();
  const heard: ServerMessage[] = [];
  const links: LinkState[] = [];
  const left: string[] = [];
  let now = 0;
  const client = new LiveClient(
    {
      openSocket: () => {
        const socket = new FakeSocket();
        sockets.push(socket);
        return socket;
      },
      after: (milliseconds, act) => {
        const timer = { due: now + milliseconds, act };
        timers.add(timer);
        return () => timers.delete(timer);
      },
      random: () => 0.5,
    },
    {
      message: (message) => heard.push(message),
      link: (state) => links.push(state),
      left: (channel) => left.push(channel),
    },
  );
  const pass = (milliseconds: number) => {
    now += milliseconds;
    for (const timer of [...timers].filter(({ due }) => due <= now)) {
      timers.delete(timer);
      timer.act();
    }
  };
  const socket = () => sockets.at(-1) as FakeSocket;
  return { client, sockets, heard, links, left, pass, socket };
}

const C = 'temperature:minute';
const snapshot = (channel = C) => ({ type: 'snapshot', channel, items: [] });
const update = (average: number, channel = C) => ({
  type: 'metric_update',
  channel,
  bucket: '2026-01-01T00:00:00.000Z',
  average,
});

describe('the live client', () => {
  it('subscribes what is wanted when the connection opens, and later wishes at once', () => {
    const { client, socket } = world();
    client.acquire(C);
    client.start();
    expect(socket().sent).toEqual([]);
    socket().onopen?.();
    client.acquire('agents');
    expect(socket().sent).toEqual([
      { type: 'subscribe', channel: C },
      { type: 'subscribe', channel: 'agents' },
    ]);
  });

  it('passes on the snapshot first and then the updates in their order', () => {
    const { client, socket, heard } = world();
    client.acquire(C);
    client.start();
    socket().onopen?.();
    socket().says(update(1));
    socket().says(snapshot());
    socket().says(update(2));
    socket().says(update(3));
    expect(heard).toEqual([snapshot(), update(2), update(3)]);
  });

  it('asks for a fresh snapshot after a reconnect and drops updates until it comes', () => {
    const { client, sockets, socket, heard, links, pass } = world();
    client.acquire(C);
    client.start();
    socket().onopen?.();
    socket().says(snapshot());
    socket().onclose?.();
    pass(1_000);
    expect(sockets).toHaveLength(2);
    socket().onopen?.();
    expect(socket().sent).toEqual([{ type: 'subscribe', channel: C }]);
    socket().says(update(9));
    expect(heard).toEqual([snapshot()]);
    socket().says(snapshot());
    socket().says(update(10));
    expect(heard.slice(1)).toEqual([snapshot(), update(10)]);
    expect(links).toEqual(['connecting', 'open', 'lost', 'connecting', 'open']);
  });

  it('hears nothing more from a connection that was replaced', () => {
    const { client, sockets, heard, pass } = world();
    client.acquire(C);
    client.start();
    const [first] = sockets as [FakeSocket];
    first.onopen?.();
    const stale = first.onmessage;
    first.onclose?.();
    pass(1_000);
    stale?.({ data: JSON.stringify(snapshot()) });
    expect(heard).toEqual([]);
  });

  it('subscribes a shared channel once and ends it a while after the last wish', () => {
    const { client, socket, left, pass } = world();
    client.start();
    socket().onopen?.();
    const releases = [client.acquire(C), client.acquire(C)];
    releases.forEach((release) => release());
    expect(socket().sent).toEqual([{ type: 'subscribe', channel: C }]);
    pass(5_000);
    expect(socket().sent.at(-1)).toEqual({ type: 'unsubscribe', channel: C });
    expect(left).toEqual([C]);
  });

  it('keeps the subscription when the channel is wanted again in time', () => {
    const { client, socket, pass } = world();
    client.start();
    socket().onopen?.();
    client.acquire(C)();
    pass(4_000);
    client.acquire(C);
    pass(60_000);
    expect(socket().sent).toEqual([{ type: 'subscribe', channel: C }]);
  });

  it('waits longer after each failure and short again after a success', () => {
    const { client, sockets, socket, pass } = world();
    client.start();
    const waits: number[] = [];
    for (let failure = 0; failure < 7; failure += 1) {
      socket().onclose?.();
      const opened = sockets.length;
      let waited = 0;
      while (sockets.length === opened) {
        pass(125);
        waited += 125;
      }
      waits.push(waited);
    }
    expect(waits).toEqual([625, 1_125, 2_125, 4_125, 7_625, 7_625, 7_625]);
    socket().onopen?.();
    socket().onclose?.();
    const opened = sockets.length;
    pass(625);
    expect(sockets).toHaveLength(opened + 1);
  });

  it('asks again for a channel that was refused, until it is served', () => {
    const { client, socket, pass } = world();
    client.acquire(C);
    client.start();
    socket().onopen?.();
    const refusal = { type: 'error', channel: C, message: 'subscribe again later' };
    socket().says(refusal);
    pass(7_500);
    expect(socket().sent).toHaveLength(2);
    socket().says(refusal);
    socket().says(snapshot());
    pass(60_000);
    expect(socket().sent).toHaveLength(2);
  });

  it('gives up a connection that never opens', () => {
    const { client, sockets, links, pass } = world();
    client.start();
    pass(10_000);
    expect(sockets[0]?.isClosed).toBe(true);
    expect(links.at(-1)).toBe('lost');
  });

  it('survives what is no message', () => {
    const { client, socket, heard } = world();
    client.acquire(C);
    client.start();
    socket().onopen?.();
    for (const nonsense of ['{', '3', 'null', '{"type":7}', snapshot('somebody:minute')]) socket().says(nonsense);
    expect(heard).toEqual([]);
  });
});

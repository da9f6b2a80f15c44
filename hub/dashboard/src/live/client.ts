/**
 * The WebSocket's client: the only place that knows subscriptions, snapshots, updates and reconnecting.
 *
 * What it passes on can be trusted: a channel's first message on every connection is its snapshot; updates that
 * overtake it, belong to a former connection or to a channel nobody wants are dropped, as the snapshot holds them.
 */

import type { ServerMessage } from '../api/shapes';
import { reconnectDelay } from './backoff';

export type LinkState = 'connecting' | 'open' | 'lost';

/** The part of a WebSocket that the client uses. */
export interface Socket {
  onopen: (() => void) | null;
  onclose: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface Surroundings {
  openSocket(): Socket;
  after(milliseconds: number, act: () => void): () => void;
  random(): number;
}

export interface Listener {
  message(message: ServerMessage): void;
  link(state: LinkState): void;
  /** Nobody wants the channel any more; what is known of it grows old from now on. */
  left(channel: string): void;
}

/** A channel stays subscribed a little longer than it is wanted, so that going back to a page shows it at once. */
const LINGER_MS = 5_000;
/** A refused channel is asked for again after this time, and as much again at random. */
const ASK_AGAIN_MS = 5_000;
/** A connection that does not open within this time is given up. */
const OPEN_TIMEOUT_MS = 10_000;

interface Subscription {
  wanted: number;
  hasSnapshot: boolean;
  cancelLinger: (() => void) | null;
}

export class LiveClient {
  private readonly subscriptions = new Map<string, Subscription>();
  private socket: Socket | null = null;
  private isOpen = false;
  private attempt = 0;
  private cancelTimer: (() => void) | null = null;
  private started = false;

  constructor(
    private readonly surroundings: Surroundings,
    private readonly listener: Listener,
  ) {}

  start(): void {
    if (this.started) return;
    this.started = true;
    this.connect();
  }

  stop(): void {
    this.started = false;
    this.drop();
  }

  /** Tries again at once, for when something suggests that it will work now. */
  retryNow(): void {
    if (!this.started || this.isOpen) return;
    this.drop();
    this.connect();
  }

  /** Gives up a connection that looks alive and is not. */
  abandon(): void {
    if (!this.started || !this.isOpen) return;
    this.drop();
    this.scheduleReconnect();
  }

  /** Wants a channel until the returned function is called. */
  acquire(channel: string): () => void {
    const known = this.subscriptions.get(channel);
    if (known) {
      known.wanted += 1;
      known.cancelLinger?.();
      known.cancelLinger = null;
    } else {
      this.subscriptions.set(channel, { wanted: 1, hasSnapshot: false, cancelLinger: null });
      this.say('subscribe', channel);
    }
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.release(channel);
    };
  }

  private release(channel: string): void {
    const subscription = this.subscriptions.get(channel);
    if (!subscription) return;
    subscription.wanted -= 1;
    if (subscription.wanted > 0) return;
    subscription.cancelLinger = this.surroundings.after(LINGER_MS, () => {
      this.subscriptions.delete(channel);
      this.say('unsubscribe', channel);
      this.listener.left(channel);
    });
  }

  private connect(): void {
    this.listener.link('connecting');
    const socket = this.surroundings.openSocket();
    this.socket = socket;
    this.cancelTimer = this.surroundings.after(OPEN_TIMEOUT_MS, () => this.lost(socket));
    socket.onopen = () => this.opened(socket);
    socket.onmessage = (event) => this.received(socket, event.data);
    socket.onclose = () => this.lost(socket);
  }

  private opened(socket: Socket): void {
    if (socket !== this.socket) return;
    this.clearTimer();
    this.isOpen = true;
    this.attempt = 0;
    this.listener.link('open');
    for (const [channel, subscription] of this.subscriptions) {
      subscription.hasSnapshot = false;
      this.say('subscribe', channel);
    }
  }

  private received(socket: Socket, data: unknown): void {
    if (socket !== this.socket || typeof data !== 'string') return;
    const message = parse(data);
    if (!message) return;
    if (message.type === 'error') {
      this.listener.message(message);
      if (message.channel) this.askAgainLater(socket, message.channel);
      return;
    }
    const subscription = this.subscriptions.get(message.channel);
    if (!subscription) return;
    if (message.type === 'snapshot') subscription.hasSnapshot = true;
    if (subscription.hasSnapshot) this.listener.message(message);
  }

  /** A channel that was refused may be served later, when the hub is less busy or other channels were left. */
  private askAgainLater(socket: Socket, channel: string): void {
    this.surroundings.after(ASK_AGAIN_MS * (1 + this.surroundings.random()), () => {
      const subscription = this.subscriptions.get(channel);
      if (socket === this.socket && subscription && !subscription.hasSnapshot) this.say('subscribe', channel);
    });
  }

  private lost(socket: Socket): void {
    if (socket !== this.socket) return;
    this.drop();
    this.scheduleReconnect();
  }

  private scheduleReconnect(): void {
    this.listener.link('lost');
    const delay = reconnectDelay(this.attempt, this.surroundings.random);
    this.attempt += 1;
    this.cancelTimer = this.surroundings.after(delay, () => this.connect());
  }

  private drop(): void {
    this.clearTimer();
    const socket = this.socket;
    this.socket = null;
    this.isOpen = false;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private clearTimer(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
  }

  private say(type: 'subscribe' | 'unsubscribe', channel: string): void {
    if (this.isOpen) this.socket?.send(JSON.stringify({ type, channel }));
  }
}

function parse(text: string): ServerMessage | null {
  try {
    const message: unknown = JSON.parse(text);
    const typed = message as { type?: unknown } | null;
    return typed && typeof typed.type === 'string' ? (message as ServerMessage) : null;
  } catch {
    return null;
  }
}

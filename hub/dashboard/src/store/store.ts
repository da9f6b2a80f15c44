/**
 * The one store. It holds what is known (`live`) and what is on the screen (`shown`); they are the same value until
 * the page is paused, and again after it is resumed, so that resuming misses nothing.
 */

import type { ServerMessage } from '../api/shapes';
import type { LinkState, Listener } from '../live/client';
import { withHistory } from './buckets';
import { fold } from './fold';
import type { Bucket, Resource, Series, State } from './state';
import { EMPTY_SERIES, initialState } from './state';

export interface StoreSurroundings {
  now(): number;
  /** Runs `act` once, soon; what arrives in between is drawn together. */
  soon(act: () => void): void;
}

/** Messages that may wait for the next drawing; beyond it they are folded in at once. */
const QUEUE_LIMIT = 2_000;

export class Store implements Listener {
  private live: State;
  private frozen: State | null = null;
  private held = 0;
  private queue: ServerMessage[] = [];
  private isScheduled = false;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly surroundings: StoreSurroundings) {
    this.live = initialState(surroundings.now());
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** What the screen shows. */
  readonly shown = (): State => this.frozen ?? this.live;
  /** What is known, also while paused; for the connection's state and for nothing else on the screen. */
  readonly known = (): State => this.live;
  readonly heldUpdates = (): number => this.held;
  readonly isPaused = (): boolean => this.frozen !== null;

  message(message: ServerMessage): void {
    this.queue.push(message);
    if (this.queue.length >= QUEUE_LIMIT) this.flush();
    else this.schedule();
  }

  link(link: LinkState): void {
    this.flush();
    const lostAt = this.live.linkLostAt ?? (link === 'lost' ? this.surroundings.now() : null);
    this.change({ link, linkLostAt: link === 'open' ? null : lostAt });
  }

  /** Forgets a channel that is no longer followed: what is not updated must not be shown as if it were. */
  left(channel: string): void {
    this.flush();
    const { live } = this;
    this.change({
      series: without(live.series, channel),
      tails: without(live.tails, channel),
      refusals: without(live.refusals, channel),
    });
  }

  tick(): void {
    this.change({ clock: this.surroundings.now() });
  }

  /** Notes a fetched resource, and that fetching it works. */
  fetched(resource: Resource, part: Partial<State>): void {
    const faults = new Map(this.live.faults);
    faults.delete(resource);
    this.change({ ...part, faults });
    if (this.frozen) this.frozen = { ...this.frozen, ...onlyMissing(this.frozen, part) };
    this.notify();
  }

  requireLogin(needsLogin: boolean): void {
    if (this.live.needsLogin !== needsLogin) this.change({ needsLogin });
  }

  failed(resource: Resource, reason: string): void {
    this.change({ faults: new Map(this.live.faults).set(resource, reason) });
  }

  /** Notes history that was asked for when the series looked like `asked`. It is shown also while paused. */
  history(channel: string, asked: Series, buckets: Bucket[], from: number, to: number): void {
    this.flush();
    this.live = mergeHistory(this.live, channel, asked, buckets, from, to);
    if (this.frozen) this.frozen = mergeHistory(this.frozen, channel, asked, buckets, from, to);
    this.notify();
  }

  pause(): void {
    if (this.frozen) return;
    this.flush();
    this.frozen = { ...this.live, clock: this.surroundings.now() };
    this.held = 0;
    this.notify();
  }

  resume(): void {
    if (!this.frozen) return;
    this.flush();
    this.frozen = null;
    this.held = 0;
    this.live = { ...this.live, clock: this.surroundings.now() };
    this.notify();
  }

  /** Folds in what has arrived. */
  flush(): void {
    this.isScheduled = false;
    if (this.queue.length === 0) return;
    const messages = this.queue;
    this.queue = [];
    const now = this.surroundings.now();
    this.live = fold(this.live, messages, now);
    if (this.frozen) {
      const unseen = messages.filter((message) => isFirstSight(this.frozen as State, message));
      this.frozen = { ...fold(this.frozen, unseen, now), clock: this.frozen.clock };
      this.held += messages.filter((message) => message.type !== 'snapshot' && message.type !== 'error').length;
    }
    this.notify();
  }

  private change(part: Partial<State>): void {
    this.live = { ...this.live, ...part };
    this.notify();
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.surroundings.soon(() => this.flush());
  }

  private notify(): void {
    for (const listener of this.listeners) listener();
  }
}

/** A snapshot of what a paused screen has not shown yet; it is let through, as there is nothing to hold still. */
function isFirstSight(frozen: State, message: ServerMessage): boolean {
  if (message.type !== 'snapshot') return false;
  return (
    !frozen.series.has(message.channel) &&
    !frozen.tails.has(message.channel) &&
    !(message.channel === 'agents' && frozen.agents)
  );
}

function without<T>(map: ReadonlyMap<string, T>, key: string): ReadonlyMap<string, T> {
  if (!map.has(key)) return map;
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}

function onlyMissing(frozen: State, part: Partial<State>): Partial<State> {
  return Object.fromEntries(Object.entries(part).filter(([key]) => frozen[key as keyof State] === null));
}

function mergeHistory(
  state: State,
  channel: string,
  asked: Series,
  buckets: Bucket[],
  from: number,
  to: number,
): State {
  const series = state.series.get(channel) ?? EMPTY_SERIES;
  return { ...state, series: new Map(state.series).set(channel, withHistory(series, asked, buckets, from, to)) };
}

/** Folds what the hub says into the state. Pure: the same messages give the same state. */

import type { Agent, Granularity, LiveBucket, Reading, ServerMessage } from '../api/shapes';
import { AGENTS } from '../live/channel';
import { fromLive, withSnapshot, withUpdate } from './buckets';
import type { Bucket, Series, State, Tail } from './state';

/** Raw readings that a channel keeps; the hub's snapshot holds as many. */
export const READINGS_KEPT = 100;
/** Clocks may differ this much before a reading counts as from the future. */
export const AHEAD_MS = 2_000;

/** Copies of the maps that a run of messages changes, each made at its first change. */
class Draft {
  private series: Map<string, Series> | null = null;
  private tails: Map<string, Tail> | null = null;
  private agents: Map<string, Agent> | null = null;
  private refusals: Map<string, string> | null = null;
  private snapshots: number;
  private newest: number | null;
  private oldest: number | null;
  private delayMs: number | null;

  constructor(
    private readonly state: State,
    private readonly now: number,
  ) {
    this.snapshots = state.snapshots;
    this.newest = state.newest;
    this.oldest = state.oldest;
    this.delayMs = state.delayMs;
  }

  apply(message: ServerMessage): void {
    switch (message.type) {
      case 'snapshot':
        this.snapshot(message.channel, message.items);
        break;
      case 'metric_update':
        this.update(message.channel, fromLive(message));
        break;
      case 'event':
        this.reading(message.channel, message.event);
        break;
      case 'agent_update':
        this.agents ??= new Map(this.state.agents ?? []);
        this.agents.set(message.agent.agent, message.agent);
        break;
      case 'error':
        if (message.channel) (this.refusals ??= new Map(this.state.refusals)).set(message.channel, message.message);
        break;
      case 'window':
        break;
    }
  }

  private snapshot(channel: string, items: unknown[]): void {
    this.snapshots += 1;
    if (this.state.refusals.has(channel)) (this.refusals ??= new Map(this.state.refusals)).delete(channel);
    if (channel === AGENTS) {
      this.agents = new Map((items as Agent[]).map((agent) => [agent.agent, agent]));
    } else if (channel.startsWith('events:') && !granularityOf(channel)) {
      this.tails ??= new Map(this.state.tails);
      this.tails.set(channel, { readings: newestFirst(items as Reading[]), generation: this.snapshots });
    } else {
      const granularity = granularityOf(channel);
      if (!granularity) return;
      const series = (this.series ??= new Map(this.state.series));
      series.set(
        channel,
        withSnapshot(series.get(channel), items as LiveBucket[], granularity, this.now, this.snapshots),
      );
      for (const item of items as LiveBucket[]) this.noteNewest(item.newest, false);
      this.noteOldest(series.get(channel)?.buckets[0]?.start);
    }
  }

  private update(channel: string, bucket: Bucket): void {
    const granularity = granularityOf(channel);
    if (!granularity) return;
    const series = (this.series ??= new Map(this.state.series));
    series.set(channel, withUpdate(series.get(channel), bucket, granularity, this.now));
    this.noteNewest(bucket.newest, true);
    this.noteOldest(bucket.start);
  }

  private reading(channel: string, reading: Reading): void {
    this.tails ??= new Map(this.state.tails);
    const { readings, generation } = this.tails.get(channel) ?? { readings: [], generation: 0 };
    if (readings.some((other) => other.id === reading.id)) return;
    this.tails.set(channel, { readings: [reading, ...readings].slice(0, READINGS_KEPT), generation });
  }

  private noteNewest(newest: number, isLive: boolean): void {
    // A device whose clock is ahead must not make the page look fresh for as long as it is ahead.
    const isAhead = newest > this.now + AHEAD_MS;
    if (!Number.isFinite(newest) || (isAhead && !isLive)) return;
    const believed = Math.min(newest, this.now);
    if (this.newest !== null && believed <= this.newest) return;
    this.newest = believed;
    if (isLive) this.delayMs = this.now - believed;
  }

  private noteOldest(start: number | undefined): void {
    if (start !== undefined && !(start >= (this.oldest ?? Infinity))) this.oldest = start;
  }

  finish(): State {
    return {
      ...this.state,
      lastMessageAt: this.now,
      snapshots: this.snapshots,
      newest: this.newest,
      oldest: this.oldest,
      delayMs: this.delayMs,
      series: this.series ?? this.state.series,
      tails: this.tails ?? this.state.tails,
      agents: this.agents ?? this.state.agents,
      refusals: this.refusals ?? this.state.refusals,
    };
  }
}

/** The granularity at the end of a metrics channel's name; null for other channels. */
export function granularityOf(channel: string): Granularity | null {
  const end = channel.slice(channel.lastIndexOf(':') + 1);
  return end === 'minute' || end === 'hour' || end === 'day' ? end : null;
}

/** A snapshot may hold last values that are no stored readings; they have no id and are left out. */
function newestFirst(readings: Reading[]): readonly Reading[] {
  return readings
    .filter(({ id }) => id !== undefined)
    .sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0))
    .slice(0, READINGS_KEPT);
}

export function fold(state: State, messages: readonly ServerMessage[], now: number): State {
  if (messages.length === 0) return state;
  const draft = new Draft(state, now);
  for (const message of messages) draft.apply(message);
  return draft.finish();
}

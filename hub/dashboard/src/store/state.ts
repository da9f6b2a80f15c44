/** Everything the page knows, as one immutable value. */

import type { Agent, Figures, HubStatus, Reading, TypeSummary } from '../api/shapes';
import type { LinkState } from '../live/client';

export interface Bucket extends Figures {
  /** Start of the bucket, milliseconds since 1970. */
  start: number;
}

/** A bucket that was no longer the newest when a reading changed it. */
export interface LateChange {
  start: number;
  at: number;
}

export interface Series {
  /** Oldest first, each start once. */
  buckets: readonly Bucket[];
  /** Buckets that late data changed, newest change last. */
  late: readonly LateChange[];
  /** The start of the span that the channel's snapshot covers; before it, history has been asked for or not. */
  liveFrom: number;
  /** How far back the page has looked, in milliseconds; what is older is dropped as time goes on. */
  reach: number;
  /** The number of its snapshot, so that whoever asked for history asks again. */
  generation: number;
}

/** The newest raw readings of a channel. */
export interface Tail {
  /** Newest first, each once. */
  readings: readonly Reading[];
  /** The number of its snapshot: what was stored before it has to be asked for. */
  generation: number;
}

/** What is fetched again and again, each with its own way to fail. */
export type Resource = 'status' | 'summary' | 'agents';

export interface State {
  link: LinkState;
  /** Since when there is no connection; null while there is one. */
  linkLostAt: number | null;
  /** When the hub last said something over the WebSocket, by the hub's clock. */
  lastMessageAt: number | null;
  /** Time of the newest reading on the page. */
  newest: number | null;
  /** Start of the oldest bucket that has arrived live: how far back there is anything to show. */
  oldest: number | null;
  /** How old the newest reading was when it reached the page; unknown until one arrives live. */
  delayMs: number | null;
  /** The page's clock; it stands still while the page is paused. */
  clock: number;
  /** Snapshots that have arrived, of all channels. */
  snapshots: number;
  series: ReadonlyMap<string, Series>;
  tails: ReadonlyMap<string, Tail>;
  agents: ReadonlyMap<string, Agent> | null;
  status: HubStatus | null;
  summary: readonly TypeSummary[] | null;
  faults: ReadonlyMap<Resource, string>;
  /** Channels that the hub would not serve, with its reason. */
  refusals: ReadonlyMap<string, string>;
  /** The hub wants a token before it says more. */
  needsLogin: boolean;
}

export const EMPTY_SERIES: Series = { buckets: [], late: [], liveFrom: Infinity, reach: 0, generation: 0 };

export function initialState(clock: number): State {
  return {
    link: 'connecting',
    linkLostAt: null,
    lastMessageAt: null,
    newest: null,
    oldest: null,
    delayMs: null,
    clock,
    snapshots: 0,
    series: new Map(),
    tails: new Map(),
    agents: null,
    status: null,
    summary: null,
    faults: new Map(),
    refusals: new Map(),
    needsLogin: false,
  };
}

/** The hub's JSON as it travels. Nothing here knows how it is fetched or shown. */

export type Granularity = 'minute' | 'hour' | 'day';

export interface Figures {
  count: number;
  total: number;
  average: number;
  min: number;
  max: number;
  p50: number;
  p95: number;
  p99: number;
  /** Time of the newest reading in the bucket, milliseconds since 1970. */
  newest: number;
}

/** A bucket as the WebSocket gives it. */
export interface LiveBucket extends Figures {
  bucket: string;
}

/** A bucket as `GET /metrics/{type}` gives it. */
export interface StoredBucket extends Figures {
  timestamp: string;
}

export interface SpanTotals {
  count: number;
  total: number;
}

export interface TypeSummary {
  type: string;
  sources: number;
  unit: string | null;
  lastHour: SpanTotals;
  lastDay: SpanTotals;
  newest: number | null;
}

export type Value = number | boolean | string | null;

export interface SeriesEntry {
  type: string;
  source: string;
  labels: Record<string, string>;
  agent: string | null;
  lastValue: Value;
  lastTime: string | null;
  firstSeen: string | null;
}

export interface Reading {
  id: string;
  type: string;
  source: string;
  labels?: Record<string, string>;
  agent?: string | null;
  time: string;
  value: Value;
  userId?: string;
  properties?: unknown;
}

export type AgentState = 'live' | 'catching_up' | 'silent';

export interface RecordCounts {
  received: number;
  stored: number;
  buffered: number;
  deadLettered: number;
  evicted: number;
  rejected: number;
}

/** Readings that were lost at a gateway, and when they had arrived there. */
export interface MissingSpan {
  from: string;
  to: string;
  readings: number;
  reason: 'evicted' | 'quarantined' | 'trimmed_earlier' | 'refused' | 'other_lane';
}

export interface Agent {
  agent: string;
  version: string;
  epoch: string;
  lastSeen: string | null;
  secondsSinceSeen: number | null;
  state: AgentState;
  behindMs: number;
  counts: RecordCounts;
  hub?: { ledgerReadings: number; appliedReadings: number };
  balanced: boolean;
  bufferBytes: number;
  bufferQuotaBytes: number;
  receivedPerSecond: number;
  storedPerSecond: number;
  drainSeconds: number | null;
  faults: string[];
  missing?: MissingSpan[];
}

export interface Books {
  checked: number;
  balanced: boolean;
  unbalancedAgents: string[];
  lost: number;
  countedTwice: number;
}

export interface HubStatus {
  arrivingPerSecond: number;
  storedLastDay: number;
  books: Books;
  publishToPushMs: { p50: number | null; p99: number | null };
  bufferedBytes: number;
  bufferedReadings: number;
  processingLagMs: number;
  version: string;
  mqttHint: string | null;
}

/** What the hub says over the WebSocket. */
export type ServerMessage =
  | { type: 'snapshot'; channel: string; items: unknown[] }
  | ({ type: 'metric_update'; channel: string } & LiveBucket)
  | { type: 'event'; channel: string; event: Reading }
  | { type: 'window'; channel: string; window: unknown }
  | { type: 'agent_update'; channel: string; agent: Agent }
  | { type: 'error'; message: string; channel?: string };

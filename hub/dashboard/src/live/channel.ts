/** Builds channel names; the only place that knows how they are written. */

import type { Granularity } from '../api/shapes';

export const AGENTS = 'agents';

export function metricsChannel(type: string, source: string | null | undefined, granularity: Granularity): string {
  return source ? `${type}@${source}:${granularity}` : `${type}:${granularity}`;
}

export function eventsChannel(type: string): string {
  return `events:${type}`;
}

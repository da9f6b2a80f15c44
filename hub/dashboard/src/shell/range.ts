/** The span that charts show: the last so-and-so long, or from one moment to another. */

import type { Granularity } from '../api/shapes';
import { MILLIS } from '../store/buckets';

export const PRESETS = [
  { key: '15m', label: '15 m', span: 15 * 60_000 },
  { key: '1h', label: '1 h', span: 3_600_000 },
  { key: '6h', label: '6 h', span: 6 * 3_600_000 },
  { key: '24h', label: '24 h', span: 86_400_000 },
  { key: '7d', label: '7 d', span: 7 * 86_400_000 },
  { key: '60d', label: '60 d', span: 60 * 86_400_000 },
] as const;

export type PresetKey = (typeof PRESETS)[number]['key'];

export type Range =
  { kind: 'last'; key: PresetKey; span: number } | { kind: 'fixed'; from: number; to: number; span: number };

/** While there is less than this much to show, an hour would be a sliver at the edge of nothing. */
const YOUNG_MS = 14 * 60_000;

/** What is shown when the address says nothing. */
export function defaultPreset(oldest: number | null, clock: number): PresetKey {
  return oldest !== null && clock - oldest < YOUNG_MS ? '15m' : '1h';
}

export function parseRange(parameters: URLSearchParams, otherwise: PresetKey = '1h'): Range {
  const from = Number(parameters.get('from') ?? NaN);
  const to = Number(parameters.get('to') ?? NaN);
  if (Number.isFinite(from) && Number.isFinite(to) && to > from) return { kind: 'fixed', from, to, span: to - from };
  const wanted = parameters.get('range');
  const preset =
    PRESETS.find(({ key }) => key === wanted) ?? PRESETS.find(({ key }) => key === otherwise) ?? PRESETS[1];
  return { kind: 'last', key: preset.key, span: preset.span };
}

/** The buckets that suit a span: short enough to show its shape, long enough to stay light. */
export function suitedGranularity(span: number): Granularity {
  if (span <= 25 * 3_600_000) return 'minute';
  return span <= 15 * 86_400_000 ? 'hour' : 'day';
}

export interface Window {
  from: number;
  to: number;
}

/** The moments that a range covers, on bucket edges, so that a live chart moves once a bucket. */
export function windowOf(range: Range, clock: number, granularity: Granularity): Window {
  if (range.kind === 'fixed') return { from: range.from, to: range.to };
  const step = MILLIS[granularity];
  const to = (Math.floor(clock / step) + 1) * step;
  return { from: to - Math.ceil(range.span / step) * step, to };
}

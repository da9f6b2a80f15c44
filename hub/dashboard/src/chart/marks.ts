/** What uPlot does not draw by itself: the open bucket, lone buckets between holes, and late changes. */

import type uPlot from 'uplot';
import type { LateChange } from '../store/state';
import type { Columns } from './columns';
import { isolated } from './columns';
import type { Palette } from './palette';

export const FLASH_MS = 1_400;

/** Shades the bucket that still fills. */
export function drawOpenBucket(u: uPlot, columns: Columns, now: number, palette: Palette): void {
  const index = columns.time.length - 1;
  const start = columns.time[index];
  if (start === undefined || now < start || now >= start + columns.step) return;
  const left = u.valToPos(start, 'x', true);
  const right = Math.min(u.valToPos(start + columns.step, 'x', true), u.bbox.left + u.bbox.width);
  u.ctx.fillStyle = palette.open;
  u.ctx.fillRect(left, u.bbox.top, Math.max(2, right - left), u.bbox.height);
}

/** Rings the newest average while its bucket is open. */
export function drawOpenPoint(u: uPlot, columns: Columns, now: number, palette: Palette): void {
  const index = columns.time.length - 1;
  const start = columns.time[index];
  const value = columns.average[index];
  if (start === undefined || value === null || value === undefined || now >= start + columns.step) return;
  const pixel = devicePixelRatio;
  u.ctx.beginPath();
  u.ctx.arc(u.valToPos(start, 'x', true), u.valToPos(value, 'y', true), 3.2 * pixel, 0, 2 * Math.PI);
  u.ctx.fillStyle = palette.panel;
  u.ctx.fill();
  u.ctx.lineWidth = 2 * pixel;
  u.ctx.strokeStyle = palette.accent;
  u.ctx.stroke();
}

/** Draws buckets that stand between holes as a bar from min to max with a dot. */
export function drawIsolated(u: uPlot, columns: Columns, palette: Palette): void {
  const pixel = devicePixelRatio;
  for (const index of isolated(columns.average)) {
    const x = u.valToPos(columns.time[index] as number, 'x', true);
    const low = u.valToPos(columns.min[index] as number, 'y', true);
    const high = u.valToPos(columns.max[index] as number, 'y', true);
    u.ctx.fillStyle = palette.band;
    u.ctx.fillRect(x - 2 * pixel, high, 4 * pixel, Math.max(pixel, low - high));
    u.ctx.beginPath();
    u.ctx.arc(x, u.valToPos(columns.average[index] as number, 'y', true), 2 * pixel, 0, 2 * Math.PI);
    u.ctx.fillStyle = palette.accent;
    u.ctx.fill();
  }
}

/** Flashes buckets that late data changed; tells whether one is still fading. */
export function drawLate(
  u: uPlot,
  columns: Columns,
  late: readonly LateChange[],
  now: number,
  palette: Palette,
): boolean {
  let isFading = false;
  u.ctx.save();
  for (const change of late) {
    const age = now - change.at;
    const first = columns.time[0] ?? Infinity;
    if (age < 0 || age >= FLASH_MS || change.start < first) continue;
    isFading = true;
    const start = Math.floor(change.start / columns.step) * columns.step;
    const left = u.valToPos(start - columns.step / 2, 'x', true);
    const right = u.valToPos(start + columns.step / 2, 'x', true);
    u.ctx.globalAlpha = 0.45 * (1 - age / FLASH_MS);
    u.ctx.fillStyle = palette.warn;
    u.ctx.fillRect(left, u.bbox.top, Math.max(2, right - left), u.bbox.height);
  }
  u.ctx.restore();
  return isFading;
}

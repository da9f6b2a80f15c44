/** uPlot's options for the two sizes of chart. */

import type uPlot from 'uplot';
import { measured } from '../format/number';
import type { Palette } from './palette';

const DAY_MS = 86_400_000;
const SYNC_KEY = 'time';

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const clockSeconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

function timeLabels(splits: number[], step: number): string[] {
  return splits.map((moment, index) => {
    if (step >= DAY_MS) return day.format(moment);
    const previous = splits[index - 1];
    const isNewDay = previous !== undefined && day.format(previous) !== day.format(moment);
    if (isNewDay) return day.format(moment);
    return step < 60_000 ? clockSeconds.format(moment) : clock.format(moment);
  });
}

function valueLabels(splits: number[]): string[] {
  const step = splits.length > 1 ? Math.abs((splits[1] as number) - (splits[0] as number)) : 0;
  const largest = Math.max(...splits.map(Math.abs));
  const isPlain = largest < 1e6 && step >= 1e-4;
  const decimals = step > 0 && step < 1 ? Math.min(4, Math.ceil(-Math.log10(step) - 1e-9)) : step % 1 === 0 ? 0 : 1;
  return splits.map((value) =>
    isPlain
      ? value
          .toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
          .replace('-', '−')
      : measured(value),
  );
}

/** Keeps the band inside the frame, and a constant value in its middle. */
function paddedRange(_: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const extent = high - low || Math.max(Math.abs(high) * 0.1, 1e-3);
  return [low - extent * 0.12, high + extent * 0.12];
}

const isPointer = (type: string) => type === 'mousemove' || type === 'mouseleave';

function series(palette: Palette, width: number, withP95: boolean): uPlot.Series[] {
  const none = { show: false };
  return [
    {},
    { stroke: 'transparent', width: 0, points: none },
    { stroke: 'transparent', width: 0, points: none },
    { stroke: palette.p95, width: 1.3, dash: [4, 3], points: none, show: withP95 },
    { stroke: palette.accent, width, points: none },
  ];
}

export interface Wishes {
  width: number;
  height: number;
  palette: Palette;
  isMini: boolean;
  x: () => [number, number];
  hooks: uPlot.Hooks.Arrays;
  onZoomBack: () => void;
}

export function chartOptions(wishes: Wishes): uPlot.Options {
  const { width, height, palette, isMini, hooks, onZoomBack } = wishes;
  const axis = {
    stroke: palette.soft,
    font: palette.font,
    ticks: { show: false },
    grid: { stroke: palette.line, width: 1 },
  };
  return {
    width,
    height,
    ms: 1,
    padding: isMini ? [4, 0, 0, 0] : [12, 24, 0, 0],
    legend: { show: false },
    scales: { x: { time: true, range: () => wishes.x() }, y: { range: paddedRange } },
    axes: isMini
      ? [{ show: false }, { show: false }]
      : [
          {
            ...axis,
            grid: { show: false },
            size: 30,
            space: 80,
            values: (_, splits, __, ___, step) => timeLabels(splits, step),
          },
          { ...axis, size: 58, space: 44, values: (_, splits) => valueLabels(splits) },
        ],
    series: series(palette, isMini ? 1.7 : 2, !isMini),
    bands: [{ series: [1, 2], fill: palette.band }],
    cursor: {
      y: false,
      points: { size: 7, show: true },
      drag: { x: !isMini, y: false, setScale: false },
      sync: { key: SYNC_KEY, setSeries: false, scales: ['x', null], filters: { pub: isPointer, sub: isPointer } },
      bind: {
        dblclick: () => () => {
          onZoomBack();
          return null;
        },
      },
    },
    hooks,
  };
}

import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { hubNow } from '../api/clock';
import type { LateChange } from '../store/state';
import { useTheme } from '../shell/theme';
import type { Columns } from './columns';
import { drawIsolated, drawLate, drawOpenBucket, drawOpenPoint } from './marks';
import { chartOptions } from './options';
import type { Palette } from './palette';
import { readPalette } from './palette';

export interface PlotProps {
  columns: Columns;
  from: number;
  to: number;
  /** The page's clock, which decides whether the last bucket is open. */
  now: number;
  late?: readonly LateChange[];
  height: number;
  isMini?: boolean;
  onWidth?: (width: number) => void;
  onZoom?: (from: number, to: number) => void;
  onZoomBack?: () => void;
  onCursor?: (index: number | null) => void;
  /** Given the plot, so that keys can move its cursor. */
  onReady?: (plot: uPlot | null) => void;
}

const NOTHING = () => undefined;

function toData(columns: Columns): uPlot.AlignedData {
  return [columns.time, columns.max, columns.min, columns.p95, columns.average];
}

function hooksFor(latest: { current: PlotProps }, palette: Palette): uPlot.Hooks.Arrays {
  return {
    drawClear: [(u) => drawOpenBucket(u, latest.current.columns, latest.current.now, palette)],
    draw: [
      (u) => {
        const { columns, now, late } = latest.current;
        drawIsolated(u, columns, palette);
        drawOpenPoint(u, columns, now, palette);
        const isStill = matchMedia('(prefers-reduced-motion: reduce)').matches;
        if (late && drawLate(u, columns, late, hubNow(), palette) && !isStill) {
          requestAnimationFrame(() => u.status === 1 && u.root.isConnected && u.redraw(false, false));
        }
      },
    ],
    setSelect: [
      (u) => {
        if (u.select.width < 4) return;
        const from = u.posToVal(u.select.left, 'x');
        const to = u.posToVal(u.select.left + u.select.width, 'x');
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        latest.current.onZoom?.(from, to);
      },
    ],
    setCursor: [(u) => latest.current.onCursor?.(u.cursor.idx ?? null)],
  };
}

/** Lets a finger move the cursor sideways; up and down still scrolls. */
function followFinger(u: uPlot): void {
  const move = (event: TouchEvent) => {
    const touch = event.touches[0];
    if (!touch) return;
    const box = u.over.getBoundingClientRect();
    u.setCursor({ left: touch.clientX - box.left, top: touch.clientY - box.top });
  };
  u.over.addEventListener('touchstart', move, { passive: true });
  u.over.addEventListener('touchmove', move, { passive: true });
}

/** uPlot in React's hands: made once per theme, then only given new arrays. */
export function Plot(props: PlotProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const theme = useTheme();

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const palette = readPalette(element);
    const u = new uPlot(
      chartOptions({
        width: Math.max(40, element.clientWidth),
        height: latest.current.height,
        palette,
        isMini: latest.current.isMini ?? false,
        x: () => [latest.current.from, latest.current.to],
        hooks: hooksFor(latest, palette),
        onZoomBack: () => (latest.current.onZoomBack ?? NOTHING)(),
      }),
      toData(latest.current.columns),
      element,
    );
    plot.current = u;
    followFinger(u);
    latest.current.onReady?.(u);
    const observer = new ResizeObserver(() => {
      const width = Math.max(40, element.clientWidth);
      latest.current.onWidth?.(width);
      if (width !== u.width) u.setSize({ width, height: latest.current.height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      latest.current.onReady?.(null);
      plot.current = null;
      u.destroy();
    };
  }, [theme]);

  useEffect(() => {
    plot.current?.setData(toData(props.columns));
  }, [props.columns, props.from, props.to, theme]);

  return <div ref={host} className={props.isMini ? 'plot plot-mini' : 'plot'} />;
}

import type { KeyboardEvent } from 'react';
import { useCallback, useMemo, useRef, useState } from 'react';
import type uPlot from 'uplot';
import type { Granularity } from '../api/shapes';
import { measured } from '../format/number';
import { bucketTime, span, spanBetween } from '../format/span';
import type { Range } from '../shell/range';
import { windowOf } from '../shell/range';
import { zoomBack, zoomTo } from '../shell/rangeAddress';
import { MILLIS } from '../store/buckets';
import { useSeries, useShown } from '../store/hooks';
import { EMPTY_SERIES } from '../store/state';
import { ChartTable } from './ChartTable';
import { Plot } from './Plot';
import { Readout } from './Readout';
import type { Columns } from './columns';
import { toColumns } from './columns';

interface BigChartProps {
  type: string;
  source: string | null;
  unit: string | null;
  granularity: Granularity;
  range: Range;
}

const HEIGHT = 260;
/** Closer points than this are noise to the eye; zooming shows them. */
const PIXELS_A_POINT = 1.5;

/** Moves the cursor by slots; arrow keys alone reach every bucket. */
function moveCursor(plot: uPlot, key: string, length: number): number | null {
  const now = plot.cursor.idx ?? (key === 'ArrowLeft' ? length : -1);
  const targets: Record<string, number> = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: length - 1 };
  const target = targets[key];
  if (target === undefined) return null;
  const index = Math.min(length - 1, Math.max(0, target));
  const moment = plot.data[0][index];
  if (moment === undefined) return null;
  plot.setCursor({ left: plot.valToPos(moment, 'x'), top: plot.over.clientHeight / 2 });
  return index;
}

/** A bucket in words, for whom the cursor is not to be seen. */
function describe(columns: Columns, index: number, granularity: Granularity, unit: string | null): string {
  const time = bucketTime(columns.time[index] as number, granularity);
  const average = columns.average[index] ?? null;
  if (average === null) return `${time}: no readings`;
  const [min, max] = [columns.min[index] as number, columns.max[index] as number];
  return `${time}: average ${measured(average, 4)} ${unit ?? ''}, from ${measured(min, 4)} to ${measured(max, 4)}`;
}

/** The chart that one works with: zoom, cursor, keys, and its figures as a table. */
export function BigChart({ type, source, unit, granularity, range }: BigChartProps) {
  const clock = useShown((state) => state.clock);
  const { from, to } = windowOf(range, clock, granularity);
  const { series, fault, refusal } = useSeries(type, source, granularity, from, to);
  const [width, setWidth] = useState(1_200);
  const [said, setSaid] = useState('');
  const [cursor, setCursor] = useState<number | null>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = series ?? EMPTY_SERIES;
  const columns = useMemo(
    () => toColumns(shown.buckets, from, to, MILLIS[granularity], width / PIXELS_A_POINT),
    [shown.buckets, from, to, granularity, width],
  );
  const onReady = useCallback((ready: uPlot | null) => {
    plot.current = ready;
  }, []);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && range.kind === 'fixed') zoomBack();
    else {
      const index = plot.current && moveCursor(plot.current, event.key, columns.time.length);
      if (index === null) return;
      setSaid(describe(columns, index, granularity, unit));
    }
    event.preventDefault();
  };
  const name = source ? `${type} at ${source}` : type;
  const caption = `${name}, ${spanBetween(from, to)}, by ${granularity}${unit ? `, in ${unit}` : ''}`;
  const hasPoints = columns.count.some((amount) => amount > 0);

  return (
    <div className="big-chart">
      <div className="chart-bar">
        <span className="muted">
          {spanBetween(from, to)}
          {columns.step > MILLIS[granularity] && ` · ${span(columns.step)} a point`}
        </span>
        {range.kind === 'fixed' && (
          <button type="button" className="btn small" onClick={zoomBack}>
            Back to live
          </button>
        )}
        <Readout columns={columns} index={cursor} granularity={granularity} unit={unit} />
      </div>
      <div
        className="chart-stage"
        data-testid="chart"
        data-points={columns.count.filter((amount) => amount > 0).length}
        role="group"
        aria-label={`Chart of ${caption}. Arrow keys move the cursor; drag to zoom, double click or Escape to go back.`}
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        {series ? (
          <Plot
            columns={columns}
            from={from}
            to={to}
            now={clock}
            late={shown.late}
            height={HEIGHT}
            onWidth={setWidth}
            onZoom={zoomTo}
            onZoomBack={zoomBack}
            onCursor={setCursor}
            onReady={onReady}
          />
        ) : (
          <div className="skeleton skeleton-chart" />
        )}
        {series && !hasPoints && <p className="chart-note">No readings in this span.</p>}
      </div>
      <span className="visually-hidden" aria-live="polite">
        {said}
      </span>
      {(fault ?? refusal) && (
        <p className="fault" role="alert">
          {refusal
            ? `The hub does not push ${name}: ${refusal}.`
            : `Older figures could not be fetched: ${fault}. What arrives live is still drawn.`}
        </p>
      )}
      <ChartTable caption={caption} columns={columns} granularity={granularity} />
    </div>
  );
}

import { memo, useMemo } from 'react';
import type { Columns } from './columns';

const WIDTH = 110;
const HEIGHT = 22;
const MARGIN = 3;

function path(columns: Columns): string {
  const values = columns.average.filter((value): value is number => value !== null);
  const low = Math.min(...values);
  const extent = Math.max(...values) - low || 1;
  const last = Math.max(1, columns.average.length - 1);
  let isDown = false;
  return columns.average
    .map((value, index) => {
      if (value === null) {
        isDown = false;
        return '';
      }
      const x = MARGIN + (index / last) * (WIDTH - 2 * MARGIN);
      const y = HEIGHT - MARGIN - ((value - low) / extent) * (HEIGHT - 2 * MARGIN);
      const next = columns.average[index + 1];
      const isLone = !isDown && (next === null || next === undefined);
      const step = `${isDown ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}${isLone ? 'h.01' : ''}`;
      isDown = true;
      return step;
    })
    .join('');
}

/** A line the size of a word; the table's other columns say the same in figures. */
export const Sparkline = memo(function Sparkline({ columns }: { columns: Columns }) {
  const line = useMemo(() => path(columns), [columns]);
  return (
    <svg className="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      <path d={line} />
    </svg>
  );
});

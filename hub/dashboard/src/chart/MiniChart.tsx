import { useMemo, useState } from 'react';
import { MILLIS } from '../store/buckets';
import type { Granularity } from '../api/shapes';
import type { Series } from '../store/state';
import { Plot } from './Plot';
import { toColumns } from './columns';

interface MiniChartProps {
  series: Series;
  granularity: Granularity;
  from: number;
  to: number;
  now: number;
}

/** The chart on a card: average and band, nothing else. */
export function MiniChart({ series, granularity, from, to, now }: MiniChartProps) {
  const [width, setWidth] = useState(290);
  const columns = useMemo(
    () => toColumns(series.buckets, from, to, MILLIS[granularity], width),
    [series.buckets, from, to, granularity, width],
  );
  return (
    <Plot columns={columns} from={from} to={to} now={now} late={series.late} height={72} isMini onWidth={setWidth} />
  );
}

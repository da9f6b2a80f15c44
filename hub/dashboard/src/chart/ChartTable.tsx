import { useState } from 'react';
import type { Granularity } from '../api/shapes';
import { count, measured } from '../format/number';
import { bucketTime } from '../format/span';
import type { Columns } from './columns';

interface ChartTableProps {
  caption: string;
  columns: Columns;
  granularity: Granularity;
}

/** The chart's figures as a table, newest first, built only when it is opened. */
export function ChartTable({ caption, columns, granularity }: ChartTableProps) {
  const [isOpen, setOpen] = useState(false);
  const rows = isOpen
    ? columns.time.map((_, index) => columns.time.length - 1 - index).filter((index) => columns.count[index])
    : [];
  return (
    <details className="figures" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Figures as a table</summary>
      <div className="scroll-table" tabIndex={0} role="region" aria-label={`Figures: ${caption}`}>
        <table>
          <caption className="visually-hidden">{caption}</caption>
          <thead>
            <tr>
              <th scope="col">time</th>
              <th scope="col" className="n">
                average
              </th>
              <th scope="col" className="n">
                min
              </th>
              <th scope="col" className="n">
                max
              </th>
              <th scope="col" className="n">
                p95
              </th>
              <th scope="col" className="n">
                readings
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((index) => (
              <tr key={columns.time[index]}>
                <th scope="row">{bucketTime(columns.time[index] as number, granularity)}</th>
                <td className="n">{measured(columns.average[index] as number, 4)}</td>
                <td className="n">{measured(columns.min[index] as number, 4)}</td>
                <td className="n">{measured(columns.max[index] as number, 4)}</td>
                <td className="n">{measured(columns.p95[index] as number, 4)}</td>
                <td className="n">{count(columns.count[index] as number)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

import { byName, count, measured } from '../../format/number';
import { span } from '../../format/span';
import { Link } from '../../shell/Link';
import { addressOf } from '../../shell/route';
import { useShown } from '../../store/hooks';
import { EmptyState } from '../overview/EmptyState';

const COLUMNS = 7;

/** Everything that is measured, by name. */
export function TypeList() {
  const summary = useShown((state) => state.summary);
  const clock = useShown((state) => state.clock);
  if (summary?.length === 0) return <EmptyState />;
  return (
    <>
      <div className="row">
        <h1>Explore</h1>
        <span className="muted">choose a type</span>
      </div>
      <section className="panel" aria-label="Types">
        <div className="scroll-table" tabIndex={0} role="region" aria-label="Table of types">
          <table>
            <thead>
              <tr>
                <th scope="col">type</th>
                <th scope="col">unit</th>
                <th scope="col" className="n">
                  sources
                </th>
                <th scope="col" className="n">
                  average, last hour
                </th>
                <th scope="col" className="n">
                  readings, last hour
                </th>
                <th scope="col" className="n">
                  readings, last day
                </th>
                <th scope="col" className="n">
                  newest
                </th>
              </tr>
            </thead>
            <tbody>
              {summary
                ?.toSorted((a, b) => byName(a.type, b.type))
                .map((type) => (
                  <tr key={type.type}>
                    <th scope="row">
                      <Link href={addressOf('explore', { type: type.type })}>{type.type}</Link>
                    </th>
                    <td className="muted">{type.unit ?? '–'}</td>
                    <td className="n">{count(type.sources)}</td>
                    <td className="n">
                      {type.lastHour.count > 0 ? measured(type.lastHour.total / type.lastHour.count) : '–'}
                    </td>
                    <td className="n">{count(type.lastHour.count)}</td>
                    <td className="n">{count(type.lastDay.count)}</td>
                    <td className="n">{type.newest === null ? '–' : `${span(clock - type.newest)} ago`}</td>
                  </tr>
                )) ?? (
                <tr>
                  <td colSpan={COLUMNS}>
                    <span className="skeleton skeleton-row" />
                  </td>
                </tr>
              )}
            </tbody>
          </table>
        </div>
      </section>
    </>
  );
}

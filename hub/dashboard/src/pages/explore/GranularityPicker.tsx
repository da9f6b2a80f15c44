import type { Granularity } from '../../api/shapes';
import { setParameters } from '../../shell/route';
import { GRANULARITIES } from './granularity';

export function GranularityPicker({ chosen, offered }: { chosen: Granularity; offered: ReadonlySet<Granularity> }) {
  return (
    <div className="seg" role="group" aria-label="Length of a bucket">
      {GRANULARITIES.map((granularity) => (
        <button
          key={granularity}
          type="button"
          aria-pressed={granularity === chosen}
          disabled={!offered.has(granularity)}
          onClick={() => setParameters({ by: granularity })}
        >
          {granularity}
        </button>
      ))}
    </div>
  );
}

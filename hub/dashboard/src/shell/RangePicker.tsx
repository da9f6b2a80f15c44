import { PRESETS } from './range';
import { showPreset, useRange } from './rangeAddress';

export function RangePicker() {
  const range = useRange();
  return (
    <div className="seg" role="group" aria-label="Span of the charts">
      {PRESETS.map(({ key, label }) => (
        <button
          key={key}
          type="button"
          aria-pressed={range.kind === 'last' && range.key === key}
          onClick={() => showPreset(key)}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

/** Spans and moments of time in the fewest words that stay true. */

const UNITS: [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
];

/** `0.2 s`, `42 s`, `4 m`, `1 h 5 m`, `3 d`. */
export function span(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return '–';
  const positive = Math.max(0, milliseconds);
  if (positive < 9_950) return `${(positive / 1_000).toFixed(1)} s`;
  if (positive < 59_500) return `${Math.round(positive / 1_000)} s`;
  if (positive < 3_570_000) return `${Math.round(positive / 60_000)} m`;
  const [unit, size] = UNITS.find(([, length]) => positive >= length * 0.9999) ?? ['m', 60_000];
  const whole = Math.floor(positive / size + 0.0001);
  if (unit === 'd') return `${whole} d${part(positive - whole * size, 'h', 3_600_000, whole < 3)}`;
  if (unit === 'h') return `${whole} h${part(positive - whole * size, 'm', 60_000, whole < 10)}`;
  return `${Math.round(positive / 60_000)} m`;
}

function part(rest: number, unit: string, size: number, isWanted: boolean): string {
  const whole = Math.floor(rest / size);
  return isWanted && whole > 0 ? ` ${whole} ${unit}` : '';
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const clockShort = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const dayYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** `14:03:12`, in the reader's zone. */
export const clockTime = (milliseconds: number): string => clock.format(milliseconds);

/** `14:03` for minutes, `24 Nov 14:00` for hours, `24 Nov 2026` for days. */
export function bucketTime(start: number, granularity: 'minute' | 'hour' | 'day'): string {
  if (granularity === 'day') return dayYear.format(start);
  if (granularity === 'hour') return `${day.format(start)} ${clockShort.format(start)}`;
  return clockShort.format(start);
}

/** `14:03:12.482` with the day before it when it is another one. */
export function readingTime(text: string, now: number): string {
  const moment = Date.parse(text);
  if (!Number.isFinite(moment)) return text;
  const fraction = /\.(\d{3})/.exec(text)?.[1] ?? '000';
  const isToday = day.format(moment) === day.format(now);
  return `${isToday ? '' : `${day.format(moment)} `}${clock.format(moment)}.${fraction}`;
}

/** `24 Nov 13:00 – 14:00`. */
export function spanBetween(from: number, to: number): string {
  const start = `${day.format(from)} ${clockShort.format(from)}`;
  const end = day.format(from) === day.format(to) ? clockShort.format(to) : `${day.format(to)} ${clockShort.format(to)}`;
  return `${start} – ${end}`;
}

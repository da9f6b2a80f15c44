/** Spans and moments of time in the fewest words that stay true. */

const MINUTES_AN_HOUR = 60;
const MINUTES_A_DAY = 1_440;

/** `0.2 s`, `42 s`, `4 m`, `1 h 5 m`, `3 d`. */
export function span(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return '–';
  const positive = Math.max(0, milliseconds);
  if (positive < 9_950) return `${(positive / 1_000).toFixed(1)} s`;
  if (positive < 59_500) return `${Math.round(positive / 1_000)} s`;
  const minutes = Math.round(positive / 60_000);
  if (minutes < MINUTES_AN_HOUR) return `${minutes} m`;
  if (minutes < MINUTES_A_DAY) return parts(minutes, MINUTES_AN_HOUR, 'h', 1, 'm', 10);
  return parts(minutes, MINUTES_A_DAY, 'd', MINUTES_AN_HOUR, 'h', 3);
}

/** Two units while the larger is small enough for the smaller to matter. */
function parts(
  minutes: number,
  large: number,
  largeName: string,
  small: number,
  smallName: string,
  bothBelow: number,
): string {
  const whole = Math.floor(minutes / large);
  const rest = Math.floor((minutes - whole * large) / small);
  return whole < bothBelow && rest > 0 ? `${whole} ${largeName} ${rest} ${smallName}` : `${whole} ${largeName}`;
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
  const end =
    day.format(from) === day.format(to) ? clockShort.format(to) : `${day.format(to)} ${clockShort.format(to)}`;
  return `${start} – ${end}`;
}

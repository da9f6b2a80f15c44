/** Figures as people read them: few digits, grouped thousands, a real minus sign. */

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

const minus = (text: string): string => text.replace('-', '−');

/** `111,204,338`. */
export const count = (value: number): string => (Number.isFinite(value) ? minus(whole.format(value)) : '–');

/** A measured value with about four digits: `23.41`, `1,284`, `0.0182`, `6.02e9`. */
export function measured(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return minus(value.toExponential(2));
  if (size >= 1_000) return count(value);
  const decimals = size === 0 ? 0 : Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return minus(value.toFixed(Math.min(decimals, 6)));
}

/** `1,284 /s`, `3.4 /s`. */
export function perSecond(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return `${value >= 10 || value === 0 ? count(value || 0) : value.toFixed(value >= 1 ? 1 : 2)} /s`;
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `3.1 MB`; steps of a thousand. */
export function bytes(value: number): string {
  if (!Number.isFinite(value)) return '–';
  let size = Math.max(0, value);
  let unit = 0;
  while (size >= 999.5 && unit < BYTE_UNITS.length - 1) {
    size /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || size >= 99.95 ? Math.round(size) : size.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/** `0 %`, `< 1 %`, `46 %`. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return '–';
  if (share > 0 && share < 0.01) return '< 1 %';
  return `${Math.round(share * 100)} %`;
}

/** `142 ms`, `1.3 s`. */
export function millis(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '–';
  return value < 1_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
}

const plain = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 7 });

/** A value as it was read, to seven digits, without digits that it does not have. */
function exact(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e9 || size < 1e-4) ? minus(value.toExponential(3)) : minus(plain.format(value));
}

/** A reading's value of whatever kind. */
export function anyValue(value: number | boolean | string | null): string {
  if (value === null) return '–';
  return typeof value === 'number' ? exact(value) : String(value);
}

const names = new Intl.Collator('en', { numeric: true });

/** Orders names as people do: `press2` before `press10`. */
export const byName = (a: string, b: string): number => names.compare(a, b);

export const plural = (amount: number, one: string, many = `${one}s`): string =>
  `${count(amount)} ${amount === 1 ? one : many}`;

/** The colours that a canvas draws with, read from the style sheet so that both themes have one source. */

export interface Palette {
  line: string;
  soft: string;
  accent: string;
  band: string;
  p95: string;
  open: string;
  warn: string;
  panel: string;
  font: string;
}

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const token = (name: string) => style.getPropertyValue(name).trim();
  return {
    line: token('--line'),
    soft: token('--soft'),
    accent: token('--accent'),
    band: token('--band'),
    p95: token('--p95'),
    open: token('--open'),
    warn: token('--warn'),
    panel: token('--panel'),
    font: `12px ${style.fontFamily}`,
  };
}

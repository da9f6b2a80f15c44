/** The range in the address bar, so that a link shows what its sender saw. */

import { useMemo } from 'react';
import type { PresetKey, Range } from './range';
import { useShown } from '../store/hooks';
import { defaultPreset, parseRange } from './range';
import { setParameters, useRoute } from './route';

export function useRange(): Range {
  const { parameters } = useRoute();
  const [from, to, range] = [parameters.get('from'), parameters.get('to'), parameters.get('range')];
  const otherwise = useShown((state) => defaultPreset(state.oldest, state.clock));
  return useMemo(() => parseRange(parameters, otherwise), [from, to, range, otherwise]);
}

export const showPreset = (key: PresetKey): void => setParameters({ range: key, from: null, to: null });
export const zoomTo = (from: number, to: number): void => setParameters({ from: Math.round(from), to: Math.round(to) });
export const zoomBack = (): void => setParameters({ from: null, to: null });

/** How components read the store. They get values and arrays; messages stay on the other side. */

import { createContext, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { hub } from '../api/hub';
import type { Granularity } from '../api/shapes';
import { eventsChannel, metricsChannel } from '../live/channel';
import type { Runtime } from '../runtime';
import { MILLIS, fromStored } from './buckets';
import type { Series, State, Tail } from './state';
import { EMPTY_SERIES } from './state';

const RuntimeContext = createContext<Runtime | null>(null);
export const RuntimeProvider = RuntimeContext.Provider;

export function useRuntime(): Runtime {
  const runtime = useContext(RuntimeContext);
  if (!runtime) throw new Error('no runtime around this component');
  return runtime;
}

/** A part of what is shown; it stands still while the page is paused. */
export function useShown<T>(pick: (state: State) => T): T {
  const { store } = useRuntime();
  return useSyncExternalStore(store.subscribe, () => pick(store.shown()));
}

/** A part of what is known, whether or not the page is paused. */
export function useKnown<T>(pick: (state: State) => T): T {
  const { store } = useRuntime();
  return useSyncExternalStore(store.subscribe, () => pick(store.known()));
}

export function usePause(): { isPaused: boolean; held: number; toggle: () => void } {
  const { store } = useRuntime();
  const isPaused = useSyncExternalStore(store.subscribe, store.isPaused);
  const held = useSyncExternalStore(store.subscribe, store.heldUpdates);
  return { isPaused, held, toggle: () => (store.isPaused() ? store.resume() : store.pause()) };
}

/** Channels that stay subscribed on every page. */
const KEPT_LIVE = 24;

/** Keeps types live on pages that do not draw them, so that the data age is measured everywhere. */
export function useKeptLive(): void {
  const { client } = useRuntime();
  const types = useKnown((state) => state.summary);
  const channels = (types ?? []).slice(0, KEPT_LIVE).map(({ type }) => metricsChannel(type, null, 'minute'));
  const key = channels.join('\n');
  useEffect(() => {
    const releases = key ? key.split('\n').map((channel) => client.acquire(channel)) : [];
    return () => releases.forEach((release) => release());
  }, [client, key]);
}

export interface SeriesView {
  series: Series | undefined;
  /** Why the part before the live span could not be fetched. */
  fault: string | null;
  refusal: string | undefined;
}

/**
 * Buckets of a type or of one of its sources, from `from` on; older ones than the snapshot's are fetched.
 * What is not wanted, as it is out of sight, is not subscribed: the hub allows a client so many channels.
 */
export function useSeries(
  type: string,
  source: string | null,
  granularity: Granularity,
  from: number,
  to: number,
  isWanted = true,
): SeriesView {
  const { store, client } = useRuntime();
  const channel = metricsChannel(type, source, granularity);
  const series = useShown((state) => state.series.get(channel));
  const refusal = useShown((state) => state.refusals.get(channel));
  const known = useKnown((state) => state.series.get(channel));
  const link = useKnown((state) => state.link);
  const [fault, setFault] = useState<string | null>(null);
  const loaded = useRef<{ key: string; from: number }>({ key: '', from: Infinity });

  useEffect(() => (isWanted ? client.acquire(channel) : undefined), [client, channel, isWanted]);

  const edge = known?.liveFrom ?? (link === 'lost' ? Infinity : -Infinity);
  const key = `${channel} ${known?.generation ?? 'none'}`;
  useEffect(() => {
    const reached = loaded.current.key === key ? loaded.current.from : edge;
    if (!isWanted || from >= Math.min(edge, reached)) return;
    const abort = new AbortController();
    const asked = store.known().series.get(channel) ?? EMPTY_SERIES;
    const end = Math.min(edge, Math.max(to, from + MILLIS[granularity]));
    let isUnderWay = true;
    loaded.current = { key, from };
    hub
      .metrics(type, { granularity, from, to: end, source: source ?? undefined }, abort.signal)
      .then((buckets) => {
        store.history(channel, asked, buckets.map(fromStored), from, end);
        setFault(null);
      })
      .catch((error: unknown) => {
        if (abort.signal.aborted) return;
        setFault(error instanceof Error ? error.message : String(error));
      })
      .finally(() => {
        isUnderWay = false;
      });
    return () => {
      if (!isUnderWay) return;
      abort.abort();
      loaded.current = { key: '', from: Infinity };
    };
    // `from` and `to` move with every bucket of a live range; only reaching further back asks again.
  }, [store, channel, key, edge, from, isWanted]);

  return { series, fault, refusal };
}

/** The newest raw readings of a type as they are stored; undefined until the first snapshot. */
export function useTail(type: string): Tail | undefined {
  const { client } = useRuntime();
  const channel = eventsChannel(type);
  useEffect(() => client.acquire(channel), [client, channel]);
  return useShown((state) => state.tails.get(channel));
}

export interface Fetched<T> {
  data: T | undefined;
  fault: string | null;
}

/**
 * Fetches when `key` or `again` changes and every `everyMs` while the page is not paused. The last good answer for a
 * key stays until the next one.
 */
export function useFetched<T>(
  key: string,
  fetcher: (signal: AbortSignal) => Promise<T>,
  everyMs = 0,
  again = 0,
): Fetched<T> {
  const { store } = useRuntime();
  const [answer, setAnswer] = useState<{ key: string; data: T | undefined; fault: string | null }>({
    key,
    data: undefined,
    fault: null,
  });
  const latest = useRef(fetcher);
  latest.current = fetcher;
  useEffect(() => {
    const abort = new AbortController();
    const ask = () =>
      latest
        .current(abort.signal)
        .then((data) => setAnswer({ key, data, fault: null }))
        .catch((error: unknown) => {
          if (abort.signal.aborted) return;
          const fault = error instanceof Error ? error.message : String(error);
          setAnswer((before) => ({ key, data: before.key === key ? before.data : undefined, fault }));
        });
    void ask();
    const timer =
      everyMs > 0 ? setInterval(() => void (store.isPaused() || document.hidden || ask()), everyMs) : undefined;
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [store, key, everyMs, again]);
  return useMemo(
    () => (answer.key === key ? { data: answer.data, fault: answer.fault } : { data: undefined, fault: null }),
    [answer, key],
  );
}

import { describe, expect, it } from 'vitest';
import type { Agent, ServerMessage } from '../api/shapes';
import { EMPTY_SERIES } from './state';
import { Store } from './store';

const C = 'temperature:minute';
const MINUTE = 60_000;
const NOON = Date.UTC(2026, 0, 1, 12);

const figures = (average: number, count = 1, newest = NOON) => ({
  count,
  total: average * count,
  average,
  min: average - 1,
  max: average + 1,
  p50: average,
  p95: average,
  p99: average,
  newest,
});
const bucket = (minute: number, average: number, count = 1, newest = NOON) => ({
  bucket: new Date(NOON + minute * MINUTE).toISOString(),
  ...figures(average, count, newest),
});
const snapshot = (...items: unknown[]): ServerMessage => ({ type: 'snapshot', channel: C, items });
const update = (minute: number, average: number, count = 1, newest = NOON): ServerMessage => ({
  type: 'metric_update',
  channel: C,
  ...bucket(minute, average, count, newest),
});

/** A store in which time passes by hand and drawing is asked for explicitly. */
function world() {
  const clock = { now: NOON };
  const drawings: (() => void)[] = [];
  const store = new Store({ now: () => clock.now, soon: (act) => drawings.push(act) });
  const hear = (...messages: ServerMessage[]) => {
    messages.forEach((message) => store.message(message));
    drawings.splice(0).forEach((act) => act());
  };
  const averages = () =>
    store
      .shown()
      .series.get(C)
      ?.buckets.map(({ average }) => average);
  return { store, clock, hear, averages, drawings };
}

describe('the store', () => {
  it('shows a snapshot and then replaces and adds buckets by their start', () => {
    const { hear, averages } = world();
    hear(snapshot(bucket(-2, 1), bucket(-1, 2)), update(-1, 5), update(0, 6));
    expect(averages()).toEqual([1, 5, 6]);
  });

  it('draws once what arrives together', () => {
    const { store, drawings } = world();
    store.message(snapshot(bucket(-1, 1)));
    store.message(update(0, 2));
    store.message(update(0, 3));
    expect(drawings).toHaveLength(1);
  });

  it('keeps buckets in order when late data opens an older one, and marks it as late', () => {
    const { store, hear, averages } = world();
    hear(snapshot(bucket(-30, 1), bucket(0, 3)), update(-10, 2));
    expect(averages()).toEqual([1, 2, 3]);
    expect(store.shown().series.get(C)?.late).toEqual([{ start: NOON - 10 * MINUTE, at: NOON }]);
  });

  it('lets a fresh snapshot replace all that it covers, with what vanished', () => {
    const { hear, averages } = world();
    hear(snapshot(bucket(-2, 1), bucket(-1, 2)));
    hear(snapshot(bucket(-1, 9)));
    expect(averages()).toEqual([9]);
  });

  it('holds the screen still while paused, counts, and misses nothing on resuming', () => {
    const { store, hear, averages, clock } = world();
    hear(snapshot(bucket(0, 1)));
    store.pause();
    clock.now += 5_000;
    store.tick();
    hear(update(0, 2), update(0, 3));
    hear(update(1, 4));
    expect(averages()).toEqual([1]);
    expect(store.heldUpdates()).toBe(3);
    expect(store.shown().clock).toBe(NOON);
    store.resume();
    expect(averages()).toEqual([3, 4]);
    expect(store.heldUpdates()).toBe(0);
    expect(store.shown().clock).toBe(NOON + 5_000);
  });

  it('shows a channel that is opened while paused, once', () => {
    const { store, hear, averages } = world();
    store.pause();
    hear(snapshot(bucket(0, 1)), update(0, 2));
    expect(averages()).toEqual([1]);
    expect(store.heldUpdates()).toBe(1);
  });

  it('puts history before the live span and leaves the live span alone', () => {
    const { store, hear, averages } = world();
    hear(snapshot(bucket(-1, 2), bucket(0, 3)));
    const asked = store.known().series.get(C) ?? EMPTY_SERIES;
    const history = [-120, -90, 0].map((minute) => ({
      start: NOON + minute * MINUTE,
      ...figures(minute === 0 ? 99 : 1),
    }));
    store.history(C, asked, history, NOON - 180 * MINUTE, NOON + MINUTE);
    expect(averages()).toEqual([1, 1, 2, 3]);
  });

  it('prefers an update that overtook the history it belongs to', () => {
    const { store, hear, averages } = world();
    hear(snapshot(bucket(0, 3)));
    const asked = store.known().series.get(C) ?? EMPTY_SERIES;
    hear(update(-120, 7, 20));
    store.history(C, asked, [{ start: NOON - 120 * MINUTE, ...figures(1, 19) }], NOON - 180 * MINUTE, NOON);
    expect(averages()).toEqual([7, 3]);
  });

  it('drops what is no longer stored when history is asked for again', () => {
    const { store, hear, averages } = world();
    hear(snapshot(bucket(0, 3)));
    const old = { start: NOON - 120 * MINUTE, ...figures(1) };
    store.history(C, EMPTY_SERIES, [old], NOON - 180 * MINUTE, NOON);
    store.history(C, store.known().series.get(C) ?? EMPTY_SERIES, [], NOON - 180 * MINUTE, NOON);
    expect(averages()).toEqual([3]);
  });

  it('draws history alone while there is no live connection', () => {
    const { store, averages } = world();
    store.history(C, EMPTY_SERIES, [{ start: NOON, ...figures(1) }], NOON - 180 * MINUTE, NOON + MINUTE);
    expect(averages()).toEqual([1]);
  });

  it('measures the delay of the newest reading when it arrives live, not in a snapshot', () => {
    const { store, hear, clock } = world();
    hear(snapshot(bucket(0, 1, 1, NOON - 50)));
    expect(store.known().delayMs).toBeNull();
    clock.now = NOON + 1_000;
    hear(update(0, 2, 2, NOON + 800));
    expect(store.known().delayMs).toBe(200);
    hear(update(-1, 2, 2, NOON - 400));
    expect(store.known().delayMs).toBe(200);
  });

  it('does not take a reading from the future for a fresh one', () => {
    const { store, hear } = world();
    hear(snapshot(bucket(0, 1, 1, NOON + 3_600_000)));
    expect(store.known().newest).toBeNull();
    hear(update(0, 2, 2, NOON + 3_600_000));
    expect(store.known().newest).toBe(NOON);
  });

  it('replaces an agent by its newer state and keeps the others', () => {
    const { store, hear } = world();
    const agent = (name: string, behindMs: number) => ({ agent: name, behindMs }) as Agent;
    hear({ type: 'snapshot', channel: 'agents', items: [agent('a', 1), agent('b', 2)] });
    hear({ type: 'agent_update', channel: 'agents', agent: agent('b', 3) });
    expect([...(store.shown().agents?.values() ?? [])].map(({ behindMs }) => behindMs)).toEqual([1, 3]);
  });

  it('keeps each raw reading once, newest first', () => {
    const { store, hear } = world();
    const reading = (id: string) => ({
      id,
      type: 'door',
      source: 's',
      time: `2026-01-01T00:00:0${id}.000000Z`,
      value: true,
    });
    hear({ type: 'snapshot', channel: 'events:door', items: [reading('1'), reading('2')] });
    hear(
      { type: 'event', channel: 'events:door', event: reading('2') },
      { type: 'event', channel: 'events:door', event: reading('3') },
    );
    expect(
      store
        .shown()
        .tails.get('events:door')
        ?.readings.map(({ id }) => id),
    ).toEqual(['3', '2', '1']);
  });

  it('forgets a channel that is no longer followed', () => {
    const { store, hear, averages } = world();
    hear(snapshot(bucket(0, 1)));
    store.left(C);
    expect(averages()).toBeUndefined();
  });

  it('numbers every snapshot anew, also of a channel that was forgotten', () => {
    const { store, hear } = world();
    hear(snapshot());
    store.left(C);
    hear(snapshot());
    expect(store.known().series.get(C)?.generation).toBe(2);
  });

  it('drops what lies further back than anyone has looked', () => {
    const { hear, averages, clock } = world();
    hear(snapshot(bucket(-59, 1), bucket(0, 2)));
    clock.now += 10 * MINUTE;
    hear(update(10, 3));
    expect(averages()).toEqual([2, 3]);
  });

  it('keeps history that someone has looked at', () => {
    const { store, hear, averages } = world();
    hear(snapshot(bucket(0, 2)));
    const asked = store.known().series.get(C) ?? EMPTY_SERIES;
    store.history(C, asked, [{ start: NOON - 300 * MINUTE, ...figures(1) }], NOON - 360 * MINUTE, NOON);
    hear(update(10, 3));
    expect(averages()).toEqual([1, 2, 3]);
  });

  it('remembers why the hub does not serve a channel until it does', () => {
    const { store, hear } = world();
    hear({ type: 'error', channel: C, message: 'too many channels' });
    expect(store.shown().refusals.get(C)).toBe('too many channels');
    hear(snapshot());
    expect(store.shown().refusals.has(C)).toBe(false);
  });
});

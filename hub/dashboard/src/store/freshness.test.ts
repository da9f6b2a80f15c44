import { describe, expect, it } from 'vitest';
import type { Agent, HubStatus } from '../api/shapes';
import { clockTime } from '../format/span';
import { freshness } from './freshness';
import type { State } from './state';
import { initialState } from './state';

const NOW = Date.UTC(2026, 0, 1, 14, 3);
const live: State = { ...initialState(NOW), link: 'open', lastMessageAt: NOW, newest: NOW - 200, delayMs: 200 };
const agents = (...all: Partial<Agent>[]) =>
  new Map(all.map((agent, index) => [String(index), { drainSeconds: null, ...agent } as Agent]));
const chip = (state: State, isPaused = false, held = 0) => {
  const { label, detail } = freshness(state, isPaused, held);
  return `${label} · ${detail}`;
};

describe('the data-age chip', () => {
  it('says how far behind live readings are', () => expect(chip(live)).toBe('Live · 0.2 s behind'));

  it('says how old the newest reading is when none comes', () =>
    expect(chip({ ...live, clock: NOW + 180_000 })).toBe('Live · newest 3 m old'));

  it('says that nothing has come yet', () =>
    expect(chip({ ...live, newest: null, delayMs: null })).toBe('Live · no reading yet'));

  it('counts what a paused screen holds', () => expect(chip(live, true, 14)).toBe('Paused · 14 updates held'));

  it('says on a paused screen that the connection is lost', () =>
    expect(chip({ ...live, link: 'lost' }, true, 1)).toBe('Paused · 1 update held · connection lost'));

  it('says since when there is no connection', () =>
    expect(chip({ ...live, link: 'lost' })).toBe(`Disconnected · last at ${clockTime(NOW)}`));

  it('stays disconnected while it tries again', () =>
    expect(chip({ ...live, link: 'connecting' })).toContain('Disconnected'));

  it('does not call itself live while the hub is behind', () =>
    expect(chip({ ...live, status: { processingLagMs: 42_000 } as HubStatus })).toBe('Catching up · hub 42 s behind'));

  it('says how long it takes when every gateway catches up', () =>
    expect(chip({ ...live, agents: agents({ state: 'catching_up', drainSeconds: 240 }, { state: 'silent' }) })).toBe(
      'Catching up · 4 m left',
    ));

  it('stays live while one gateway of several catches up', () =>
    expect(chip({ ...live, agents: agents({ state: 'catching_up', drainSeconds: 240 }, { state: 'live' }) })).toContain(
      'Live',
    ));
});

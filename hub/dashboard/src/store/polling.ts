/** Fetches what the WebSocket does not carry, again and again, and notes what fails. */

import { hubNow } from '../api/clock';
import { HubError, hub } from '../api/hub';
import type { LiveClient } from '../live/client';
import type { State } from './state';
import type { Resource } from './state';
import type { Store } from './store';

const STATUS_EVERY_MS = 2_000;
const SUMMARY_EVERY_MS = 3_000;
/** Until the first reading has come, so that the first screen turns into a chart at once. */
const FIRST_READING_EVERY_MS = 750;
const AGENTS_EVERY_MS = 5_000;
const HIDDEN_EVERY_MS = 15_000;
/** Unanswered requests in a row after which a WebSocket that seems open is not believed. */
const UNANSWERED_LIMIT = 2;

interface Poll {
  resource: Resource;
  fetch(): Promise<Partial<State>>;
  interval(): number;
  isNeeded(): boolean;
}

export class Polling {
  private unanswered = 0;
  private readonly polls: readonly Poll[];

  constructor(
    private readonly store: Store,
    private readonly client: LiveClient,
  ) {
    const always = () => true;
    this.polls = [
      {
        resource: 'status',
        fetch: async () => ({ status: await hub.status() }),
        interval: () => STATUS_EVERY_MS,
        isNeeded: always,
      },
      {
        resource: 'summary',
        fetch: async () => this.summary(),
        interval: () => (store.known().summary?.length ? SUMMARY_EVERY_MS : FIRST_READING_EVERY_MS),
        isNeeded: always,
      },
      {
        resource: 'agents',
        fetch: async () => ({ agents: new Map((await hub.agents()).agents.map((agent) => [agent.agent, agent])) }),
        interval: () => AGENTS_EVERY_MS,
        isNeeded: always,
      },
    ];
  }

  start(): void {
    for (const poll of this.polls) void this.run(poll);
  }

  /** The types, and the newest reading among them: types without numbers have no channel that tells. */
  private async summary(): Promise<Partial<State>> {
    const { types } = await hub.summary();
    const newest = Math.max(
      this.store.known().newest ?? -Infinity,
      ...types.map((type) => type.newest ?? -Infinity).filter((moment) => moment <= hubNow()),
    );
    return { summary: types, newest: Number.isFinite(newest) ? newest : null };
  }

  private async run(poll: Poll): Promise<void> {
    for (;;) {
      if (poll.isNeeded() && !this.store.known().needsLogin) await this.once(poll);
      const interval = document.hidden ? HIDDEN_EVERY_MS : poll.interval();
      await new Promise((resolve) => setTimeout(resolve, interval));
    }
  }

  private async once(poll: Poll): Promise<void> {
    try {
      this.store.fetched(poll.resource, await poll.fetch());
      this.unanswered = 0;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.store.failed(poll.resource, reason);
      if (error instanceof HubError && error.unreachable) this.noteUnanswered();
    }
  }

  private noteUnanswered(): void {
    this.unanswered += 1;
    if (this.unanswered > UNANSWERED_LIMIT) this.client.abandon();
  }
}

/** Asks the hub over HTTP. Knows addresses, errors and the hub's clock; not what is done with the answers. */

import { observeDateHeader } from './clock';
import type { Agent, Granularity, HubStatus, Reading, SeriesEntry, StoredBucket, TypeSummary } from './shapes';

/** An answer that was not the wished one; `status` 0 means that none came. */
export class HubError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'HubError';
  }

  get unreachable(): boolean {
    return this.status === 0;
  }
}

type Query = Record<string, string | number | undefined | null>;

let onUnauthorized: () => void = () => undefined;

/** Registers what happens when the hub wants a token. */
export function whenUnauthorized(act: () => void): void {
  onUnauthorized = act;
}

function withQuery(path: string, query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return `/api/v1${path}${text ? `?${text}` : ''}`;
}

async function failure(response: Response): Promise<HubError> {
  const body: unknown = await response.json().catch(() => null);
  const message = (body as { error?: { message?: string } } | null)?.error?.message;
  return new HubError(response.status, message ?? `the hub answered ${response.status} ${response.statusText}`.trim());
}

async function request(path: string, query: Query = {}, init: RequestInit = {}): Promise<Response> {
  const askedAt = Date.now();
  let response: Response;
  try {
    response = await fetch(withQuery(path, query), { credentials: 'same-origin', ...init });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new HubError(0, 'the hub does not answer');
  }
  observeDateHeader(response.headers.get('date'), askedAt, Date.now());
  if (response.status === 401) onUnauthorized();
  if (!response.ok) throw await failure(response);
  return response;
}

async function json<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const response = await request(path, query, signal ? { signal } : {});
  return (await response.json()) as T;
}

export const hub = {
  status: (signal?: AbortSignal) => json<HubStatus>('/status', {}, signal),
  summary: (signal?: AbortSignal) => json<{ types: TypeSummary[] }>('/summary', {}, signal),
  agents: (signal?: AbortSignal) => json<{ agents: Agent[] }>('/agents', {}, signal),
  series: (query: { type?: string; source?: string; limit?: number; cursor?: string }, signal?: AbortSignal) =>
    json<{ series: SeriesEntry[]; next: string | null }>('/series', query, signal),
  events: (
    query: { type?: string; source?: string | undefined; from?: number; to?: number; limit?: number; cursor?: string },
    signal?: AbortSignal,
  ) => json<{ events: Reading[]; next: string | null }>('/events', query, signal),
  metrics: (
    type: string,
    query: { granularity: Granularity; from: number; to: number; source?: string | undefined },
    signal?: AbortSignal,
  ) => json<StoredBucket[]>(`/metrics/${encodeURIComponent(type)}`, query, signal),
  logout: () => request('/session', {}, { method: 'DELETE' }),
  login: (token: string) =>
    request(
      '/session',
      {},
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token }),
      },
    ),
};

/** Where a reading came in: a gateway, or an application that posted it. */

const APPLICATION_PREFIX = 'app.';

/** The application's name when it was one; null for a gateway or when nothing is known. */
export function applicationOf(agent: string | null | undefined): string | null {
  return agent?.startsWith(APPLICATION_PREFIX) ? agent.slice(APPLICATION_PREFIX.length) : null;
}

/** Remembers that someone logged in here, so that logging out is offered; the token itself no script sees. */

const KEY = 'penstock-logged-in';

function attempt<T>(act: () => T): T | null {
  try {
    return act();
  } catch {
    return null; // Storage may be forbidden; then logging out is not offered.
  }
}

export const noteLogin = (): void => void attempt(() => localStorage.setItem(KEY, 'yes'));
export const forgetLogin = (): void => void attempt(() => localStorage.removeItem(KEY));
export const hasLoggedIn = (): boolean => attempt(() => localStorage.getItem(KEY)) === 'yes';

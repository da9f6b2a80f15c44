import type { FormEvent } from 'react';
import { useState } from 'react';
import { HubError, hub } from '../../api/hub';
import { noteLogin } from '../../shell/session';
import { useRuntime } from '../../store/hooks';

/** Asks for a token when the hub wants one; the hub keeps it in a cookie that no script reads. */
export function Login() {
  const { store, client } = useRuntime();
  const [token, setToken] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await hub.login(token.trim());
      noteLogin();
      store.requireLogin(false);
      client.start();
    } catch (error) {
      const isWrong = error instanceof HubError && error.status === 401;
      setFault(
        isWrong
          ? 'The hub does not know this token.'
          : `Logging in failed: ${error instanceof Error ? error.message : String(error)}.`,
      );
    } finally {
      setBusy(false);
    }
  };

  return (
    <main className="login">
      <form className="panel" onSubmit={(event) => void submit(event)} data-testid="login">
        <h1>Penstock</h1>
        <p className="muted">This hub asks for a token. Whoever runs it makes one with</p>
        <code>penstock-hub users add NAME --role viewer</code>
        <label htmlFor="token">Token</label>
        <input
          id="token"
          type="password"
          autoComplete="current-password"
          autoFocus
          required
          value={token}
          aria-invalid={fault !== null}
          aria-describedby="token-fault"
          onChange={(event) => setToken(event.target.value)}
        />
        <p id="token-fault" className="fault" role="alert">
          {fault}
        </p>
        <button type="submit" className="btn primary" disabled={isBusy}>
          {isBusy ? 'Asking …' : 'Log in'}
        </button>
      </form>
    </main>
  );
}

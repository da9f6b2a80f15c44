import { hub } from '../api/hub';
import { useKnown } from '../store/hooks';
import { forgetLogin, hasLoggedIn } from './session';

const KEYS: [string, string][] = [
  ['/', 'search'],
  ['g o', 'overview'],
  ['g e', 'explore'],
  ['g f', 'fleet'],
  ['p', 'pause'],
];

async function logOut(): Promise<void> {
  await hub.logout();
  forgetLogin();
  location.reload();
}

export function Footer() {
  const version = useKnown((state) => state.status?.version);
  return (
    <footer className="foot-line">
      <span>Penstock {version}</span>
      <span className="keys">
        {KEYS.map(([key, meaning]) => (
          <span key={key}>
            <kbd>{key}</kbd> {meaning}
          </span>
        ))}
      </span>
      {hasLoggedIn() && (
        <button type="button" className="btn small" onClick={() => void logOut()}>
          Log out
        </button>
      )}
    </footer>
  );
}

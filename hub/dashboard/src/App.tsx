import { useEffect, useRef } from 'react';
import { Explore } from './pages/explore/Explore';
import { Fleet } from './pages/fleet/Fleet';
import { Login } from './pages/login/Login';
import { Overview } from './pages/overview/Overview';
import { Faults } from './shell/Faults';
import { Footer } from './shell/Footer';
import { Header } from './shell/Header';
import { useRoute } from './shell/route';
import { useShortcuts } from './shell/shortcuts';
import { useKeptLive, useKnown } from './store/hooks';

const PAGES = { overview: Overview, explore: Explore, fleet: Fleet };
const TITLES = { overview: 'Overview', explore: 'Explore', fleet: 'Fleet' };

export function App() {
  const { page } = useRoute();
  const needsLogin = useKnown((state) => state.needsLogin);
  useShortcuts();
  useKeptLive();
  const before = useRef(page);
  useEffect(() => {
    if (before.current !== page) document.getElementById('main')?.focus({ preventScroll: true });
    before.current = page;
  }, [page]);
  useEffect(() => {
    document.title = `${needsLogin ? 'Log in' : TITLES[page]} · Penstock`;
  }, [page, needsLogin]);
  if (needsLogin) return <Login />;
  const Shown = PAGES[page];
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <Header />
      <main id="main" tabIndex={-1}>
        <Faults />
        <Shown />
      </main>
      <Footer />
    </>
  );
}

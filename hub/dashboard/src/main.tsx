import { createRoot } from 'react-dom/client';
import { App } from './App';
import { startRuntime } from './runtime';
import { RuntimeProvider } from './store/hooks';
import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/panels.css';
import './styles/chart.css';
import './styles/pages.css';

const root = document.getElementById('root');
if (!root) throw new Error('the page has no place to draw in');

createRoot(root).render(
  <RuntimeProvider value={startRuntime()}>
    <App />
  </RuntimeProvider>,
);

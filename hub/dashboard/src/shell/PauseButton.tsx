import { usePause } from '../store/hooks';

export function PauseButton() {
  const { isPaused, toggle } = usePause();
  return (
    <button
      type="button"
      className={`btn pause ${isPaused ? 'on' : ''}`}
      data-testid="pause"
      aria-pressed={isPaused}
      onClick={toggle}
      title="Key: p"
    >
      <svg width="10" height="12" viewBox="0 0 10 12" fill="currentColor" aria-hidden="true">
        {isPaused ? <path d="M1 0l9 6-9 6z" /> : <path d="M0 0h3.4v12H0zM6.6 0H10v12H6.6z" />}
      </svg>
      {isPaused ? 'Resume' : 'Pause'}
    </button>
  );
}

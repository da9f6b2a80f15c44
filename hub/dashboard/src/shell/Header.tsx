import { AgeChip } from './AgeChip';
import { Link } from './Link';
import { PauseButton } from './PauseButton';
import { RangePicker } from './RangePicker';
import { Search } from './Search';
import { ThemeToggle } from './ThemeToggle';
import type { Page } from './route';
import { addressOf, useRoute } from './route';

const TABS: { page: Page; label: string; keys: string }[] = [
  { page: 'overview', label: 'Overview', keys: 'g o' },
  { page: 'explore', label: 'Explore', keys: 'g e' },
  { page: 'fleet', label: 'Fleet', keys: 'g f' },
];

export function Header() {
  const { page } = useRoute();
  return (
    <header className="top">
      <Link href={addressOf('overview')} className="mark" aria-label="Penstock, overview">
        <svg
          width="20"
          height="20"
          viewBox="0 0 20 20"
          fill="none"
          stroke="currentColor"
          strokeWidth="2.2"
          strokeLinecap="round"
          aria-hidden="true"
        >
          <path d="M2 4h4c4 0 4 12 8 12h4" />
          <path d="M2 9h2c4 0 3 7 6 7" opacity=".45" />
        </svg>
        Penstock
      </Link>
      <nav aria-label="Pages">
        {TABS.map((tab) => (
          <Link
            key={tab.page}
            href={addressOf(tab.page)}
            className={tab.page === page ? 'on' : ''}
            aria-current={tab.page === page ? 'page' : undefined}
            title={`Keys: ${tab.keys}`}
          >
            {tab.label}
          </Link>
        ))}
      </nav>
      <Search />
      <span className="spacer" />
      <AgeChip />
      {page !== 'fleet' && <RangePicker />}
      <PauseButton />
      <ThemeToggle />
    </header>
  );
}

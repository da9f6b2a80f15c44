import { bytes, count, millis, perSecond } from '../../format/number';
import type { HubStatus } from '../../api/shapes';
import { useShown } from '../../store/hooks';

interface Figure {
  value: string;
  label: string;
  title: string;
  isBad?: boolean;
}

/** The sums are only called balanced when the hub checked them. */
function booksFigure({ books }: HubStatus): Figure {
  const title = `Received = stored + buffered + dead-lettered + evicted + rejected, checked for ${books.checked} gateways`;
  if (books.balanced && books.checked > 0) {
    return {
      value: count(books.lost),
      label: `lost · ${count(books.countedTwice)} counted twice`,
      title,
      isBad: books.lost + books.countedTwice > 0,
    };
  }
  if (books.unbalancedAgents.length > 0) {
    const [first, ...others] = books.unbalancedAgents;
    return {
      value: `${first}${others.length ? ` +${others.length}` : ''}`,
      label: `books do not balance · ${count(books.lost)} lost · ${count(books.countedTwice)} twice`,
      title: books.unbalancedAgents.join(', '),
      isBad: true,
    };
  }
  return { value: '–', label: 'lost · not checked yet', title: 'No gateway has reported its counts yet' };
}

function figures(status: HubStatus): Figure[] {
  return [
    {
      value: perSecond(status.arrivingPerSecond),
      label: 'readings arriving',
      title: 'Readings that the hub takes in per second',
    },
    {
      value: count(status.storedLastDay),
      label: 'stored in 24 h',
      title: 'Numbers stored in the last 24 hours; texts and switches are not among them',
    },
    booksFigure(status),
    {
      value: millis(status.publishToPushMs.p99),
      label: 'publish to screen, p99',
      title: `Median ${millis(status.publishToPushMs.p50)}`,
    },
    {
      value: bytes(status.bufferedBytes),
      label: 'buffered at the edge',
      title: `${count(status.bufferedReadings)} readings on the disks of all gateways`,
    },
  ];
}

const LABELS = [
  'readings arriving',
  'stored in 24 h',
  'lost and counted twice',
  'publish to screen, p99',
  'buffered at the edge',
];

/** The product's promise, in five figures from the hub. */
export function Strip() {
  const status = useShown((state) => state.status);
  const isFaulty = useShown((state) => state.faults.has('status'));
  if (!status && isFaulty)
    return <Figures figures={LABELS.map((label) => ({ value: '–', label, title: 'Not known' }))} />;
  if (!status) {
    return (
      <div className="strip" data-testid="strip" aria-busy="true">
        {[0, 1, 2, 3, 4].map((index) => (
          <div key={index}>
            <b className="skeleton skeleton-figure" />
            <small className="skeleton skeleton-label" />
          </div>
        ))}
      </div>
    );
  }
  return <Figures figures={figures(status)} />;
}

function Figures({ figures }: { figures: readonly Figure[] }) {
  return (
    <div className="strip" data-testid="strip">
      {figures.map(({ value, label, title, isBad }) => (
        <div key={label} title={title} className={isBad ? 'bad' : ''}>
          <b>{value}</b>
          <small>{label}</small>
        </div>
      ))}
    </div>
  );
}

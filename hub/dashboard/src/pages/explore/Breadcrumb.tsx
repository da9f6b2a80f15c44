import { Link } from '../../shell/Link';
import { addressOf } from '../../shell/route';

export function Breadcrumb({ type, source }: { type: string; source: string | null }) {
  return (
    <nav className="breadcrumb" aria-label="Where this is">
      <Link href={addressOf('explore')}>Explore</Link>
      <span aria-hidden="true">/</span>
      {source ? <Link href={addressOf('explore', { type })}>{type}</Link> : <h1>{type}</h1>}
      {source && (
        <>
          <span aria-hidden="true">/</span>
          <h1>{source}</h1>
        </>
      )}
    </nav>
  );
}

import type { AnchorHTMLAttributes, MouseEvent } from 'react';
import { goTo } from './route';

/** A link that stays on the page when it can; modified clicks are the browser's. */
export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    goTo(href);
    if (!href.startsWith(location.pathname)) scrollTo(0, 0);
  };
  return <a href={href} onClick={follow} {...rest} />;
}

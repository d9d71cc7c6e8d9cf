// Going from page to page without loading anew.
import { parse, section, streamQuery, title } from './router.js';
import { dispatch } from './store.js';
import { follow } from './stream.js';

const base = () => new URL(document.baseURI).pathname;

/** Opens a page given by its path relative to the base. */
export function go(path, { replace = false } = {}) {
  const url = new URL(path, document.baseURI);
  history[replace ? 'replaceState' : 'pushState'](null, '', url);
  arrive();
  if (!replace) {
    scrollTo(0, 0);
    // The reader of a screen reader stands at the new page's start.
    document.getElementById('main')?.focus({ preventScroll: true });
  }
}

/** Remembers a page's own settings (search, sort) in the address without leaving it. */
export function setQuery(query) {
  const url = new URL(location.href);
  url.search = query;
  history.replaceState(null, '', url);
  dispatch({ type: 'route', route: parse(location.pathname, base()), query: location.search });
}

/** Takes the route from the address and follows its stream. */
export function arrive() {
  const route = parse(location.pathname, base());
  dispatch({ type: 'route', route, query: location.search });
  dispatch({ type: 'dialog', dialog: null });
  document.title = title(route);
  document.body.dataset.section = section(route);
  follow(streamQuery(route));
}

/** A click on a row opens its page, unless it was on something with a meaning of its own, or text was being selected. */
export function openRow(event, path) {
  if (event.defaultPrevented || event.target.closest('a, button, input, summary, label')) return;
  if (String(getSelection()) !== '') return;
  if (event.metaKey || event.ctrlKey) window.open(new URL(path, document.baseURI), '_blank', 'noopener');
  else go(path);
}

/** Follows plain clicks on links of ours; once, at start. */
export function watchLinks() {
  addEventListener('popstate', arrive);
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest('a[href]');
    if (!link || link.target || link.origin !== location.origin || !`${link.pathname}/`.startsWith(base())) return;
    if (parse(link.pathname, base()).page === 'unknown') return;
    event.preventDefault();
    go(link.href);
  });
}

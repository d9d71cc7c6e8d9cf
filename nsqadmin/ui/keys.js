// The keyboard.
import { openDialog } from './actions.js';
import { go } from './navigate.js';
import { to } from './router.js';
import { getState } from './store.js';

/** The second key of `g x` must come within this time. */
const CHORD_MS = 1200;
const PLACES = { o: to.overview(), t: to.topics(), n: to.nodes(), l: to.lookup(), c: to.counter() };
let chordUntil = 0;

/** Listens to keys for as long as the page lives; once, at start. */
export function watchKeys() {
  document.addEventListener('keydown', (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') return act(event, () => openDialog({ kind: 'palette' }));
    if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || getState().dialog) return undefined;
    if (event.target.closest('input, textarea, select')) return leaveSearch(event);
    return plainKey(event);
  });
}

function act(event, run) {
  event.preventDefault();
  run();
}

function leaveSearch(event) {
  const to_rows = event.target.type === 'search' && (event.key === 'ArrowDown' || event.key === 'Enter');
  if (to_rows) act(event, () => step(1));
  else if (event.key === 'Escape') event.target.blur();
}

function plainKey(event) {
  const chord = event.timeStamp < chordUntil;
  chordUntil = 0;
  if (chord && PLACES[event.key]) return act(event, () => go(PLACES[event.key]));
  if (event.key === 'g') {
    chordUntil = event.timeStamp + CHORD_MS;
    return undefined;
  }
  if (event.key === '?') return act(event, () => openDialog({ kind: 'help' }));
  if (event.key === '/') return act(event, search);
  const in_row = document.activeElement?.matches('[data-row]');
  if (event.key === 'j' || (event.key === 'ArrowDown' && in_row)) return act(event, () => step(1));
  if (event.key === 'k' || (event.key === 'ArrowUp' && in_row)) return act(event, () => step(-1));
  return undefined;
}

function search() {
  const field = document.querySelector('input[type="search"]');
  if (field) field.select();
  else go(to.topics());
  // The page may still have to be drawn.
  if (!field) requestAnimationFrame(() => requestAnimationFrame(() => document.querySelector('input[type="search"]')?.focus()));
  else field.focus();
}

// Moves the focus to the next or previous row that can be opened; the first one when none has it.
function step(by) {
  const rows = [...document.querySelectorAll('main [data-row]')].filter((row) => row.offsetParent !== null);
  const at = rows.indexOf(document.activeElement);
  const next = at === -1 ? rows[0] : rows[at + by];
  if (!next) return;
  next.focus({ preventScroll: true });
  (next.closest('tr') ?? next).scrollIntoView({ block: 'nearest' });
}

// How the one state changes. Pure: an action and the time in, the next state out.

/** No news for this long, and for three polls: what is on the screen is called stale. */
export const STALE_AFTER_MS = 7000;
/** Toasts kept at once; the oldest goes first. */
export const TOASTS_MAX = 4;

/** The state before anything is known. */
export function initial(theme = 'auto') {
  return {
    theme, me: null, meError: null, route: { page: 'overview' }, query: '',
    head: null, doc: null, streamKey: null,
    link: { is_open: false, last_ms: null, opened_ms: 0, skew_ms: 0 }, now_ms: 0,
    toasts: [], dialog: null,
  };
}

/** The next state. An unknown action is a slip of ours and throws. */
export function reduce(state, action) {
  switch (action.type) {
    case 'me': return { ...state, me: action.me, meError: action.error ?? null };
    case 'theme': return { ...state, theme: action.theme };
    case 'route': return { ...state, route: action.route, query: action.query };
    case 'clock': return { ...state, now_ms: action.now_ms };
    case 'dialog': return { ...state, dialog: action.dialog };
    case 'toast': return { ...state, toasts: [...state.toasts, action.toast].slice(-TOASTS_MAX) };
    case 'untoast': return { ...state, toasts: state.toasts.filter((t) => t.id !== action.id) };
    case 'stream': return opened(state, action);
    case 'link': return { ...state, link: { ...state.link, is_open: action.is_open } };
    case 'state': return news(state, action, action.doc);
    case 'patch': return news(state, action, patched(state.doc, action.patch));
    default: throw new Error(`unknown action ${action.type}`);
  }
}

// A new page empties the document, but the head (cluster figures) stays until the next one comes.
function opened(state, { key, now_ms }) {
  const doc = key === state.streamKey ? state.doc : null;
  return { ...state, doc, streamKey: key, now_ms, link: { ...state.link, is_open: false, opened_ms: now_ms } };
}

function news(state, { key, now_ms }, doc) {
  // The last words of the page before this one, or a patch without its state.
  if (key !== state.streamKey || doc === null) return state;
  const skew_ms = doc.head ? doc.head.at_ms - now_ms : state.link.skew_ms;
  return { ...state, doc, head: doc.head ?? state.head, now_ms, link: { ...state.link, is_open: true, last_ms: now_ms, skew_ms } };
}

/** Rows of a `topics` document with a patch applied; rows that did not change keep their identity. */
export function patched(doc, patch) {
  if (doc === null) return null;
  const changed = new Map(patch.changed.map((row) => [row.name, row]));
  const removed = new Set(patch.removed);
  const topics = [];
  for (const row of doc.topics) {
    if (removed.has(row.name)) continue;
    topics.push(changed.get(row.name) ?? row);
    changed.delete(row.name);
  }
  return { head: patch.head, topics: [...topics, ...changed.values()] };
}

/**
 * How fresh the screen is: `connecting` (nothing yet), `live`, or `stale` with the age in ms of what is shown.
 */
export function freshness(state) {
  const { last_ms, opened_ms } = state.link;
  const limit_ms = Math.max(STALE_AFTER_MS, 3 * (state.head?.interval_ms ?? 0));
  const from_ms = last_ms ?? opened_ms;
  const age_ms = state.now_ms - from_ms;
  if (age_ms >= limit_ms) return { kind: 'stale', age_ms, ever: last_ms !== null };
  return { kind: last_ms === null ? 'connecting' : 'live', age_ms, ever: last_ms !== null };
}

/** The server's present time, by the clock of the last document: browsers' clocks are often wrong. */
export function serverNow(state) {
  return state.now_ms + state.link.skew_ms;
}

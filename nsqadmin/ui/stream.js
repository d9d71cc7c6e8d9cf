// One EventSource for what is on the screen, and the clock that tells when it has gone silent.
import { apiUrl } from './api.js';
import { dispatch, getState } from './store.js';

/** A tab in the background gives its connection back after this long: browsers allow six a server over HTTP/1.1. */
const HIDDEN_CLOSE_MS = 5000;
/** Browsers give up for good when the server answers with an error; then we ask again ourselves. */
const RETRY_MS = 2000;

let source = null;
let key = null;
let retry = null;
let hidden = null;

/** Follows `query` (see `streamQuery`) in place of what was followed before; `null` follows nothing. */
export function follow(query) {
  key = query;
  dispatch({ type: 'stream', key, now_ms: Date.now() });
  open();
}

/** Opens the connection anew, for instance by the button "try again". */
export function open() {
  close();
  if (key === null) return;
  const mine = key;
  const es = new EventSource(apiUrl(`stream?${mine}`));
  source = es;
  const hear = (type, field) => es.addEventListener(type, (event) => {
    if (source !== es) return;
    dispatch({ type, key: mine, now_ms: Date.now(), [field]: JSON.parse(event.data) });
  });
  hear('state', 'doc');
  hear('patch', 'patch');
  es.addEventListener('error', () => {
    if (source !== es) return;
    dispatch({ type: 'link', is_open: false });
    if (es.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
  });
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

/** Starts the clock and the watch over the tab's visibility; once, at start. */
export function start() {
  setInterval(() => dispatch({ type: 'clock', now_ms: Date.now() }), 1000);
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(close, HIDDEN_CLOSE_MS);
    else if (source === null && getState().streamKey !== null) open();
  });
}

// Requests to nsqadmin, and errors in words that help.

const TIMEOUT_MS = 20000;
const HEADERS = { 'Content-Type': 'application/json', 'X-Requested-With': 'nsqadmin' };

/** An answer that is not 200, or none. `message` is a sentence for people; `status` is 0 without an answer. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The address of an API path, below the base path. */
export const apiUrl = (path) => new URL(`api/${path}`, document.baseURI).href;

/** GET, answered with JSON. Throws `ApiError`. */
export const get = (path, signal) => request('GET', path, undefined, signal);

/** POST or DELETE with a JSON body. Throws `ApiError`. */
export const send = (method, path, body) => request(method, path, body);

async function request(method, path, body, signal) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const init = { method, signal: signal ? AbortSignal.any([signal, timeout]) : timeout };
  if (method !== 'GET') {
    init.headers = HEADERS;
    init.body = JSON.stringify(body ?? {});
  }
  let response;
  try {
    response = await fetch(apiUrl(path), init);
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(0, '', timeout.aborted ? 'nsqadmin did not answer within 20 s; it may still be doing it' : 'nsqadmin cannot be reached');
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw fail(response.status, answer);
  if (answer === null) throw new ApiError(response.status, '', 'the answer was not understood; is a proxy in between?');
  return answer;
}

function fail(status, answer) {
  const code = answer?.message ?? '';
  return new ApiError(status, code, explain(status, code, answer?.reason));
}

const TEXTS = {
  INVALID_TOPIC: 'that is not a topic name: 1 to 64 of letters, digits, "." "_" "-", and "#ephemeral" at the end if you like',
  INVALID_CHANNEL: 'that is not a channel name: 1 to 64 of letters, digits, "." "_" "-", and "#ephemeral" at the end if you like',
  TOPIC_NOT_FOUND: 'nobody knows this topic any more',
  CHANNEL_NOT_FOUND: 'nobody knows this channel any more',
  NODE_NOT_FOUND: 'nobody knows this node any more',
  INTERNAL_ERROR: 'nsqadmin ran into a fault of its own; its log says more',
};

/** What an error answer means, as a sentence. Pure. */
export function explain(status, code, reason) {
  if (status === 403) return reason ? `not allowed: ${reason}` : 'not allowed';
  if (status === 401) return 'not signed in';
  if (TEXTS[code]) return TEXTS[code];
  if (code.startsWith('UPSTREAM_ERROR: ')) return code.slice('UPSTREAM_ERROR: '.length).replace(/: $/, '; none answered');
  return code || `nsqadmin answered with status ${status}`;
}

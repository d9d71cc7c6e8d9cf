// What an operator can do: requests, their words, and what takes them back.
import { send } from './api.js';
import { plural } from './format.js';
import { dispatch } from './store.js';

const enc = encodeURIComponent;
const path = (topic, channel) => `topics/${enc(topic)}${channel === undefined ? '' : `/${enc(channel)}`}`;
const label = (topic, channel) => (channel === undefined ? topic : `${topic} / ${channel}`);

/** Requests by name. Each is `{ method, path, body, doing, did, undo }`; `did` completes "… on 3 nodes". */
export const request = {
  pause: (topic, channel) => ({ method: 'POST', path: path(topic, channel), body: { action: 'pause' }, doing: `Pause ${label(topic, channel)}`, did: `${label(topic, channel)} is paused`, undo: () => request.unpause(topic, channel) }),
  unpause: (topic, channel) => ({ method: 'POST', path: path(topic, channel), body: { action: 'unpause' }, doing: `Unpause ${label(topic, channel)}`, did: `${label(topic, channel)} runs again`, undo: () => request.pause(topic, channel) }),
  empty: (topic, channel) => ({ method: 'POST', path: path(topic, channel), body: { action: 'empty' }, doing: `Empty ${label(topic, channel)}`, did: `${label(topic, channel)} is empty` }),
  remove: (topic, channel) => ({ method: 'DELETE', path: path(topic, channel), doing: `Delete ${label(topic, channel)}`, did: `${label(topic, channel)} is deleted` }),
  tombstone: (node, topic) => ({ method: 'DELETE', path: `nodes/${enc(node)}`, body: { topic }, doing: `Tombstone ${topic} on ${node}`, did: `${topic} is tombstoned on ${node}` }),
  create: (topic, channel) => ({ method: 'POST', path: 'topics', body: channel ? { topic, channel } : { topic }, doing: `Create ${label(topic, channel || undefined)}`, did: `${label(topic, channel || undefined)} is created` }),
  seek: (topic, channel, where) => ({ method: 'POST', path: 'seek', body: { topic, channel, to: where }, doing: `Seek ${label(topic, channel)}`, did: `${label(topic, channel)} was moved` }),
  publish: (body) => ({ method: 'POST', path: 'publish', body, doing: `Publish to ${body.topic}`, did: `published to ${body.topic}` }),
};

/** Sends a request. The results per node, and those that failed; throws `ApiError`. */
export async function perform(action) {
  const { message, results = [] } = await send(action.method, action.path, action.body);
  return { message, results, failed: results.filter((r) => !r.done) };
}

/** What became of an action, as one sentence. Pure. */
export function outcome(action, { results, failed }) {
  const nodes = new Set(results.filter((r) => r.kind === 'nsqd').map((r) => r.node));
  const bad = new Set(failed.map((r) => r.node));
  if (bad.size === 0) return nodes.size ? `${action.did} (${plural(nodes.size, 'node')})` : action.did;
  const all = new Set(results.map((r) => r.node)).size;
  return `${action.doing}: done at ${all - bad.size} of ${all}`;
}

let lastToast = 0;

/** Shows a message in the corner: `{ tone, text, detail, action: { label, run } }`; errors stay until closed. */
export function toast(content) {
  lastToast += 1;
  dispatch({ type: 'toast', toast: { id: lastToast, tone: 'ok', ...content } });
}

/** Runs an action at once and tells in a toast, with "Undo" where that is possible. */
export async function quick(action) {
  try {
    const answer = await perform(action);
    if (answer.failed.length > 0) {
      const detail = answer.failed.map((r) => `${r.node}: ${r.error}`).join('; ');
      toast({ tone: 'warning', text: outcome(action, answer), detail, action: { label: 'Details', run: () => showResults(action, answer) } });
      return;
    }
    const undo = action.undo && { label: 'Undo', run: () => quick({ ...action.undo(), undo: undefined }) };
    toast({ text: outcome(action, answer), detail: answer.message, action: undo });
  } catch (error) {
    toast({ tone: 'error', text: `${action.doing}: not done`, detail: error.message, action: { label: 'Try again', run: () => quick(action) } });
  }
}

function showResults(action, answer) {
  dispatch({ type: 'dialog', dialog: { kind: 'confirm', title: action.doing, action, answer } });
}

/** Opens a dialog by its kind; see `parts/dialogs.js`. */
export function openDialog(dialog) {
  dispatch({ type: 'dialog', dialog });
}

import { request } from '../actions.js';
import { html, useState } from '../h.js';
import { closeDialog, Dialog } from './dialog.js';
import { Results } from './results.js';
import { useAction } from './confirm.js';

/** Publishes a test message to a topic. `nodes`: its nodes, `{ node, hostname, is_up }`. */
export function Publish({ topic, nodes, channels }) {
  const [body, setBody] = useState('{"test":true}');
  const [node, setNode] = useState('');
  const [seconds, setSeconds] = useState('0');
  const { answer, error, is_busy, run } = useAction(closeDialog);
  const defer_ms = Math.round(Number(seconds) * 1000);
  const slip = !Number.isFinite(defer_ms) || defer_ms < 0 ? 'the delay is not a number of seconds' : null;
  const action = request.publish({ topic, node: node || null, body, encoding: 'text', defer_ms });
  const foot = html`<button class="button" type="button" onClick=${closeDialog}>Cancel</button><button class="button primary" type="submit" aria-disabled=${slip || is_busy ? 'true' : undefined}>${is_busy ? 'Publishing…' : 'Publish'}</button>`;
  return html`<${Dialog} title=${`Publish to ${topic}`} foot=${foot} onSubmit=${() => { if (!slip && !is_busy) run(action); }}>
    <p class="second">A real message: ${channels === 0 ? 'it waits in the topic until a channel is made.' : `each of its ${channels === 1 ? 'one channel gets' : `${channels} channels gets`} it, and their consumers will act on it.`}</p>
    <label class="field"><span>Body</span><textarea class="input" autofocus spellcheck="false" value=${body} onInput=${(e) => setBody(e.target.value)} /></label>
    <div class="two">
      <label class="field"><span>Node</span><select class="input" value=${node} onChange=${(e) => setNode(e.target.value)}><option value="">any that answers</option>
        ${nodes.filter((n) => n.is_up).map((n) => html`<option value=${n.node}>${n.hostname} (${n.node})</option>`)}</select></label>
      <label class="field"><span>Delay in seconds</span><input class="input" inputmode="decimal" value=${seconds} onInput=${(e) => setSeconds(e.target.value)} /></label>
    </div>
    ${(slip || error) && html`<p class="is-error" role="alert">${slip ?? error.message}</p>`}
    ${answer && html`<${Results} action=${action} answer=${answer} />`}<//>`;
}

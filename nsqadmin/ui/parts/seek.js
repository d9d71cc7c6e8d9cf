import { request } from '../actions.js';
import { integer } from '../format.js';
import { html, useState } from '../h.js';
import { useAction } from './confirm.js';
import { closeDialog, Dialog } from './dialog.js';
import { Results } from './results.js';

const CHOICES = [
  ['-1h', 'Go back one hour', 'consumers get again what was published since then'],
  ['-24h', 'Go back one day', 'consumers get again what was published since then'],
  ['start', 'Go to the oldest message kept', 'consumers get again everything that is still there'],
  ['at', 'Go to a point in time', 'backward repeats messages, forward leaves them out'],
  ['end', 'Skip to the end', 'what waits now is left out; only new messages are delivered'],
];

/** Moves a channel to another place of its topic's log. */
export function Seek({ topic, channel, depth, consumers }) {
  const [choice, setChoice] = useState('-1h');
  const [time, setTime] = useState('');
  const { answer, error, is_busy, run } = useAction(closeDialog);
  const at = time ? new Date(time) : null;
  const slip = choice === 'at' && (!at || Number.isNaN(at.getTime())) ? 'choose the point in time' : null;
  const action = request.seek(topic, channel, choice === 'at' && at && !slip ? at.toISOString() : choice);
  const is_loss = choice === 'end';
  const foot = html`<button class="button" type="button" onClick=${closeDialog}>Cancel</button>
    <button class=${`button ${is_loss ? 'danger' : 'primary'}`} type="submit" aria-disabled=${slip || is_busy ? 'true' : undefined}>${is_busy ? 'Working…' : is_loss ? `Skip ${integer(depth)} messages` : 'Move the channel'}</button>`;
  return html`<${Dialog} title=${`Seek ${topic} / ${channel}`} foot=${foot} onSubmit=${() => { if (!slip && !is_busy) run(action); }}>
    <p class="second">A channel is a place in the topic's log. Moving it concerns this channel only, on every node; other channels stay where they are.
      Only what the log still keeps can be delivered again. ${consumers > 0 ? `${consumers === 1 ? 'One consumer is' : `${consumers} consumers are`} connected and will act at once.` : 'No consumer is connected now.'}</p>
    <div class="choices" role="radiogroup" aria-label="Where to">${CHOICES.map(([value, label, hint]) => html`<label class="choice"><input type="radio" name="to" value=${value} checked=${choice === value} onChange=${() => setChoice(value)} /><span>${label}<small>${hint}</small></span></label>`)}</div>
    ${choice === 'at' && html`<label class="field"><span>Point in time (your local time)</span><input class="input" type="datetime-local" step="1" value=${time} onInput=${(e) => setTime(e.target.value)} /></label>`}
    ${slip && time && html`<p class="is-error">${slip}</p>`}${error && html`<p class="is-error" role="alert">${error.message}</p>`}
    ${answer && html`<${Results} action=${action} answer=${answer} />`}<//>`;
}

import { outcome } from '../actions.js';
import { html } from '../h.js';
import { Icon } from './icon.js';

/** What became of an action at each node. */
export function Results({ action, answer }) {
  const tone = answer.failed.length === 0 ? 'ok' : 'warning';
  return html`<div role="status"><p class=${`is-${tone}`}><strong>${outcome(action, answer)}</strong></p>
    ${answer.failed.length > 0 && html`<p class="second">Trying again asks every node anew; where it is done already, nothing more happens.</p>`}</div>
    ${answer.results.length > 0 && html`<ul class="results">${answer.results.map((r) => html`<li><${Icon} name=${r.done ? 'check' : 'error'} size="14" label=${r.done ? 'done' : 'failed'} class=${r.done ? 'is-ok' : 'is-error'} />
      <span>${r.node}${r.error && html`<small>${r.error}</small>`}</span><span class="dim">${r.step}</span></li>`)}</ul>`}`;
}

import { html } from '../h.js';
import { Sparkline } from './sparkline.js';

/** A figure with its name, a note below, and its recent course. Stands in a `<dl class="tiles">`. */
export function Tile({ label, value, unit, note, title, spark, color, tone = '' }) {
  return html`<div class=${`tile ${spark ? 'with-spark' : ''}`} title=${title}>
    <dt>${label}</dt>
    <dd class=${tone && `is-${tone}`}>${value}${unit && html`<span class="unit">${unit}</span>`}</dd>
    ${note && html`<dd class="note-wrap"><span class="note">${note}</span></dd>`}
    ${spark && html`<${Sparkline} values=${spark} color=${color} />`}
  </div>`;
}

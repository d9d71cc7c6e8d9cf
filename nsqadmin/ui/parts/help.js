import { html } from '../h.js';
import { Dialog } from './dialog.js';

const KEYS = [
  [['Ctrl', 'K'], 'jump to a topic, node or page'], [['/'], 'search topics'], [['g', 'o'], 'overview'], [['g', 't'], 'topics'], [['g', 'n'], 'nodes'],
  [['g', 'l'], 'lookup'], [['g', 'c'], 'counter'], [['j', 'k'], 'next, previous row (or arrows)'], [['Enter'], 'open the row'], [['Esc'], 'close, or leave the search'], [['?'], 'this help'],
];

/** The keys of the application. */
export function Help() {
  return html`<${Dialog} title="Keyboard" wide><ul class="keys">${KEYS.map(([keys, what]) => html`<li>${what}<span>${keys.map((key) => html`<kbd>${key}</kbd>`)}</span></li>`)}</ul><//>`;
}

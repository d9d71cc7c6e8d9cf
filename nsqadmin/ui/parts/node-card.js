import { bytes, count, durationS, plural, rate } from '../format.js';
import { html } from '../h.js';
import { to } from '../router.js';
import { Badge } from './badges.js';
import { Ago } from './time.js';

/** The state of a node in a word: `up`, `down`, or what its health says. */
export function NodeState({ node }) {
  if (!node.is_up) return html`<${Badge} tone="error" icon="cross" title=${node.error}>down${node.down_since_ms ? html` <${Ago} ms=${node.down_since_ms} plain />` : ''}<//>`;
  if (node.health && node.health !== 'OK') return html`<${Badge} tone="error" icon="error" title=${node.health}>unwell<//>`;
  return html`<${Badge} tone="ok" icon="check">up<//>`;
}

/** A node in a strip of nodes. */
export function NodeCard({ node }) {
  return html`<a data-row class=${`node-card ${node.is_up ? '' : 'is-down'}`} href=${to.node(node.node)}>
    <span class="top">${node.hostname}<${NodeState} node=${node} /></span>
    <span class="dim">${node.node}</span>
    ${node.is_up ? html`<span class="figures"><span>depth <b>${count(node.depth)}</b></span><span>in <b>${rate(node.in_rate)}</b></span><span>out <b>${rate(node.out_rate)}</b></span></span>
      <span class="dim">${node.version} · up ${durationS(node.uptime_s)} · ${bytes(node.memory_bytes)} · ${plural(node.consumers, 'consumer')}</span>` : html`<span>${node.error}</span><span class="second">its share of all figures is missing</span>`}</a>`;
}

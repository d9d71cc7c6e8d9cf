import { html, useState } from '../h.js';
import { ranked } from '../judge.js';
import { to } from '../router.js';
import { SeverityIcon } from './badges.js';
import { Icon } from './icon.js';
import { Ago } from './time.js';

/** Shown before "show all": what fits a screen. */
const SHOWN = 8;

/** The page on which a finding can be mended. */
export function target(finding) {
  if (finding.kind === 'not_produced' || finding.kind.startsWith('lookupd_')) return to.lookup();
  if (finding.kind === 'tombstoned' && finding.node) return to.node(finding.node);
  if (finding.topic && finding.channel) return to.channel(finding.topic, finding.channel);
  if (finding.topic) return to.topic(finding.topic);
  return finding.node ? to.node(finding.node) : to.nodes();
}

function place({ topic, channel, node, kind }) {
  if (topic && channel) return html`${topic} <span class="dim">/</span> ${channel}`;
  if (topic) return topic;
  return node ?? (kind.startsWith('lookupd_') ? 'nsqlookupd' : null);
}

/** A list of findings, the worst first, each a link to where it can be mended. `here`: they are about this very page. */
export function Findings({ findings, here = false }) {
  const [all, setAll] = useState(false);
  const rows = ranked(findings);
  const shown = all ? rows : rows.slice(0, SHOWN);
  return html`<div>
    <ul>${shown.map((f) => html`<li key=${[f.kind, f.topic, f.channel, f.node].join()}><${Finding} finding=${f} here=${here} /></li>`)}</ul>
    ${rows.length > SHOWN && html`<button class="more" aria-expanded=${String(all)} onClick=${() => setAll(!all)}>${all ? 'Show fewer' : `Show all ${rows.length}`}</button>`}
  </div>`;
}

function Finding({ finding, here }) {
  const where = place(finding);
  const inside = html`<${SeverityIcon} severity=${finding.severity} />
    <span class="what">${where && !(here && !finding.node) && html`<span class="where">${where}</span>${' '}`}<span class="text">${finding.text}</span></span>
    <span class="since" title="since">${finding.since_ms && html`<${Ago} ms=${finding.since_ms} plain />`}</span>
    ${here ? html`<span />` : html`<${Icon} name="right" size="14" class="go" />`}
    ${finding.advice && html`<span class="advice">${finding.advice}</span>`}`;
  return here ? html`<div class="finding">${inside}</div>` : html`<a class="finding" data-row href=${target(finding)}>${inside}</a>`;
}

import { bytes, count, durationS, plural, rateNumber } from '../format.js';
import { html } from '../h.js';
import { to } from '../router.js';
import { useStore } from '../store.js';
import { Badge } from '../parts/badges.js';
import { NodeState } from '../parts/node-card.js';
import { PageHead } from '../parts/page-head.js';
import { Empty, Skeleton } from '../parts/states.js';
import { Cell, Table } from '../parts/table.js';

const number = (key, label, cls, text = count) => ({ key, label, num: true, cls, by: (n) => n[key], cell: (n) => html`<${Cell} value=${n[key]} text=${text(n[key])} />` });

const COLUMNS = [
  { key: 'hostname', label: 'Node', cls: 'name', by: (n) => n.hostname, cell: (n) => html`<a data-row href=${to.node(n.node)}>${n.hostname}</a> <span class="dim">${n.node}</span>` },
  { key: 'state', label: 'State', by: (n) => (n.is_up ? n.health : ''), cell: (n) => html`<${NodeState} node=${n} />` },
  { key: 'version', label: 'Version', cls: 'medium', by: (n) => n.version, cell: (n) => html`${n.version}${n.is_out_of_date && html`<span class="badges"><${Badge} tone="warning" title="others run a newer version">old<//></span>`}` },
  number('uptime_s', 'Up for', 'small num', durationS),
  number('memory_bytes', 'Memory', 'medium', bytes),
  number('depth', 'Depth', ''), number('in_rate', 'In /s', 'small', rateNumber), number('out_rate', 'Out /s', 'small', rateNumber),
  number('topics', 'Topics', 'medium'), number('consumers', 'Consumers', 'medium'), number('producers', 'Producers', 'wide'),
  { key: 'place', label: 'Region, zone', cls: 'wide', by: (n) => `${n.region} ${n.zone}`, cell: (n) => html`<span class="second">${[n.region, n.zone].filter(Boolean).join(', ') || '–'}</span>` },
  { key: 'lookupds', label: 'nsqlookupds', num: true, cls: 'medium', title: 'how many nsqlookupds know it', by: (n) => n.lookupds.length, cell: (n) => html`<span class=${n.is_up && n.lookupds.length < n.lookupds_expected ? 'is-warning' : ''} title=${n.lookupds.join(', ')}>${n.lookupds.length} of ${n.lookupds_expected}</span>` },
];

/** All nodes. */
export function NodesPage() {
  const doc = useStore((s) => s.doc);
  const mode = useStore((s) => s.me?.mode);
  if (!doc) return html`<${Skeleton} />`;
  const { nodes } = doc;
  const down = nodes.filter((n) => !n.is_up).length;
  const columns = mode === 'nsqd' ? COLUMNS.filter((c) => c.key !== 'lookupds') : COLUMNS;
  return html`<${PageHead} title="Nodes" summary=${down ? `${nodes.length - down} of ${plural(nodes.length, 'node')} up` : plural(nodes.length, 'node')} />
    <div class="panel">${nodes.length ? html`<${Table} caption="Nodes" columns=${columns} rows=${nodes} name=${(n) => n.node} href=${(n) => to.node(n.node)} rowClass=${(n) => (n.is_up ? '' : 'is-down')} />`
      : html`<${Empty} icon="nodes" title="No nsqd is known"><p>Start one and tell it where nsqlookupd is:</p><pre>nsqd --lookupd-tcp-address=127.0.0.1:4160</pre><//>`}</div>`;
}

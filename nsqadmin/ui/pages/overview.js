import { compact, count, plural, rate, rateNumber } from '../format.js';
import { html } from '../h.js';
import { to } from '../router.js';
import { useStore } from '../store.js';
import { Marks, SeverityIcon } from '../parts/badges.js';
import { Depth } from '../parts/cells.js';
import { Findings } from '../parts/findings.js';
import { useHistory } from '../parts/history.js';
import { Icon } from '../parts/icon.js';
import { NodeCard } from '../parts/node-card.js';
import { PageHead } from '../parts/page-head.js';
import { Empty, Skeleton } from '../parts/states.js';
import { Cell, Table } from '../parts/table.js';
import { Tile } from '../parts/tile.js';
import { NoTopics } from './topics.js';

/** What is wrong, how much flows, where it piles up. */
export function OverviewPage() {
  const doc = useStore((s) => s.doc);
  const { data } = useHistory('', 3600);
  if (!doc) return html`<${Skeleton} />`;
  return html`<${PageHead} title=${html`<${Verdict} findings=${doc.findings} />`} summary=${summary(doc.head)} />
    <section class="panel" aria-label="Findings">${doc.findings.length ? html`<${Findings} findings=${doc.findings} />` : html`<${AllWell} head=${doc.head} />`}</section>
    <${Totals} head=${doc.head} totals=${doc.totals} series=${data?.series ?? {}} />
    ${doc.head.topics === 0 ? html`<div class="panel section"><${NoTopics} /></div>` : html`<div class="halves">
      <${Top} title="Deepest" rows=${doc.deepest} first="depth" none="Nothing waits anywhere." />
      <${Top} title="Busiest" rows=${doc.busiest} first="in_rate" none="Nothing flows." /></div>`}
    <section class="panel section" aria-labelledby="nodes-title"><div class="panel-head"><h2 id="nodes-title">Nodes</h2><span class="count">${doc.nodes.length}</span></div>
      ${doc.nodes.length ? html`<div class="nodes-strip">${doc.nodes.map((node) => html`<${NodeCard} key=${node.node} node=${node} />`)}</div>` : html`<${Empty} title="No nsqd is known"><p>Start one with <code>--lookupd-tcp-address</code> pointing at nsqlookupd.</p><//>`}</section>`;
}

function summary(head) {
  return [plural(head.topics, 'topic'), plural(head.channels, 'channel'), head.nodes_down ? `${head.nodes - head.nodes_down} of ${plural(head.nodes, 'node')} up` : `${plural(head.nodes, 'node')}`, head.lookupds ? plural(head.lookupds, 'nsqlookupd', 'nsqlookupds') : null].filter(Boolean).join(' · ');
}

function Verdict({ findings }) {
  const of = (severity) => findings.filter((f) => f.severity === severity).length;
  const [errors, warnings] = [of('error'), of('warning')];
  const words = errors ? `${plural(errors, 'problem')} to mend now${warnings ? `, ${warnings} to watch` : ''}` : warnings ? `${plural(warnings, 'thing')} to watch` : 'All is well';
  const severity = errors ? 'error' : warnings ? 'warning' : 'ok';
  return html`<span class="verdict">${severity === 'ok' ? html`<${Icon} name="ok" class="is-ok" />` : html`<${SeverityIcon} severity=${severity} />`}<span>${words}</span></span>`;
}

function AllWell({ head }) {
  return html`<${Empty} icon="ok" title="Nothing needs you"><p>All nodes answer, every backlog has consumers, nothing is paused, nothing times out. ${plural(head.topics, 'topic')} looked at.</p><//>`;
}

function Totals({ head, totals, series }) {
  const sum = (a, b) => a?.map((v, i) => (v === null ? null : v + (b?.[i] ?? 0)));
  const tiles = [
    { label: 'Depth', value: compact(totals.depth), title: count(totals.depth), note: 'messages wait', spark: series.depth ?? [], color: 'depth' },
    { label: 'In', value: rateNumber(head.in_rate), unit: '/s', note: 'published', spark: series.in_rate ?? [], color: 'in' },
    { label: 'Out', value: rateNumber(head.out_rate), unit: '/s', note: 'finished by consumers', spark: series.out_rate ?? [], color: 'out' },
    { label: 'In flight', value: compact(totals.in_flight), note: `${plural(totals.consumers, 'consumer')}`, spark: series.in_flight ?? [], color: 'flight' },
    { label: 'Deferred', value: compact(totals.deferred), note: 'wait for their time', spark: series.deferred ?? [], color: 'deferred' },
    { label: 'Requeued and timed out', value: rateNumber(totals.requeue_rate), unit: '/s', note: `${rate(totals.timeout_rate)} timed out`, spark: sum(series.requeue_rate, null) ?? [], color: 'requeue' },
  ];
  return html`<dl class="tiles section live-part" aria-label="Cluster totals, with the last hour">${tiles.map((t) => html`<${Tile} key=${t.label} ...${t} />`)}</dl>`;
}

function Top({ title, rows, first, none }) {
  const columns = [
    { key: 'name', label: 'Topic', cls: 'name', by: (r) => r.name, cell: (r) => html`<a data-row href=${to.topic(r.name)}>${r.name}</a><${Marks} paused=${r.paused} is_ephemeral=${r.is_ephemeral} />` },
    { key: 'depth', label: 'Depth', num: true, by: (r) => r.depth, cell: (r) => html`<${Depth} depth=${r.depth} rate=${r.depth_rate} />` },
    { key: 'in_rate', label: 'In /s', num: true, by: (r) => r.in_rate, cell: (r) => html`<${Cell} value=${r.in_rate} text=${rateNumber(r.in_rate)} />` },
    { key: 'out_rate', label: 'Out /s', num: true, cls: 'small', by: (r) => r.out_rate, cell: (r) => html`<${Cell} value=${r.out_rate} text=${rateNumber(r.out_rate)} />` },
  ];
  return html`<section class="panel" aria-label=${title}><div class="panel-head"><h2>${title}</h2><div class="end"><a class="button plain tiny" href=${to.topics(`?sort=${first}&down=1`)}>All topics</a></div></div>
    ${rows.length ? html`<${Table} caption=${`${title} topics`} columns=${columns} rows=${rows} href=${(r) => to.topic(r.name)} first=${{ key: first, down: true }} />` : html`<${Empty} icon="ok" title=${none} />`}</section>`;
}

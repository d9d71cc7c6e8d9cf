import { compact, count, integer, plural, rate, rateNumber } from '../format.js';
import { html } from '../h.js';
import { openDialog, quick, request } from '../actions.js';
import { to } from '../router.js';
import { useStore } from '../store.js';
import { About } from '../parts/about.js';
import { Badge, Marks } from '../parts/badges.js';
import { ActionButton } from '../parts/button.js';
import { columns, latencyColumns } from '../parts/cells.js';
import { HistoryPanel } from '../parts/history.js';
import { quantile } from '../format.js';
import { PageHead } from '../parts/page-head.js';
import { Empty, Skeleton } from '../parts/states.js';
import { Table } from '../parts/table.js';
import { Tile } from '../parts/tile.js';

const CRUMBS = [['Topics', to.topics()]];

/** One topic: how it fares, its channels, its nodes, and what can be done. */
export function TopicPage() {
  const name = useStore((s) => s.route.topic);
  const doc = useStore((s) => s.doc);
  if (!doc) return html`<${Skeleton} />`;
  if (!doc.topic) return html`<${Nobody} name=${name} />`;
  const { topic } = doc;
  return html`<${PageHead} crumbs=${CRUMBS} title=${topic.name} marks=${html`<${Marks} ...${topic} />`} summary=${summary(topic)}><${Actions} topic=${topic} /><//>
    <${Totals} total=${topic.total} channels=${topic.channels} />
    <${About} findings=${topic.findings} />
    <${Channels} topic=${topic} />
    <${HistoryPanel} query=${`topic=${encodeURIComponent(topic.name)}`} />
    <${Nodes} topic=${topic} />
    ${topic.config && html`<${Policies} config=${topic.config} />`}`;
}

function summary(topic) {
  const down = topic.nodes.filter((n) => !n.is_up).length;
  const nodes = topic.nodes.length === 0 ? 'no node produces it' : down ? `${topic.nodes.length - down} of ${plural(topic.nodes.length, 'node')} answer` : plural(topic.nodes.length, 'node');
  return [plural(topic.channels.length, 'channel'), nodes, plural(topic.total.consumers, 'consumer')].join(' · ');
}

function Actions({ topic }) {
  const { name, total, channels } = topic;
  const is_paused = topic.paused !== 'no';
  const deepest = channels.reduce((most, c) => Math.max(most, c.depth), 0);
  const empty = {
    kind: 'confirm', title: `Empty ${name}`, button: 'Empty the topic', type: name, action: request.empty(name),
    explain: 'Messages that wait in the topic itself are discarded, on every node. What its channels hold is not touched: empty those on their own pages.',
    radius: [{ label: 'messages lost', value: integer(total.depth), hot: total.depth > 0 }, { label: 'nodes', value: topic.nodes.length }],
  };
  const remove = {
    kind: 'confirm', title: `Delete ${name}`, button: 'Delete the topic', type: name, action: request.remove(name), after: to.topics(),
    explain: 'The topic, its channels and all their messages are deleted at every node and every nsqlookupd, and its consumers are disconnected. A producer that still publishes makes it anew.',
    radius: [{ label: 'messages waiting', value: integer(Math.max(total.depth, deepest)), hot: true }, { label: 'channels', value: channels.length }, { label: 'consumers', value: integer(total.consumers), hot: total.consumers > 0 }, { label: 'nodes', value: topic.nodes.length }],
  };
  return html`<${ActionButton} icon="send" onClick=${() => openDialog({ kind: 'publish', topic: name, nodes: topic.nodes, channels: channels.length })}>Publish…<//>
    ${is_paused && html`<${ActionButton} icon="play" class="primary" onClick=${() => quick(request.unpause(name))}>Unpause<//>`}
    ${topic.paused !== 'all' && html`<${ActionButton} icon="pause" onClick=${() => quick(request.pause(name))}>Pause<//>`}
    <${ActionButton} icon="drain" class="danger-text" onClick=${() => openDialog(empty)}>Empty…<//>
    <${ActionButton} icon="trash" class="danger-text" onClick=${() => openDialog(remove)}>Delete…<//>`;
}

function Totals({ total, channels }) {
  const sum = (key) => channels.reduce((n, c) => n + c[key], 0);
  const deepest = channels.reduce((most, c) => (c.depth > (most?.depth ?? 0) ? c : most), null);
  return html`<dl class="tiles live-part" aria-label="Totals">
    <${Tile} label="Waiting in the topic" value=${compact(total.depth)} title=${count(total.depth)} note=${channels.length === 0 ? 'until it has a channel' : total.paused ? 'held back while paused' : 'not yet in its channels'} />
    <${Tile} label="Deepest channel" value=${compact(deepest?.depth ?? 0)} title=${count(deepest?.depth ?? 0)} note=${deepest?.name ?? 'nothing waits'} />
    <${Tile} label="In" value=${rateNumber(total.in_rate)} unit="/s" note=${`${compact(total.messages)} messages so far`} />
    <${Tile} label="Out, all channels" value=${rateNumber(sum('out_rate'))} unit="/s" note=${plural(total.consumers, 'consumer')} />
    <${Tile} label="In flight" value=${compact(sum('in_flight'))} note=${`${compact(sum('deferred'))} deferred`} />
    <${Tile} label="Timed out" value=${rateNumber(sum('timeout_rate'))} unit="/s" tone=${sum('timeout_rate') >= 0.005 ? 'warning' : ''} note=${`${rate(sum('requeue_rate'))} requeued`} /></dl>`;
}

function Channels({ topic }) {
  const link = (c) => to.channel(topic.name, c.name);
  const cols = [
    { key: 'name', label: 'Channel', cls: 'name', by: (c) => c.name, cell: (c) => html`<a data-row href=${link(c)}>${c.name}</a><${Marks} ...${c} /><span class="sub">${plural(c.consumers, 'consumer')}</span>` },
    columns.depth, columns.memory, columns.in_rate, columns.out_rate, columns.in_flight, columns.deferred, columns.requeue_rate, columns.timeout_rate, columns.consumers,
    ...latencyColumns(topic.channels, quantile),
  ];
  return html`<section class="panel section" aria-labelledby="channels-title"><div class="panel-head"><h2 id="channels-title">Channels</h2><span class="count">${topic.channels.length}</span></div>
    ${topic.channels.length ? html`<${Table} caption="Channels" columns=${cols} rows=${topic.channels} href=${link} first=${{ key: 'depth', down: true }} />`
      : html`<${Empty} icon="topics" title="No channel yet"><p>Messages wait in the topic until a consumer subscribes; its channel then gets all of them.</p><//>`}</section>`;
}

function Nodes({ topic }) {
  const cols = [
    { key: 'node', label: 'Node', cls: 'name', by: (n) => n.hostname, cell: (n) => html`<a data-row href=${to.node(n.node)}>${n.hostname}</a> <span class="dim">${n.node}</span>
      <span class="badges">${!n.is_up && html`<${Badge} tone="error" icon="cross" title=${n.error}>down<//>`}${n.is_tombstoned && html`<${Badge} tone="warning" icon="grave" title="consumers are not sent to this node">tombstoned<//>`}${n.paused && html`<${Badge} tone="warning" icon="pause">paused<//>`}</span>`, total: 'Total' },
    { ...columns.depth, total: count(topic.total.depth) }, { ...columns.memory, total: `${count(topic.total.memory_depth)} + ${count(topic.total.backend_depth)}` },
    { ...columns.in_rate, total: rateNumber(topic.total.in_rate) }, { ...columns.messages, total: count(topic.total.messages) },
    { key: 'channels', label: 'Channels', num: true, cls: 'small', by: (n) => n.channels, cell: (n) => n.channels },
    { key: 'act', label: html`<span class="visually-hidden">Action</span>`, num: true, cell: (n) => html`<${ActionButton} class="plain tiny" icon="grave" label=${`Tombstone ${topic.name} on ${n.hostname}`} onClick=${() => openDialog(tombstone(n, topic.name))}><span class="small">Tombstone…</span><//>` },
  ];
  return html`<section class="panel section" aria-labelledby="nodes-title"><div class="panel-head"><h2 id="nodes-title">Nodes</h2><span class="count">${topic.nodes.length}</span></div>
    ${topic.nodes.length ? html`<${Table} caption="Nodes of this topic" columns=${cols} rows=${topic.nodes} name=${(n) => n.node} rowClass=${(n) => (n.is_up ? '' : 'is-down')} total />`
      : html`<${Empty} icon="nodes" title="No node produces it"><p>The name is registered, nothing more. It comes to life with its first message.</p><//>`}</section>`;
}

/** The dialog that tombstones a topic on a node. */
export function tombstone(node, topic) {
  return {
    kind: 'confirm', title: `Tombstone ${topic} on ${node.hostname}`, button: 'Tombstone', type: node.depth > 0 ? topic : undefined, action: request.tombstone(node.node, topic),
    explain: `For the time nsqlookupd is set to (45 s by default) no consumer is sent to ${node.node} for this topic; then the topic is deleted there, with what still waits on it. Stop publishing to this node first, or the topic comes back.`,
    radius: [{ label: 'waiting there', value: integer(node.depth ?? 0), hot: node.depth > 0 }, { label: 'channels there', value: integer(typeof node.channels === 'number' ? node.channels : node.channels?.length ?? 0) }],
  };
}

function Policies({ config }) {
  return html`<section class="panel section" aria-labelledby="policies-title"><div class="panel-head"><h2 id="policies-title">Policies</h2></div>
    <dl class="facts">${Object.entries(config).map(([key, value]) => html`<div><dt>${key.replaceAll('_', ' ')}</dt><dd>${value === null ? '–' : typeof value === 'object' ? JSON.stringify(value) : String(value)}</dd></div>`)}</dl></section>`;
}

function Nobody({ name }) {
  return html`<${PageHead} crumbs=${CRUMBS} title=${name} /><div class="panel"><${Empty} icon="search" title="Nobody knows this topic"><p>It was deleted, or never published to. The first message makes it:</p>
    <pre>curl -d 'hello' 'http://127.0.0.1:4151/pub?topic=${encodeURIComponent(name)}'</pre><a class="button" href=${to.topics()}>All topics</a><//></div>`;
}

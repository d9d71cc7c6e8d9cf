import { bytes, count, durationS, plural, rate, rateNumber } from '../format.js';
import { html } from '../h.js';
import { openDialog } from '../actions.js';
import { to } from '../router.js';
import { useStore } from '../store.js';
import { About } from '../parts/about.js';
import { Badge } from '../parts/badges.js';
import { ActionButton } from '../parts/button.js';
import { columns } from '../parts/cells.js';
import { HistoryPanel } from '../parts/history.js';
import { NodeState } from '../parts/node-card.js';
import { PageHead } from '../parts/page-head.js';
import { Empty, Skeleton } from '../parts/states.js';
import { Chevron, Table } from '../parts/table.js';
import { Tile } from '../parts/tile.js';
import { Ago } from '../parts/time.js';
import { tombstone } from './topic.js';

const CRUMBS = [['Nodes', to.nodes()]];

/** One nsqd: how it is, and what it holds. */
export function NodePage() {
  const name = useStore((s) => s.route.node);
  const doc = useStore((s) => s.doc);
  if (!doc) return html`<${Skeleton} />`;
  const { node } = doc;
  if (!node) return html`<${PageHead} crumbs=${CRUMBS} title=${name} /><div class="panel"><${Empty} icon="search" title="Nobody knows this node"><p>It has left, or was never there. A node is named by its broadcast address and HTTP port.</p><a class="button" href=${to.nodes()}>All nodes</a><//></div>`;
  return html`<${PageHead} crumbs=${CRUMBS} title=${node.hostname} marks=${html`<span class="badges"><${NodeState} node=${node} />${node.is_out_of_date && html`<${Badge} tone="warning">old version<//>`}</span>`} summary=${`${node.node} · nsqd ${node.version}`} />
    ${!node.is_up && html`<${Down} node=${node} />`}
    ${node.is_up && html`<${Totals} node=${node} />`}
    <${About} findings=${node.findings.filter((f) => f.kind !== 'node_down')} />
    <${Facts} node=${node} />
    <${HistoryPanel} query=${`node=${encodeURIComponent(node.node)}`} />
    ${node.is_up && html`<${Topics} node=${node} />`}`;
}

function Down({ node }) {
  return html`<div class="panel"><${Empty} icon="error" title="This node does not answer"><p>${node.error}${node.down_since_ms ? html`, since <${Ago} ms=${node.down_since_ms} plain />` : ''}. Its topics, messages and consumers are missing in all figures until it is back; nothing of what it holds on disk is lost by that.</p><//></div>`;
}

function Totals({ node }) {
  return html`<dl class="tiles live-part" aria-label="Totals">
    <${Tile} label="Depth" value=${count(node.depth)} note=${plural(node.topics, 'topic')} />
    <${Tile} label="In" value=${rateNumber(node.in_rate)} unit="/s" note=${plural(node.producers, 'producer')} />
    <${Tile} label="Out" value=${rateNumber(node.out_rate)} unit="/s" note=${plural(node.consumers, 'consumer')} />
    <${Tile} label="Memory" value=${bytes(node.memory_bytes)} />
    <${Tile} label="Up for" value=${durationS(node.uptime_s)} note=${node.health && node.health !== 'OK' ? node.health : 'healthy'} tone=${node.health && node.health !== 'OK' ? 'error' : ''} /></dl>`;
}

function Facts({ node }) {
  const facts = [
    ['Broadcast address', node.broadcast_address], ['TCP port', node.tcp_port], ['HTTP port', node.http_port], ['Version', node.version], ['Region, zone', [node.region, node.zone].filter(Boolean).join(', ') || '–'],
    ['Known to nsqlookupd', node.lookupds_expected ? `${node.lookupds.length} of ${node.lookupds_expected}${node.lookupds.length ? `: ${node.lookupds.join(', ')}` : ''}` : '–'],
  ];
  return html`<section class="panel section" aria-label="About this node"><dl class="facts facts-alone">${facts.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl></section>`;
}

function Topics({ node }) {
  const topics = [...node.topic_list].sort((a, b) => deepest(b) - deepest(a) || (a.name < b.name ? -1 : 1));
  return html`<section class="panel section tree live-part" aria-labelledby="topics-title"><div class="panel-head"><h2 id="topics-title">Topics on this node</h2><span class="count">${topics.length}</span></div>
    ${topics.length ? topics.map((topic) => html`<${Topic} key=${topic.name} node=${node} topic=${topic} />`) : html`<${Empty} icon="topics" title="This node has no topics" />`}</section>`;
}

const deepest = (topic) => Math.max(topic.depth, ...topic.channels.map((c) => c.depth));

function Topic({ node, topic }) {
  const link = (c) => to.channel(topic.name, c.name);
  const cols = [
    { key: 'name', label: 'Channel', cls: 'name', by: (c) => c.name, cell: (c) => html`<a data-row href=${link(c)}>${c.name}</a>${c.paused && html`<span class="badges"><${Badge} tone="warning" icon="pause">paused<//></span>`}` },
    columns.depth, columns.in_rate, columns.out_rate, columns.in_flight, columns.deferred, columns.requeue_rate, columns.timeout_rate, columns.consumers,
  ];
  return html`<details><summary><${Chevron} /><a class="strong" data-row href=${to.topic(topic.name)}>${topic.name}</a>
      ${topic.is_tombstoned && html`<${Badge} tone="warning" icon="grave">tombstoned<//>`}${topic.paused && html`<${Badge} tone="warning" icon="pause">paused<//>`}
      <span class="figures"><span>depth <b>${count(deepest(topic))}</b></span><span>in <b>${rate(topic.in_rate)}</b></span><span>${plural(topic.channels.length, 'channel')}</span>
        <${ActionButton} class="plain tiny" icon="grave" label=${`Tombstone ${topic.name} on this node`} onClick=${() => openDialog(tombstone({ ...topic, node: node.node, hostname: node.hostname, depth: deepest(topic) }, topic.name))}>Tombstone…<//></span></summary>
    <div class="inside">${topic.channels.length ? html`<${Table} caption=${`Channels of ${topic.name} on this node`} columns=${cols} rows=${topic.channels} href=${link} />` : html`<p class="panel-note">No channel: its messages wait in the topic.</p>`}</div></details>`;
}

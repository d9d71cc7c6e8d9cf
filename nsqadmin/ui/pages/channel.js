import { compact, count, durationNs, durationS, integer, plural, quantile, rate, rateNumber } from '../format.js';
import { html } from '../h.js';
import { openDialog, quick, request } from '../actions.js';
import { drainS, trend } from '../judge.js';
import { to } from '../router.js';
import { useStore } from '../store.js';
import { About } from '../parts/about.js';
import { Badge, Marks } from '../parts/badges.js';
import { ActionButton } from '../parts/button.js';
import { columns, latencyColumns } from '../parts/cells.js';
import { Clients } from '../parts/clients.js';
import { HistoryPanel } from '../parts/history.js';
import { PageHead } from '../parts/page-head.js';
import { Peek } from '../parts/peek.js';
import { Empty, Skeleton } from '../parts/states.js';
import { Table } from '../parts/table.js';
import { Tile } from '../parts/tile.js';

/** One channel: how it fares, who consumes, what waits. */
export function ChannelPage() {
  const topic = useStore((s) => s.route.topic);
  const name = useStore((s) => s.route.channel);
  const doc = useStore((s) => s.doc);
  const crumbs = [['Topics', to.topics()], [topic, to.topic(topic)]];
  if (!doc) return html`<${Skeleton} />`;
  const { channel } = doc;
  if (!channel) {
    return html`<${PageHead} crumbs=${crumbs} title=${name} /><div class="panel"><${Empty} icon="search" title="Nobody knows this channel"><p>It was deleted, or nobody has subscribed to it yet: the first subscription makes it.</p><a class="button" href=${to.topic(topic)}>Back to ${topic}</a><//></div>`;
  }
  return html`<${PageHead} crumbs=${crumbs} title=${channel.name} marks=${html`<${Marks} ...${channel} />`} summary=${summary(channel)}><${Actions} channel=${channel} /><//>
    <${Totals} total=${channel.total} />
    <${About} findings=${channel.findings} />
    <${Clients} clients=${channel.clients} depth=${channel.total.depth} />
    <${HistoryPanel} query=${`topic=${encodeURIComponent(topic)}&channel=${encodeURIComponent(name)}`} />
    <${Nodes} channel=${channel} />
    <${Peek} topic=${topic} channel=${name} can_peek=${channel.can_peek} />`;
}

function summary({ total, nodes, clients }) {
  const down = nodes.filter((n) => !n.is_up).length;
  return [down ? `${nodes.length - down} of ${plural(nodes.length, 'node')} answer` : plural(nodes.length, 'node'), plural(clients.length, 'consumer'), `${compact(total.messages)} messages so far`].join(' · ');
}

function Actions({ channel }) {
  const { topic, name, total, nodes } = channel;
  const held = total.in_flight + total.deferred;
  const lost = [{ label: 'waiting', value: integer(total.depth), hot: total.depth > 0 }, { label: 'in flight', value: integer(total.in_flight), hot: total.in_flight > 0 }, { label: 'deferred', value: integer(total.deferred), hot: total.deferred > 0 }];
  const empty = {
    kind: 'confirm', title: `Empty ${topic} / ${name}`, button: 'Empty the channel', type: name, action: request.empty(topic, name),
    explain: `All messages of this channel are discarded, on every node${held ? ', also those in flight and deferred' : ''}. Other channels of ${topic} keep theirs.`,
    radius: [...lost, { label: 'nodes', value: nodes.length }],
  };
  const remove = {
    kind: 'confirm', title: `Delete ${topic} / ${name}`, button: 'Delete the channel', type: name, action: request.remove(topic, name), after: to.topic(topic),
    explain: 'The channel and its messages are deleted at every node and every nsqlookupd, and its consumers are disconnected. A consumer that connects again makes it anew, empty.',
    radius: [...lost, { label: 'consumers', value: integer(total.consumers), hot: total.consumers > 0 }, { label: 'nodes', value: nodes.length }],
  };
  return html`${channel.paused !== 'no' && html`<${ActionButton} icon="play" class="primary" onClick=${() => quick(request.unpause(topic, name))}>Unpause<//>`}
    ${channel.paused !== 'all' && html`<${ActionButton} icon="pause" onClick=${() => quick(request.pause(topic, name))}>Pause<//>`}
    <${ActionButton} icon="seek" blocked=${channel.can_seek ? undefined : 'not all nodes of this channel can seek'} onClick=${() => openDialog({ kind: 'seek', topic, channel: name, depth: total.depth, consumers: total.consumers })}>Seek…<//>
    <${ActionButton} icon="drain" class="danger-text" onClick=${() => openDialog(empty)}>Empty…<//>
    <${ActionButton} icon="trash" class="danger-text" onClick=${() => openDialog(remove)}>Delete…<//>`;
}

function course({ depth, depth_rate, consumers }) {
  if (!depth) return 'nothing waits';
  const drain = drainS(depth, depth_rate);
  if (drain !== null) return `gone in ${durationS(drain)} at this pace`;
  if (trend(depth, depth_rate) === 'up') return `growing by ${rate(depth_rate)}`;
  return consumers ? 'steady' : 'nobody consumes';
}

function Totals({ total }) {
  const worst = total.latency.at(-1);
  return html`<dl class="tiles live-part" aria-label="Totals">
    <${Tile} label="Depth" value=${compact(total.depth)} title=${count(total.depth)} note=${course(total)} tone=${total.depth && !total.consumers ? 'error' : ''} />
    <${Tile} label="In" value=${rateNumber(total.in_rate)} unit="/s" />
    <${Tile} label="Out" value=${rateNumber(total.out_rate)} unit="/s" note="finished by consumers" />
    <${Tile} label="In flight" value=${compact(total.in_flight)} note=${`${compact(total.deferred)} deferred`} />
    <${Tile} label="Requeued" value=${rateNumber(total.requeue_rate)} unit="/s" note=${`${compact(total.requeued)} so far`} />
    <${Tile} label="Timed out" value=${rateNumber(total.timeout_rate)} unit="/s" tone=${total.timeout_rate >= 0.005 ? 'warning' : ''} note=${`${compact(total.timed_out)} so far`} />
    ${worst && html`<${Tile} label=${`Latency ${quantile(worst.quantile)}`} value=${durationNs(worst.value_ns)} note=${`highest ${durationNs(worst.max_ns)}`} title="from publish to finish; over several nodes a weighted average of their percentiles" />`}</dl>`;
}

function Delivery({ delivery }) {
  const sum = delivery.zone + delivery.region + delivery.global;
  if (!sum) return html`<span class="zero">–</span>`;
  const parts = [['zone', 'same zone'], ['region', 'same region'], ['global', 'elsewhere']].map(([key, words]) => ({ key, words, part: (delivery[key] / sum) * 100 }));
  const text = parts.map((p) => `${p.part.toFixed(0)}% ${p.words}`).join(', ');
  return html`<span class="mix" role="img" aria-label=${text} title=${text}>${parts.map((p) => html`<i class=${p.key} style=${{ width: `${p.part}%` }} />`)}</span>`;
}

function Nodes({ channel }) {
  const { total, nodes } = channel;
  const has_delivery = nodes.some((n) => n.delivery && n.delivery.zone + n.delivery.region + n.delivery.global > 0);
  const cols = [
    { key: 'node', label: 'Node', cls: 'name', by: (n) => n.hostname, total: 'Total', cell: (n) => html`<a data-row href=${to.node(n.node)}>${n.hostname}</a> <span class="dim">${n.node}</span><span class="badges">${!n.is_up && html`<${Badge} tone="error" icon="cross" title=${n.error}>down<//>`}${n.paused && html`<${Badge} tone="warning" icon="pause">paused<//>`}</span>` },
    { ...columns.depth, total: count(total.depth) }, { ...columns.memory, total: `${count(total.memory_depth)} + ${count(total.backend_depth)}` }, { ...columns.in_rate, total: rateNumber(total.in_rate) }, { ...columns.out_rate, total: rateNumber(total.out_rate) },
    { ...columns.in_flight, total: count(total.in_flight) }, { ...columns.deferred, total: count(total.deferred) }, { ...columns.requeue_rate, total: rateNumber(total.requeue_rate) }, { ...columns.timeout_rate, total: rateNumber(total.timeout_rate) }, { ...columns.consumers, total: count(total.consumers) },
    has_delivery && { key: 'delivery', label: 'Delivered to', cls: 'wide', title: 'consumers in the same zone, the same region, elsewhere', cell: (n) => html`<${Delivery} delivery=${n.delivery} />` },
    ...latencyColumns(nodes, quantile).slice(-1),
  ].filter(Boolean);
  return html`<section class="panel section" aria-labelledby="nodes-title"><div class="panel-head"><h2 id="nodes-title">Nodes</h2><span class="count">${nodes.length}</span></div>
    <${Table} caption="This channel on each node" columns=${cols} rows=${nodes} name=${(n) => n.node} rowClass=${(n) => (n.is_up ? '' : 'is-down')} total /></section>`;
}

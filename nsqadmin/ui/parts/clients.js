import { count, integer, rateNumber } from '../format.js';
import { html } from '../h.js';
import { clientTroubles } from '../judge.js';
import { to } from '../router.js';
import { Badge } from './badges.js';
import { Empty } from './states.js';
import { Cell, Table } from './table.js';
import { Ago } from './time.js';

const name = (client) => `${client.node} ${client.remote_address}`;

/** Only web addresses become links: what a server sends is not to be trusted with a scheme. */
const webAddress = (url) => (/^https?:\/\//.test(url ?? '') ? url : null);

/** Who consumes a channel. The slow and the idle ones are marked. */
export function Clients({ clients, depth }) {
  const troubles = new Map(clientTroubles(clients).map((trouble, i) => [name(clients[i]), trouble]));
  const fastest = Math.max(1e-9, ...clients.map((client) => client.finish_rate));
  return html`<section class="panel section" aria-labelledby="clients-title"><div class="panel-head"><h2 id="clients-title">Consumers</h2><span class="count">${clients.length}</span></div>
    ${clients.length ? html`<${Table} caption="Consumers" columns=${columnsOf(troubles, fastest)} rows=${clients} name=${name} rowClass=${(c) => `client ${troubles.get(name(c)) ?? ''}`} first=${{ key: 'host', down: false }} />`
      : html`<${Empty} icon=${depth ? 'warning' : 'info'} title="Nobody consumes this channel"><p>${depth ? `${integer(depth)} messages wait. Start a consumer, or delete the channel if it is not needed any more.` : 'Nothing waits either. If the channel is not needed any more, delete it: it collects every new message.'}</p><//>`}</section>`;
}

const number = (key, label, more) => ({ key, label, num: true, by: (c) => c[key], cell: (c) => html`<${Cell} value=${c[key]} text=${count(c[key])} />`, ...more });

function columnsOf(troubles, fastest) {
  return [
    { key: 'host', label: 'Consumer', cls: 'name', by: (c) => c.hostname, cell: (c) => html`<span title=${c.remote_address}>${c.hostname || c.remote_address}</span><${Trouble} kind=${troubles.get(name(c))} /><span class="sub">${c.user_agent}</span>` },
    { key: 'id', label: 'Client id', cls: 'medium', by: (c) => c.client_id, cell: (c) => html`<span class="second">${c.client_id}</span>` },
    { key: 'finish_rate', label: 'Finished /s', num: true, by: (c) => c.finish_rate, cell: (c) => html`${rateNumber(c.finish_rate)}<span class="meter small" aria-hidden="true"><i style=${{ width: `${(c.finish_rate / fastest) * 100}%` }} /></span>` },
    number('in_flight', 'In flight', { title: 'messages it holds now' }),
    number('ready', 'RDY', { title: 'messages it asked for at once', cell: (c) => (c.ready === 0 ? html`<span class="is-warning">0</span>` : count(c.ready)) }),
    number('finished', 'Finished', { cls: 'medium' }), number('requeued', 'Requeued', { cls: 'wide' }),
    { key: 'agent', label: 'User agent', cls: 'wide', by: (c) => c.user_agent, cell: (c) => html`<span class="second">${c.user_agent}</span>` },
    { key: 'attributes', label: 'Connection', cls: 'medium', cell: (c) => html`<${Attributes} client=${c} />` },
    { key: 'node', label: 'Node', cls: 'wide', by: (c) => c.node, cell: (c) => html`<a href=${to.node(c.node)}>${c.node}</a>` },
    { key: 'connected', label: 'Connected', num: true, cls: 'small', by: (c) => -c.connected_ms, cell: (c) => html`<span class="second"><${Ago} ms=${c.connected_ms} plain /></span>` },
  ];
}

function Trouble({ kind }) {
  if (kind === 'slow') return html`<span class="badges"><${Badge} tone="warning" icon="warning" title="finishes less than a quarter of what its peers do, while it holds messages">slow<//></span>`;
  if (kind === 'idle') return html`<span class="badges"><${Badge} tone="warning" icon="pause" title="RDY is 0: it asks for no messages; it is backing off or shutting down">RDY 0<//></span>`;
  return null;
}

function Attributes({ client }) {
  const { tls, auth, nearness } = client;
  const link = webAddress(auth?.url);
  return html`<span class="badges">${tls && html`<${Badge} tone="ok" title=${`${tls.version} ${tls.cipher}`}>TLS<//>`}
    ${auth && html`<${Badge} title=${`authorised as ${auth.identity}`}>${link ? html`<a href=${link} target="_blank" rel="noopener noreferrer">${auth.identity || 'auth'}</a>` : auth.identity || 'auth'}<//>`}
    ${client.snappy && html`<${Badge}>snappy<//>`}${client.deflate && html`<${Badge}>deflate<//>`}
    ${client.sample_rate > 0 && html`<${Badge} tone="accent" title="gets this part of the messages only">${client.sample_rate}% sample<//>`}
    ${nearness && nearness !== 'none' && html`<${Badge} title=${`${client.region} ${client.zone}`}>same ${nearness}<//>`}</span>`;
}

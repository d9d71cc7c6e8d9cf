import { count, list, plural } from '../format.js';
import { html, useState } from '../h.js';
import { openDialog, request } from '../actions.js';
import { to } from '../router.js';
import { useStore } from '../store.js';
import { Badge } from '../parts/badges.js';
import { ActionButton, useReason } from '../parts/button.js';
import { useAction } from '../parts/confirm.js';
import { Icon } from '../parts/icon.js';
import { PageHead } from '../parts/page-head.js';
import { Results } from '../parts/results.js';
import { Empty, Skeleton } from '../parts/states.js';
import { Table } from '../parts/table.js';

/** The directory: each nsqlookupd, what it misses, and names that nobody produces. */
export function LookupPage() {
  const doc = useStore((s) => s.doc);
  const mode = useStore((s) => s.me?.mode);
  if (!doc) return html`<${Skeleton} />`;
  const head = html`<${PageHead} title="Lookup" summary="Where consumers learn which nodes have a topic" />`;
  if (mode === 'nsqd') return html`${head}<div class="panel"><${Empty} icon="lookup" title="No nsqlookupd is configured"><p>This nsqadmin looks at a fixed list of nsqd nodes (<code>--nsqd-http-address</code>).</p><//></div><${Create} />`;
  return html`${head}<section class="panel" aria-labelledby="lookupds-title"><div class="panel-head"><h2 id="lookupds-title">nsqlookupd</h2><span class="count">${doc.lookupds.length}</span></div>
      <${Table} caption="nsqlookupds" columns=${COLUMNS} rows=${doc.lookupds} name=${(l) => l.address} rowClass=${(l) => (l.is_up ? '' : 'is-down')} /></section>
    <${Create} /><${Inactive} inactive=${doc.inactive} />`;
}

const number = (key, label) => ({ key, label, num: true, by: (l) => l[key], cell: (l) => count(l[key]) });

const COLUMNS = [
  { key: 'address', label: 'Address', cls: 'name', by: (l) => l.address, cell: (l) => l.address },
  { key: 'state', label: 'State', by: (l) => l.is_up, cell: (l) => (l.is_up ? html`<${Badge} tone="ok" icon="check">up<//>` : html`<${Badge} tone="error" icon="cross" title=${l.error}>down<//>`) },
  { key: 'version', label: 'Version', cls: 'small', by: (l) => l.version, cell: (l) => l.version ?? '–' }, number('topics', 'Topics'), number('nodes', 'Nodes'),
  { key: 'misses', label: 'Differs from the others', cls: 'wrap', by: (l) => l.missing_topics.length + l.missing_nodes.length, cell: (l) => html`<${Misses} lookupd=${l} />` },
];

function Misses({ lookupd }) {
  const { missing_topics: topics, missing_nodes: nodes, is_up, error } = lookupd;
  if (!is_up) return html`<span class="is-error">${error}</span>`;
  if (topics.length + nodes.length === 0) return html`<span class="dim">nothing: it knows all that the others know</span>`;
  const part = (names, one) => names.length > 0 && html`<div title=${names.join(', ')}>${plural(names.length, one)} missing: <b>${list(names)}</b></div>`;
  return html`<span class="is-warning">${part(nodes, 'node')}${part(topics, 'topic')}</span>`;
}

function Create() {
  const [names, setNames] = useState({ topic: '', channel: '' });
  const reason = useReason();
  const { answer, error, is_busy, run } = useAction(() => setNames({ topic: '', channel: '' }));
  const action = request.create(names.topic.trim(), names.channel.trim());
  const submit = (event) => {
    event.preventDefault();
    if (!is_busy && !reason && names.topic.trim()) run(action);
  };
  return html`<section class="panel section" aria-labelledby="create-title"><div class="panel-head"><h2 id="create-title">Create a topic or channel</h2></div>
    <p class="panel-note">Consumers can then find the name before the first message is published. A channel made now gets every message from now on.</p>
    <form class="create" onSubmit=${submit}><label class="field"><span>Topic</span><input class="input" autocomplete="off" autocapitalize="off" spellcheck="false" value=${names.topic} onInput=${(e) => setNames({ ...names, topic: e.target.value })} /></label>
      <label class="field"><span>Channel <span class="dim">(optional)</span></span><input class="input" autocomplete="off" autocapitalize="off" spellcheck="false" value=${names.channel} onInput=${(e) => setNames({ ...names, channel: e.target.value })} /></label>
      <button class="button primary" type="submit" aria-disabled=${reason || is_busy ? 'true' : undefined} title=${reason ?? undefined}>${is_busy ? 'Creating…' : 'Create'}</button></form>
    <div role="status">${error && html`<p class="panel-note is-error"><${Icon} name="error" size="14" class="inline" /> ${error.message}</p>`}</div>
    ${answer?.failed.length > 0 && html`<div class="panel-note"><${Results} action=${action} answer=${answer} /></div>`}</section>`;
}

function Inactive({ inactive }) {
  const remove = (topic, channel) => openDialog({
    kind: 'confirm', title: `Delete ${topic}${channel === undefined ? '' : ` / ${channel}`}`, button: channel === undefined ? 'Delete the topic' : 'Delete the channel', type: channel ?? topic, action: request.remove(topic, channel),
    explain: 'The name is taken out of every nsqlookupd. No node produces it, so no message is lost; a node that is down but holds it will register it again.',
  });
  return html`<section class="panel section" aria-labelledby="inactive-title"><div class="panel-head"><h2 id="inactive-title">Registered, but produced by no node</h2><span class="count">${inactive.length}</span></div>
    ${inactive.length === 0 ? html`<p class="panel-note">None: every registered topic has a node.</p>` : inactive.map(({ topic, channels }) => html`<div key=${topic}><div class="list-line"><a data-row class="strong" href=${to.topic(topic)}>${topic}</a><span class="dim">${channels.length ? plural(channels.length, 'channel') : 'no channel'}</span>
        <span class="end"><${ActionButton} class="plain tiny danger-text" icon="trash" label=${`Delete topic ${topic}`} onClick=${() => remove(topic)}>Delete…<//></span></div>
      ${channels.map((channel) => html`<div class="list-line nested"><span class="second">${channel}</span><span class="end"><${ActionButton} class="plain tiny danger-text" icon="trash" label=${`Delete channel ${channel} of ${topic}`} onClick=${() => remove(topic, channel)}>Delete…<//></span></div>`)}</div>`)}</section>`;
}

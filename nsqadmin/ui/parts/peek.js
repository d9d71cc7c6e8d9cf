import { get } from '../api.js';
import { bytesOf, hexDump, prettyJson } from '../bodies.js';
import { bytes, plural } from '../format.js';
import { html, useMemo, useState } from '../h.js';
import { Badge } from './badges.js';
import { ActionButton } from './button.js';
import { Icon } from './icon.js';
import { Empty } from './states.js';
import { Ago } from './time.js';

const LIMIT = 20;

/** A look at messages of a channel; nothing is taken from its consumers. */
export function Peek({ topic, channel, can_peek }) {
  const [state, setState] = useState({ messages: null, warnings: [], error: null, is_busy: false });
  const look = async () => {
    setState((s) => ({ ...s, is_busy: true, error: null }));
    try {
      const answer = await get(`peek?topic=${encodeURIComponent(topic)}&channel=${encodeURIComponent(channel)}&limit=${LIMIT}`);
      setState({ ...answer, error: null, is_busy: false });
    } catch (error) {
      setState((s) => ({ ...s, error: error.message, is_busy: false }));
    }
  };
  const { messages, warnings, error, is_busy } = state;
  return html`<section class="panel section" aria-labelledby="peek-title"><div class="panel-head"><h2 id="peek-title">Messages</h2>${messages && html`<span class="count">${plural(messages.length, 'message')}</span>`}
      <div class="end"><${ActionButton} icon="eye" class="tiny" blocked=${can_peek ? undefined : 'not all nodes of this channel let messages be looked at'} onClick=${look}>${is_busy ? 'Looking…' : messages ? 'Look again' : 'Look at messages'}<//></div></div>
    ${!messages && !error && html`<p class="panel-note">Shows up to ${LIMIT} messages that wait, are deferred or in flight. Nothing is taken from consumers, and no attempt is counted.</p>`}
    <div role="status">${error && html`<p class="panel-note is-error">${error}</p>`}${warnings.map((text) => html`<p class="panel-note is-warning">${text}</p>`)}</div>
    ${messages && (messages.length ? messages.map((m) => html`<${Message} key=${`${m.node} ${m.id}`} message=${m} />`) : html`<${Empty} icon="ok" title="Nothing waits now" />`)}</section>`;
}

const TONES = { waiting: '', deferred: 'accent', 'in flight': 'ok', requeued: 'warning' };

function Message({ message }) {
  const m = message;
  const json = useMemo(() => (m.encoding === 'text' ? prettyJson(m.body) : null), [m.body, m.encoding]);
  const forms = [json !== null && 'JSON', m.encoding === 'text' && 'Text', 'Hex'].filter(Boolean);
  const [form, setForm] = useState(forms[0]);
  const preview = m.encoding === 'text' ? m.body.slice(0, 160) : '(binary)';
  return html`<details class="message"><summary><${Icon} name="right" size="13" class="chevron" /><code>${m.id}</code><${Badge} tone=${TONES[m.state] ?? ''}>${m.state}<//><span class="preview second">${preview}</span><span class="dim">${bytes(m.size)}</span></summary>
    <div class="body"><div class="meta"><span>published <${Ago} ms=${m.timestamp_ms} /></span><span>${plural(m.attempts, 'attempt')}</span>${m.due_ms && html`<span>due at ${new Date(m.due_ms).toLocaleTimeString()}</span>`}<span>on ${m.node}</span>
      <span class="segments" role="group" aria-label="Form">${forms.map((f) => html`<button aria-pressed=${String(f === form)} onClick=${() => setForm(f)}>${f}</button>`)}</span></div>
    <pre tabindex="0" class=${form === 'Hex' ? 'hex' : ''}>${form === 'JSON' ? json : form === 'Text' ? m.body : hexDump(bytesOf(m))}</pre>${m.is_cut && html`<p class="dim">cut: the message is longer than what is shown</p>`}</div></details>`;
}

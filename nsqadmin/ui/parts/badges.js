import { html } from '../h.js';
import { Icon } from './icon.js';

/** A small word beside a name. `tone`: none, `warning`, `error`, `ok`, `accent`. */
export function Badge({ tone = '', icon, title, children }) {
  return html`<span class=${`badge ${tone}`} title=${title}>${icon && html`<${Icon} name=${icon} size="11" />`}${children}</span>`;
}

/** "Paused", or "paused on some nodes"; nothing when it is not. */
export function PausedBadge({ paused }) {
  if (paused === 'no' || !paused) return null;
  const partly = paused === 'some';
  return html`<${Badge} tone="warning" icon="pause" title=${partly ? 'paused on some of its nodes only' : undefined}>${partly ? 'partly paused' : 'paused'}<//>`;
}

/** The marks of a topic or channel, to stand after its name. */
export function Marks({ paused, is_ephemeral, children }) {
  const shown = (paused && paused !== 'no') || is_ephemeral || children;
  if (!shown) return null;
  return html`<span class="badges"><${PausedBadge} paused=${paused} />
    ${is_ephemeral && html`<${Badge} title="it vanishes with its last consumer, and its backlog is not kept on disk">ephemeral<//>`}${children}</span>`;
}

const SEVERITY = { error: 'Error', warning: 'Warning', info: 'Note' };

/** The sign of a severity, with its name for screen readers. */
export function SeverityIcon({ severity, size }) {
  return html`<${Icon} name=${severity} size=${size} label=${SEVERITY[severity]} class=${`is-${severity}`} />`;
}

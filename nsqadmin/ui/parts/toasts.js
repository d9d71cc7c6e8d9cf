import { html, useEffect } from '../h.js';
import { dispatch, useStore } from '../store.js';
import { Icon } from './icon.js';

/** Good news goes by itself; what went wrong stays until it is closed. */
const LIFE_MS = { ok: 9000, info: 9000 };
const ICONS = { ok: 'ok', info: 'info', warning: 'warning', error: 'error' };

/** The messages in the corner; a live region, so that screen readers say them. */
export function Toasts() {
  const toasts = useStore((s) => s.toasts);
  return html`<div class="toasts" role="log" aria-live="polite" aria-label="Messages">${toasts.map((toast) => html`<${Toast} key=${toast.id} ...${toast} />`)}</div>`;
}

function Toast({ id, tone, text, detail, action }) {
  const close = () => dispatch({ type: 'untoast', id });
  useEffect(() => {
    const life = LIFE_MS[tone];
    if (!life) return undefined;
    const timer = setTimeout(close, life);
    return () => clearTimeout(timer);
  }, []);
  const run = () => {
    close();
    action.run();
  };
  return html`<div class="toast"><${Icon} name=${ICONS[tone]} class=${`is-${tone}`} />
    <div class="toast-text">${text}${detail && html`<small>${detail}</small>`}</div>
    ${action && html`<button class="button tiny" onClick=${run}>${action.label}</button>`}
    <button class="button plain tiny" aria-label="Close message" onClick=${close}><${Icon} name="cross" size="12" /></button></div>`;
}

import { toast } from '../actions.js';
import { html } from '../h.js';
import { useStore } from '../store.js';
import { Icon } from './icon.js';

/** Why this reader may not act; `null` when they may. */
export function useReason() {
  return useStore((s) => {
    if (s.me) return s.me.is_admin ? null : s.me.reason ?? 'not allowed';
    return 'nsqadmin has not yet said what you may do';
  });
}

/**
 * A button for an action. For those who may not act it stays in its place, disabled, with the reason;
 * it can still be reached by keyboard, so that the reason can be read. `blocked` is a reason of its own.
 */
export function ActionButton({ icon, onClick, class: cls = '', blocked, label, children }) {
  const reason = useReason() ?? blocked;
  const press = () => (reason ? toast({ tone: 'info', text: 'This is not possible here', detail: reason }) : onClick());
  return html`<button class=${`button ${cls}`} aria-disabled=${reason ? 'true' : undefined} title=${reason ?? undefined} aria-label=${label} onClick=${press}>
    ${icon && html`<${Icon} name=${icon} size="14" />`}${children}</button>`;
}

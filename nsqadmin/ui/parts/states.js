import { html } from '../h.js';
import { Icon } from './icon.js';

/** What a page shows until its first document is here; it stays invisible if that takes under 150 ms. */
export function Skeleton() {
  const bone = (width, height) => html`<div class="bone" style=${{ width, height, marginBottom: '14px' }} />`;
  return html`<div class="skeleton" role="status"><span class="visually-hidden">Loading</span>
    ${bone('240px', '28px')}${bone('100%', '92px')}${bone('100%', '260px')}${bone('100%', '180px')}
  </div>`;
}

/** Nothing to show, why, and what to do about it. */
export function Empty({ icon = 'info', title, children }) {
  return html`<div class="empty"><${Icon} name=${icon} size="26" /><strong>${title}</strong>${children}</div>`;
}

import { html } from '../h.js';

/** The head of a page: where it is, its name, a line about it, its actions. `crumbs`: `[[label, path]]`. */
export function PageHead({ crumbs, title, marks, summary, children }) {
  return html`<div class="page-head"><div>
    ${crumbs && html`<nav class="crumbs" aria-label="Breadcrumb">${crumbs.map(([label, path]) => html`<a href=${path}>${label}</a><span aria-hidden="true">/</span>`)}</nav>`}
    <h1>${title}${marks}</h1>${summary && html`<p class="summary">${summary}</p>`}
  </div>${children && html`<div class="button-row">${children}</div>`}</div>`;
}

import { html } from '../h.js';
import { to } from '../router.js';
import { Empty } from '../parts/states.js';

/** A path that means nothing. */
export function UnknownPage() {
  return html`<div class="panel"><${Empty} title="There is no such page"><p>See <a class="link" href=${to.overview()}>the overview</a> or <a class="link" href=${to.topics()}>all topics</a>.</p><//></div>`;
}

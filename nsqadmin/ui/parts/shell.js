import { count, durationS, plural } from '../format.js';
import { html, useEffect } from '../h.js';
import { openDialog } from '../actions.js';
import { freshness } from '../reduce.js';
import { section, to } from '../router.js';
import { dispatch, useStore } from '../store.js';
import { open } from '../stream.js';
import { SeverityIcon } from './badges.js';
import { Icon } from './icon.js';

const NAV = [['overview', 'Overview', to.overview()], ['topics', 'Topics', to.topics()], ['nodes', 'Nodes', to.nodes()], ['lookup', 'Lookup', to.lookup()], ['counter', 'Counter', to.counter()]];

/** The bar at the top (on phones the navigation is at the bottom). */
export function Bar() {
  const here = useStore((s) => section(s.route));
  return html`<header class="bar"><div class="bar-inner">
    <a class="brand" href=${to.overview()} aria-label="nsqadmin, overview"><${Mark} />nsqadmin</a>
    <nav class="nav" aria-label="Main">${NAV.map(([name, label, path]) => html`<a href=${path} aria-current=${name === here ? 'page' : undefined}><${Icon} name=${name} size="18" />${label}</a>`)}</nav>
    <div class="bar-end">
      <${Sums} /><${LinkState} />
      <button class="jump" aria-label="Jump to a topic, node or page" onClick=${() => openDialog({ kind: 'palette' })}><${Icon} name="search" size="14" /><span>Jump to…</span><kbd>Ctrl K</kbd></button>
      <${ThemeButton} />
      <button class="button plain square help-button" aria-label="Keyboard help" title="Keyboard help (?)" onClick=${() => openDialog({ kind: 'help' })}><${Icon} name="help" /></button>
    </div>
  </div></header>`;
}

function Mark() {
  return html`<svg width="20" height="20" viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M2 5h6l4 5h6M2 15h6l4-5" /></svg>`;
}

function Sums() {
  const sums = useStore((s) => s.head?.findings);
  if (!sums || (!sums.error && !sums.warning)) return null;
  const words = [sums.error && plural(sums.error, 'error'), sums.warning && plural(sums.warning, 'warning')].filter(Boolean).join(', ');
  return html`<a class="sums" href=${to.overview()} title=${words} aria-label=${`${words}: see the overview`}>
    ${sums.error > 0 && html`<span class="is-error"><${SeverityIcon} severity="error" size="14" />${count(sums.error)}</span>`}
    ${sums.warning > 0 && html`<span class="is-warning"><${SeverityIcon} severity="warning" size="14" />${count(sums.warning)}</span>`}</a>`;
}

function LinkState() {
  const kind = useStore((s) => freshness(s).kind);
  const words = { live: 'Live', connecting: 'Connecting', stale: 'No news' }[kind];
  return html`<span class="link-state" title=${kind === 'live' ? 'what you see is up to date' : undefined}><span class=${`dot ${kind}`} /><span class="words">${words}</span></span>`;
}

const THEMES = { auto: ['light', 'auto', 'as the system'], light: ['dark', 'sun', 'light'], dark: ['auto', 'moon', 'dark'] };

function ThemeButton() {
  const theme = useStore((s) => s.theme);
  const [next, icon, words] = THEMES[theme];
  return html`<button class="button plain square" aria-label=${`Theme: ${words}`} title=${`Theme: ${words}`} onClick=${() => setTheme(next)}><${Icon} name=${icon} /></button>`;
}

/** Sets the theme and remembers it: `auto`, `light` or `dark`. */
export function setTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem('nsqadmin.theme', theme);
  } catch {
    // Storage may be forbidden; the theme then lasts as long as the page.
  }
  dispatch({ type: 'theme', theme });
}

/** What the reader must know before believing any figure: a lost connection, nodes whose share is missing. */
export function Banners() {
  const fresh = useStore((s) => {
    const f = freshness(s);
    return f.kind === 'stale' ? Math.floor(f.age_ms / 1000) : null;
  });
  const ever = useStore((s) => s.link.last_ms !== null);
  const warnings = useStore((s) => s.head?.warnings);
  const meError = useStore((s) => s.meError);
  useEffect(() => { document.body.classList.toggle('is-stale', fresh !== null); }, [fresh]);
  return html`<div role="status">
    ${fresh !== null && html`<div class="banner error"><${Icon} name="error" /><div><strong>No connection to nsqadmin${ever ? ` for ${durationS(fresh)}` : ''}.</strong> ${ever ? 'The figures below are from before that. ' : ''}It is being tried again.</div>
      <button class="button tiny" onClick=${open}>Try now</button></div>`}
    ${meError && fresh === null && html`<div class="banner warning"><${Icon} name="warning" /><div>${meError}: actions are disabled.</div></div>`}
    ${warnings?.slice(0, 3).map((text) => html`<${Warning} key=${text} text=${text} />`)}
    ${warnings?.length > 3 && html`<div class="banner warning"><${Icon} name="warning" /><div>and ${warnings.length - 3} more: see <a class="link" href=${to.nodes()}>nodes</a></div></div>`}
  </div>`;
}

// A warning begins with the node's address, which is linked to its page.
function Warning({ text }) {
  const node = /^\S+:\d+(?= \()/.exec(text)?.[0];
  return html`<div class="banner warning"><${Icon} name="warning" /><div>${node ? html`<a class="link" href=${to.node(node)}>${node}</a>${text.slice(node.length)}` : text}</div></div>`;
}

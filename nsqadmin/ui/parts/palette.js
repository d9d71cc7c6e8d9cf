import { get } from '../api.js';
import { html, useEffect, useMemo, useRef, useState } from '../h.js';
import { go } from '../navigate.js';
import { to } from '../router.js';
import { Dialog, closeDialog } from './dialog.js';
import { Icon } from './icon.js';

const PAGES = [['Overview', to.overview()], ['Topics', to.topics()], ['Nodes', to.nodes()], ['Lookup', to.lookup()], ['Counter', to.counter()]].map(([name, path]) => ({ name, path, kind: 'page', icon: path === './' ? 'overview' : path }));
const SHOWN = 40;

/** Targets whose names hold every word, those that begin with the text first. Pure. */
export function found(targets, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = targets.filter((t) => words.every((w) => t.name.toLowerCase().includes(w)));
  const first = (t) => (words.length && t.name.toLowerCase().startsWith(words[0]) ? 0 : 1);
  return hits.map((t, i) => [first(t), i, t]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).slice(0, SHOWN).map(([, , t]) => t);
}

/** Jump to any page by typing a part of its name. */
export function Palette() {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const [known, setKnown] = useState({ targets: PAGES, error: null });
  const listBox = useRef(null);
  useEffect(() => {
    Promise.all([get('topics'), get('nodes')]).then(([{ topics }, { nodes }]) => setKnown({
      error: null,
      targets: [...PAGES, ...(topics ?? []).map((name) => ({ name, path: to.topic(name), kind: 'topic', icon: 'topics' })),
        ...(nodes ?? []).map((n) => ({ name: `${n.hostname} ${n.broadcast_address}:${n.http_port}`, path: to.node(`${n.broadcast_address.includes(':') ? `[${n.broadcast_address}]` : n.broadcast_address}:${n.http_port}`), kind: 'node', icon: 'nodes' }))],
    })).catch((error) => setKnown({ targets: PAGES, error: error.message }));
  }, []);
  const hits = useMemo(() => found(known.targets, text), [known, text]);
  const index = Math.min(at, hits.length - 1);
  useEffect(() => listBox.current?.children[index]?.scrollIntoView({ block: 'nearest' }), [index]);
  const pick = (hit) => {
    if (!hit) return;
    closeDialog();
    go(hit.path);
  };
  const keyed = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    setAt(Math.max(0, Math.min(hits.length - 1, index + step)));
  };
  return html`<${Dialog} title="Jump to" bare onSubmit=${() => pick(hits[index])}>
    <div class="palette-input"><${Icon} name="search" /><input autofocus role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant=${hits.length ? `hit-${index}` : undefined}
      aria-label="Jump to a topic, node or page" placeholder="Topic, node or page" autocomplete="off" spellcheck="false" value=${text}
      onInput=${(e) => { setText(e.target.value); setAt(0); }} onKeyDown=${keyed} /></div>
    <ul class="palette-list" id="palette-list" role="listbox" aria-label="Targets" ref=${listBox}>${hits.map((hit, i) => html`<li id=${`hit-${i}`} role="option" aria-selected=${String(i === index)} onClick=${() => pick(hit)} onPointerMove=${() => setAt(i)}>
      <${Icon} name=${hit.icon} />${hit.name}<span class="kind">${hit.kind}</span></li>`)}
      ${hits.length === 0 && html`<li role="option" aria-selected="false" class="dim">nothing has that name</li>`}</ul>
    ${known.error && html`<p class="panel-note is-warning">${known.error}: only pages are listed</p>`}<//>`;
}

import { integer, plural } from '../format.js';
import { html, useMemo, useRef, useState } from '../h.js';
import { setQuery } from '../navigate.js';
import { FILTERS, matching, sorted } from '../sort.js';
import { useStore } from '../store.js';
import { Icon } from '../parts/icon.js';
import { PageHead } from '../parts/page-head.js';
import { Empty, Skeleton } from '../parts/states.js';
import { nextSort, useHold } from '../parts/table.js';
import { COLUMNS, TopicsTable } from './topics-table.js';

/** The settings of the list as the address holds them. */
function settings(query) {
  const q = new URLSearchParams(query);
  const key = COLUMNS.some((c) => c.key === q.get('sort')) ? q.get('sort') : 'depth';
  return { text: q.get('q') ?? '', filters: (q.get('filter') ?? '').split(',').filter((name) => name in FILTERS), sort: { key, down: q.has('sort') ? q.get('down') === '1' : true } };
}

function queryOf({ text, filters, sort }) {
  const q = new URLSearchParams();
  if (text) q.set('q', text);
  if (filters.length) q.set('filter', filters.join(','));
  if (sort.key !== 'depth' || !sort.down) {
    q.set('sort', sort.key);
    if (sort.down) q.set('down', '1');
  }
  return q.toString();
}

/** All topics, searched, filtered and sorted. */
export function TopicsPage() {
  const doc = useStore((s) => s.doc);
  const [view, setView] = useState(() => settings(location.search));
  const hold = useHold();
  const saved = useRef(null);
  const change = (part) => {
    const next = { ...view, ...part };
    hold.release();
    setView(next);
    // Browsers refuse many changes of the address in a row; typing is one change.
    clearTimeout(saved.current);
    saved.current = setTimeout(() => setQuery(queryOf(next)), 200);
  };
  const rows = doc?.topics;
  const sums = useMemo(() => rows && Object.fromEntries(Object.entries(FILTERS).map(([name, f]) => [name, rows.filter(f.test).length])), [rows]);
  const shown = useMemo(() => {
    if (!rows) return [];
    const by = COLUMNS.find((c) => c.key === view.sort.key).by;
    return sorted(matching(rows, view.text, view.filters), by, view.sort.down);
  }, [rows, view]);
  if (!rows) return html`<${Skeleton} />`;
  if (rows.length === 0) return html`<${PageHead} title="Topics" /><div class="panel"><${NoTopics} /></div>`;
  const toggle = (name) => change({ filters: view.filters.includes(name) ? view.filters.filter((f) => f !== name) : [...view.filters, name] });
  const is_all = shown.length === rows.length;
  return html`<${PageHead} title="Topics" summary=${html`<span role="status">${is_all ? plural(rows.length, 'topic') : `${integer(shown.length)} of ${plural(rows.length, 'topic')}`}</span>`} />
    <div class="toolbar" role="search"><label class="search"><span class="visually-hidden">Search topics</span><${Icon} name="search" /><input class="input" type="search" placeholder="Search topics" autocomplete="off" spellcheck="false" value=${view.text} onInput=${(e) => change({ text: e.target.value })} />${!view.text && html`<kbd>/</kbd>`}</label>
      <div class="chips" role="group" aria-label="Filters">${Object.entries(FILTERS).map(([name, f]) => html`<button class="chip" aria-pressed=${String(view.filters.includes(name))} onClick=${() => toggle(name)}>${f.label}<b>${integer(sums[name])}</b></button>`)}</div></div>
    <div class="panel">${shown.length ? html`<${TopicsTable} rows=${hold.settle(shown, (row) => row.name)} handlers=${hold.handlers} sort=${view.sort} onSort=${(column) => change({ sort: nextSort(view.sort, column) })} />`
      : html`<${Empty} icon="search" title="No topic fits"><p>${view.text && html`No name holds “${view.text}”. `}</p><button class="button" onClick=${() => change({ text: '', filters: [] })}>Show all ${integer(rows.length)}</button><//>`}</div>`;
}

/** What to do when there is no topic at all. */
export function NoTopics() {
  return html`<${Empty} icon="topics" title="No topics yet"><p>A topic is made by the first message published to it:</p><pre>curl -d 'hello' 'http://127.0.0.1:4151/pub?topic=test'</pre><//>`;
}

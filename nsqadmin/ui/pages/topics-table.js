import { count, durationNs, integer, list, plural } from '../format.js';
import { html, useLayoutEffect, useRef, useState } from '../h.js';
import { openRow } from '../navigate.js';
import { to } from '../router.js';
import { windowOf } from '../sort.js';
import { Badge, Marks, SeverityIcon } from '../parts/badges.js';
import { columns as shared } from '../parts/cells.js';
import { Sparkline } from '../parts/sparkline.js';
import { useSparklines } from '../parts/sparklines.js';
import { Cell, HeadCell } from '../parts/table.js';

/** Rows drawn above and below the screen. */
const EXTRA_ROWS = 8;

/** The columns of the list; all sort. */
export const COLUMNS = [
  { key: 'name', label: 'Topic', cls: 'name', by: (r) => r.name },
  { ...shared.depth, cls: 'depth-cell' },
  { key: 'trend', label: 'Last 10 min', cls: 'spark-cell medium', title: 'depth; sorts by how fast it grows', num: true, by: (r) => r.depth_rate },
  shared.in_rate,
  shared.out_rate,
  { ...shared.in_flight, cls: 'wide' },
  { ...shared.deferred, cls: 'wide' },
  { ...shared.requeue_rate, label: 'Requeued /s', cls: 'wide' },
  { ...shared.timeout_rate, label: 'Timed out /s', cls: 'wide' },
  { key: 'latency', label: 'Latency', num: true, cls: 'wide', title: 'worst channel, from publish to finish', by: (r) => r.latency_ns, cell: (r) => html`<${Cell} value=${r.latency_ns} text=${durationNs(r.latency_ns)} />` },
  { key: 'channels', label: 'Channels', num: true, cls: 'medium', by: (r) => r.channels, cell: (r) => html`<${Cell} value=${r.channels} text=${count(r.channels)} />` },
  { key: 'consumers', label: 'Consumers', num: true, cls: 'medium', by: (r) => r.consumers, cell: (r) => html`<${Cell} value=${r.consumers} text=${count(r.consumers)} />` },
];

/** A long table of which only the rows on the screen exist in the document. */
export function TopicsTable({ rows, handlers, sort, onSort }) {
  const body = useRef(null);
  const { first, last, height } = useWindow(body, rows.length);
  const shown = rows.slice(first, last);
  const sparks = useSparklines(shown.map((row) => row.name), 'depth');
  const spacer = (n, key) => n > 0 && html`<tr key=${key} aria-hidden="true"><td colspan=${COLUMNS.length} style=${{ height: `${n * height}px`, padding: 0, border: 0 }} /></tr>`;
  return html`<table class="table sticky live-part" aria-rowcount=${rows.length + 1}><caption class="visually-hidden">Topics</caption>
    <thead><tr>${COLUMNS.map((column) => html`<${HeadCell} key=${column.key} column=${column} sort=${sort} onSort=${onSort} />`)}</tr></thead>
    <tbody ref=${body} ...${handlers}>${spacer(first, 'above')}
      ${shown.map((row, i) => html`<${Row} key=${row.name} row=${row} index=${first + i + 2} spark=${sparks.get(row.name)} />`)}
      ${spacer(rows.length - last, 'below')}</tbody></table>`;
}

function Row({ row, index, spark }) {
  return html`<tr class="row" aria-rowindex=${index} onClick=${(event) => openRow(event, to.topic(row.name))}>${COLUMNS.map((column) => {
    if (column.key === 'name') return html`<td key="name" class="name"><${Name} row=${row} /></td>`;
    if (column.key === 'trend') return html`<td key="trend" class=${column.cls}><${Sparkline} values=${spark ?? []} color="depth" /></td>`;
    return html`<td key=${column.key} class=${`${column.num ? 'num' : ''} ${column.cls ?? ''}`}>${column.cell(row)}</td>`;
  })}</tr>`;
}

function Name({ row }) {
  const lonely = row.no_consumers;
  return html`<a data-row href=${to.topic(row.name)} title=${row.name}>${row.name}</a>
    <${Marks} paused=${row.paused} is_ephemeral=${row.is_ephemeral}>${lonely.length > 0 && html`<${Badge} tone="error" title=${`messages wait in ${list(lonely)}, and nobody consumes`}>no consumers<//>`}
      ${row.worst && lonely.length === 0 && html`<${SeverityIcon} severity=${row.worst} size="14" />`}<//>
    <span class="sub">${plural(row.channels, 'channel')}, ${plural(row.consumers, 'consumer')}${row.in_flight ? `, ${integer(row.in_flight)} in flight` : ''}</span>`;
}

// Which rows the window shows. The page scrolls as a whole; all rows have the same height.
function useWindow(body, length) {
  const [view, setView] = useState({ first: 0, last: 60, height: 38 });
  useLayoutEffect(() => {
    let frame = 0;
    const measure = () => {
      frame = 0;
      if (!body.current) return;
      const height = body.current.querySelector('tr.row')?.getBoundingClientRect().height || 38;
      const top = -body.current.getBoundingClientRect().top;
      const next = windowOf(length, height, top, top + innerHeight, EXTRA_ROWS);
      setView((old) => (old.first === next.first && old.last === next.last && old.height === height ? old : { ...next, height }));
    };
    const later = () => { frame ||= requestAnimationFrame(measure); };
    measure();
    addEventListener('scroll', later, { passive: true });
    addEventListener('resize', later);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', later);
      removeEventListener('resize', later);
    };
  }, [length]);
  return { ...view, first: Math.min(view.first, length), last: Math.min(view.last, length) };
}

import { html, useRef, useState } from '../h.js';
import { held, sorted } from '../sort.js';
import { Icon } from './icon.js';
import { openRow } from '../navigate.js';

/** The head cell of a column; a button where the column can be sorted. */
export function HeadCell({ column, sort, onSort }) {
  const is_on = sort.key === column.key;
  const cls = `${column.num ? 'num' : ''} ${column.cls ?? ''}`;
  if (!column.by) return html`<th class=${cls} scope="col" title=${column.title}>${column.label}</th>`;
  return html`<th class=${cls} scope="col" aria-sort=${is_on ? (sort.down ? 'descending' : 'ascending') : undefined}>
    <button class="sort" title=${column.title} onClick=${() => onSort(column)}>${column.label}
      <svg class="arrow" viewBox="0 0 8 8" width="8" height="8" aria-hidden="true"><path d=${is_on && !sort.down ? 'M4 1l3.5 6h-7z' : 'M4 7L.5 1h7z'} fill="currentColor" /></svg>
    </button></th>`;
}

/** The next sort after a click on a column: numbers begin with the largest, names with A. */
export function nextSort(sort, column) {
  if (sort.key === column.key) return { key: column.key, down: !sort.down };
  return { key: column.key, down: Boolean(column.num) };
}

/** Handlers that tell whether the mouse is over the rows: the order then holds still. */
export function useHold() {
  const hold = useRef(null);
  const handlers = {
    onPointerMove: (event) => { if (event.pointerType === 'mouse') hold.current ??= []; },
    onPointerLeave: () => { hold.current = null; },
  };
  /** `rows` in the order held, or as they are; `name` identifies a row. */
  const settle = (rows, name) => {
    if (hold.current === null) return rows;
    const named = rows.map((row) => ({ name: name(row), row }));
    const result = hold.current.length === 0 ? named : held(named, hold.current);
    hold.current = result.map((item) => item.name);
    return result.map((item) => item.row);
  };
  return { handlers, settle, release: () => { if (hold.current) hold.current = []; } };
}

/**
 * A table that sorts by any column.
 *
 * `columns`: `{ key, label, title, num, cls, by(row), cell(row), total }`; without `by` it does not sort.
 * `name(row)` identifies a row; `rowClass(row)` its class; `href(row)` makes the whole row open that page.
 */
export function Table({ caption, columns, rows, name = (row) => row.name, href, rowClass, first, total = false }) {
  const [sort, setSort] = useState(first ?? { key: columns[0].key, down: Boolean(columns[0].num) });
  const { handlers, settle, release } = useHold();
  const by = columns.find((column) => column.key === sort.key)?.by ?? name;
  const shown = settle(sorted(rows, by, sort.down, name), name);
  const onSort = (column) => {
    release();
    setSort(nextSort(sort, column));
  };
  const cls = (column) => `${column.num ? 'num' : ''} ${column.cls ?? ''}`;
  return html`<div class="scroll live-part" tabindex="0" role="region" aria-label=${caption}><table class="table">
    <caption class="visually-hidden">${caption}</caption>
    <thead><tr>${columns.map((column) => html`<${HeadCell} key=${column.key} column=${column} sort=${sort} onSort=${onSort} />`)}</tr></thead>
    <tbody ...${handlers}>${shown.map((row) => html`<tr key=${name(row)} class=${`${href ? 'row' : ''} ${rowClass?.(row) ?? ''}`} onClick=${href && ((event) => openRow(event, href(row)))}>
      ${columns.map((column) => html`<td key=${column.key} class=${cls(column)}>${column.cell(row)}</td>`)}</tr>`)}
      ${total && rows.length > 1 && html`<tr key="(total)" class="total">${columns.map((column) => html`<td key=${column.key} class=${cls(column)}>${column.total ?? ''}</td>`)}</tr>`}
    </tbody></table></div>`;
}

/** A number in a cell, dim when it is zero. */
export function Cell({ value, text, title }) {
  return html`<span class=${value ? '' : 'zero'} title=${title}>${text}</span>`;
}

/** The remark "more" beside a head: opens something. */
export function Chevron() {
  return html`<${Icon} name="right" size="13" class="chevron" />`;
}

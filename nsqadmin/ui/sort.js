// Which rows, in which order. Pure, and quick enough for 10,000 rows at each key press.

/** The filters of the topics page, by name. */
export const FILTERS = {
  backlog: { label: 'With backlog', test: (row) => row.depth > 0 },
  unconsumed: { label: 'No consumers', test: (row) => row.no_consumers.length > 0 || (row.channels > 0 && row.consumers === 0) },
  paused: { label: 'Paused', test: (row) => row.paused !== 'no' },
  ephemeral: { label: 'Ephemeral', test: (row) => row.is_ephemeral },
};

/** Rows whose name holds every word of `text` (any case) and that pass every filter named. */
export function matching(rows, text, filters) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const tests = filters.map((name) => FILTERS[name]?.test).filter(Boolean);
  if (words.length === 0 && tests.length === 0) return rows;
  return rows.filter((row) => {
    const name = row.name.toLowerCase();
    return words.every((word) => name.includes(word)) && tests.every((test) => test(row));
  });
}

const PAUSED = { no: 0, some: 1, all: 2 };

/** Compares two values of a column: numbers, texts, booleans and `paused`. */
export function compare(a, b) {
  if (typeof a === 'string' && typeof b === 'string') {
    if (a in PAUSED && b in PAUSED) return PAUSED[a] - PAUSED[b];
    return a < b ? -1 : a > b ? 1 : 0;
  }
  return Number(a) - Number(b);
}

/**
 * A sorted copy. `by` gives a row's value (`null` always goes last), `is_down` the direction.
 * Rows with equal values stand in the order of `tie`, so that they do not jump about from poll to poll.
 */
export function sorted(rows, by, is_down, tie = (row) => row.name ?? '') {
  const keyed = rows.map((row) => ({ row, value: by(row), tie: tie(row) }));
  keyed.sort((a, b) => {
    const aNull = a.value === null || a.value === undefined;
    const bNull = b.value === null || b.value === undefined;
    if (aNull !== bNull) return aNull ? 1 : -1;
    const order = aNull ? 0 : compare(a.value, b.value);
    if (order !== 0) return is_down ? -order : order;
    return a.tie < b.tie ? -1 : a.tie > b.tie ? 1 : 0;
  });
  return keyed.map((item) => item.row);
}

/**
 * The new rows in the order the old ones had; rows that are new go to the end.
 * Used while the pointer is over a table: a row must not slip away under it.
 */
export function held(rows, order) {
  const place = new Map(order.map((name, index) => [name, index]));
  const rank = (row) => place.get(row.name) ?? Infinity;
  return [...rows].sort((a, b) => {
    const ra = rank(a);
    const rb = rank(b);
    return ra === rb ? 0 : ra - rb;
  });
}

/** The part of `count` rows of `height` px that a view from `top` to `bottom` px needs, with `extra` rows around it. */
export function windowOf(count, height, top, bottom, extra) {
  const first = Math.max(0, Math.min(count, Math.floor(top / height) - extra));
  const last = Math.max(first, Math.min(count, Math.ceil(bottom / height) + extra));
  return { first, last };
}

// Numbers as people read them. Pure: no clock, no locale, no DOM.

/** What stands where a number is not known. */
export const UNKNOWN = '–';

const known = (n) => typeof n === 'number' && Number.isFinite(n);

/** A whole number with thousands separators: 1234567 is `1,234,567`. */
export function integer(n) {
  if (!known(n)) return UNKNOWN;
  const text = String(Math.abs(Math.round(n))).replace(/\B(?=(\d{3})+$)/g, ',');
  return n <= -0.5 ? `−${text}` : text;
}

/** Three significant digits and a magnitude: 1234 is `1.23k`, 5400000 is `5.4M`. Below 1000 it is the number itself. */
export function compact(n) {
  if (!known(n)) return UNKNOWN;
  const sign = n < 0 ? '−' : '';
  let rest = Math.abs(n);
  let step = 0;
  // 999.5k would round to 1000k: the check is on what will be shown.
  while (step < SUFFIXES.length - 1 && Number(rest.toPrecision(3)) >= 1000) {
    rest /= 1000;
    step += 1;
  }
  return sign + Number(rest.toPrecision(3)) + SUFFIXES[step];
}
const SUFFIXES = ['', 'k', 'M', 'G', 'T', 'P'];

/** A count for a narrow column: all digits up to ten million, a magnitude beyond. */
export function count(n) {
  return known(n) && Math.abs(n) >= 1e7 ? compact(n) : integer(n);
}

/** A rate per second without its unit: `0`, `0.05`, `7.5`, `120`, `1.2k`. */
export function rateNumber(perSecond) {
  if (!known(perSecond)) return UNKNOWN;
  const size = Math.abs(perSecond);
  const sign = perSecond < 0 ? '−' : '';
  if (size < 0.005) return size === 0 ? '0' : `${sign}<0.01`;
  if (size < 0.095) return sign + size.toFixed(2);
  if (size < 99.95) return sign + trimZero(size.toFixed(1));
  if (size < 999.5) return sign + size.toFixed(0);
  const [value, suffix] = magnitude(size);
  return `${sign}${trimZero(value.toFixed(1))}${suffix}`;
}

/** A rate per second: `1.2k/s`. */
export function rate(perSecond) {
  return known(perSecond) ? `${rateNumber(perSecond)}/s` : UNKNOWN;
}

function magnitude(size) {
  let step = 0;
  while (step < SUFFIXES.length - 1 && Math.round(size * 10) / 10 >= 999.5) {
    size /= 1000;
    step += 1;
  }
  return [size, SUFFIXES[step]];
}

const trimZero = (text) => text.replace(/\.0+$/, '');

/**
 * A duration given in nanoseconds. Two units at most, and no unit ever overflows:
 * 120.76 s is `2m 0.8s`, 59.97 s is `1m`.
 */
export function durationNs(ns) {
  if (!known(ns)) return UNKNOWN;
  if (ns < 0) return `−${durationNs(-ns)}`;
  if (ns === 0) return '0s';
  if (ns < 999.5) return `${Math.round(ns)}ns`;
  for (const [unit, size] of [['µs', 1e3], ['ms', 1e6], ['s', 1e9]]) {
    const value = Number((ns / size).toPrecision(3));
    if (value < (unit === 's' ? 60 : 1000)) return `${value}${unit}`;
  }
  const tenths = Math.round(ns / 1e8);
  if (tenths < 36000) return pair(Math.floor(tenths / 600), 'm', (tenths % 600) / 10, 's');
  return durationS(ns / 1e9);
}

/** A duration given in seconds, for uptimes and ages: `41s`, `12m`, `3h 20m`, `41d 2h`. */
export function durationS(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return pair(Math.floor(s / 60), 'm', s < 600 ? s % 60 : 0, 's');
  const minutes = Math.round(s / 60);
  if (minutes < 1440) return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'm');
  const hours = Math.round(s / 3600);
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

const pair = (big, bigUnit, small, smallUnit) => (small ? `${big}${bigUnit} ${small}${smallUnit}` : `${big}${bigUnit}`);

/** Bytes in binary units: 31457280 is `30 MiB`. */
export function bytes(n) {
  if (!known(n)) return UNKNOWN;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let step = 0;
  while (step < units.length - 1 && Number(n.toPrecision(3)) >= 1024) {
    n /= 1024;
    step += 1;
  }
  return `${step === 0 ? Math.round(n) : Number(n.toPrecision(n >= 1000 ? 4 : 3))} ${units[step]}`;
}

/** How long ago, in one unit: `now`, `12s ago`, `5m ago`, `3h ago`, `2d ago`. */
export function ago(thenMs, nowMs) {
  if (!known(thenMs) || !known(nowMs)) return UNKNOWN;
  const text = age(thenMs, nowMs);
  return text === 'now' ? text : `${text} ago`;
}

/** The same without "ago": the time something has lasted. */
export function age(thenMs, nowMs) {
  const s = Math.round((nowMs - thenMs) / 1000);
  if (s < 2) return 'now';
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)}h`;
  return `${Math.floor(s / 86400)}d`;
}

const two = (n) => String(n).padStart(2, '0');

/** Local date and time with its offset: `2026-11-21 09:30:05 +01:00`. */
export function absolute(ms) {
  if (!known(ms)) return UNKNOWN;
  const d = new Date(ms);
  const offset = -d.getTimezoneOffset();
  const sign = offset < 0 ? '-' : '+';
  const zone = `${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(ms, true)} ${zone}`;
}

/** Local time of day: `09:30`, with seconds `09:30:05`. */
export function clock(ms, withSeconds = false) {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}${withSeconds ? `:${two(d.getSeconds())}` : ''}`;
}

/** A number and its noun: `1 node`, `3 nodes`. */
export function plural(n, one, many = `${one}s`) {
  return `${integer(n)} ${n === 1 ? one : many}`;
}

/** Names in a sentence: `a`, `a and b`, `a, b and 3 more`. */
export function list(names, shown = 3) {
  if (names.length <= 1) return names[0] ?? '';
  if (names.length <= shown) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  return `${names.slice(0, shown - 1).join(', ')} and ${names.length - shown + 1} more`;
}

/** A quantile as people call it: 0.99 is `p99`, 0.999 is `p99.9`. */
export function quantile(q) {
  return `p${Number((q * 100).toPrecision(6))}`;
}

import { absolute, age, ago } from '../format.js';
import { html } from '../h.js';
import { serverNow } from '../reduce.js';
import { useStore } from '../store.js';

/** A relative time that keeps up; the absolute one is in its tooltip. `plain` leaves out the "ago". */
export function Ago({ ms, plain = false }) {
  const text = useStore((s) => (plain ? age : ago)(ms, serverNow(s)));
  if (ms === null || ms === undefined) return '–';
  return html`<time datetime=${new Date(ms).toISOString()} title=${absolute(ms)}>${text}</time>`;
}

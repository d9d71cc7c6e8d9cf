import { integer, rate } from '../format.js';
import { html, useEffect, useRef } from '../h.js';
import { counted } from '../judge.js';
import { useStore } from '../store.js';
import { useHistory } from '../parts/history.js';
import { Sparkline } from '../parts/sparkline.js';
import { Skeleton } from '../parts/states.js';

/** The number runs toward the truth with this time constant. */
const CATCH_UP_S = 1.5;

/** For the wall: how many messages went through, running. */
export function CounterPage() {
  const doc = useStore((s) => s.doc);
  const base = useRef(null);
  const { data } = useHistory('', 3600);
  if (!doc) return html`<${Skeleton} />`;
  if (base.current?.doc !== doc) base.current = { doc, ...counted(base.current, doc.messages) };
  return html`<div class="counter"><h1 class="visually-hidden">Counter</h1>
    <${Running} shown=${base.current.shown} perSecond=${doc.rate} />
    <p class="what">messages published, each counted once</p><p class="rate">${rate(doc.rate)}</p>
    ${data && html`<${Sparkline} values=${data.series.in_rate ?? []} />`}</div>`;
}

// Written by hand sixty times a second: the framework need not know. The number never runs backward.
function Running({ shown, perSecond }) {
  const box = useRef(null);
  const state = useRef({ value: shown });
  state.current.target = shown;
  state.current.rate = perSecond;
  state.current.at = performance.now();
  useEffect(() => {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    let frame = 0;
    let last = performance.now();
    const draw = (now) => {
      const s = state.current;
      const truth = s.target + (s.rate * (now - s.at)) / 1000;
      const next = still ? s.target : s.value + (truth - s.value) * Math.min(1, (now - last) / 1000 / CATCH_UP_S) + (s.rate * (now - last)) / 1000 * (1 - Math.min(1, (now - last) / 1000 / CATCH_UP_S));
      s.value = Math.max(s.value, next);
      last = now;
      const text = integer(Math.floor(s.value));
      if (box.current && box.current.textContent !== text) box.current.textContent = text;
      frame = requestAnimationFrame(draw);
    };
    frame = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(frame);
  }, []);
  return html`<div class="number" ref=${box} aria-hidden="true" /><p class="visually-hidden">${integer(shown)} messages</p>`;
}

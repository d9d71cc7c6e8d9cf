import { html } from '../h.js';

const WIDTH = 100;
const HEIGHT = 24;

/**
 * The path of a line through `values` (`null` makes a gap) in a box of 100 × 24, and the closed area under it.
 * The floor is zero, so that a large steady value does not look like noise.
 */
export function paths(values) {
  const max = values.reduce((m, v) => (v > m ? v : m), 0) || 1;
  const step = WIDTH / Math.max(1, values.length - 1);
  const runs = [];
  let run = null;
  values.forEach((value, index) => {
    if (value === null || value === undefined) {
      run = null;
      return;
    }
    if (!run) runs.push((run = []));
    run.push([Math.round(index * step * 10) / 10, Math.round((HEIGHT - 1 - (value / max) * (HEIGHT - 3)) * 10) / 10]);
  });
  const line = runs.map((points) => points.map(([x, y], i) => `${i ? 'L' : 'M'}${x} ${y}`).join('')).join('');
  const area = runs.map((points) => `M${points[0][0]} ${HEIGHT}${points.map(([x, y]) => `L${x} ${y}`).join('')}L${points.at(-1)[0]} ${HEIGHT}Z`).join('');
  return { line, area };
}

/** A tiny chart without axes, in the present text colour or `color` (a custom property's name). */
export function Sparkline({ values, color }) {
  const known = values?.some((v) => v !== null);
  const { line, area } = known ? paths(values) : { line: '', area: '' };
  return html`<svg class="spark" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true" style=${color ? { color: `var(--${color})` } : undefined}>
    <path class="area" d=${area} /><path class="line" d=${line} />
  </svg>`;
}

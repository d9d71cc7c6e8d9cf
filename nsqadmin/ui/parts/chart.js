import { clock } from '../format.js';
import { html, useEffect, useRef, useState } from '../h.js';
import { useStore } from '../store.js';
import uPlot from '../vendor/uplot.js';

const HEIGHT = 168;

/**
 * Lines over time with a legend that follows the pointer.
 *
 * `lines`: `{ label, values, color, fill, dashed }`; `color` names a custom property. `times`: unix seconds.
 * `format` writes a value. Charts on one page share the pointer's position.
 */
export function Chart({ title, times, lines, format }) {
  const box = useRef(null);
  const plot = useRef(null);
  const [index, setIndex] = useState(null);
  const theme = useColors();
  const has_data = lines.some((line) => line.values.some((v) => v !== null));
  const shape = lines.map((line) => line.label).join();

  useEffect(() => {
    if (!has_data) return undefined;
    const u = new uPlot(options(box.current, lines, format, setIndex), [times, ...lines.map((line) => line.values)], box.current);
    plot.current = u;
    const observer = new ResizeObserver(() => u.setSize({ width: box.current.clientWidth, height: HEIGHT }));
    observer.observe(box.current);
    return () => {
      observer.disconnect();
      u.destroy();
      plot.current = null;
    };
  }, [shape, theme, has_data]);
  useEffect(() => plot.current?.setData([times, ...lines.map((line) => line.values)]), [times, lines]);

  const at = index ?? times.length - 1;
  return html`<figure class="chart">
    <figcaption><strong>${title}</strong>${index !== null && html`<span class="dim">${clock(times[at] * 1000, true)}</span>`}
      <span class="legend">${lines.map((line) => html`<span style=${{ color: `var(--${line.color})` }}><i class=${line.dashed ? 'dashed' : ''} /><span class="second">${line.label}</span> <b>${format(lastKnown(line.values, at, index === null))}</b></span>`)}</span>
    </figcaption>
    ${has_data ? html`<div class="plot" ref=${box} role="img" aria-label=${describe(title, lines, format)} />` : html`<div class="none">nothing recorded yet</div>`}
  </figure>`;
}

// Without a pointer the legend shows the newest value that is known.
function lastKnown(values, at, back) {
  let i = at;
  while (back && i > 0 && values[i] === null) i -= 1;
  return values[i] ?? null;
}

function describe(title, lines, format) {
  const parts = lines.map((line) => {
    const known = line.values.filter((v) => v !== null);
    return `${line.label}: now ${format(known.at(-1))}, highest ${format(Math.max(...known))}, lowest ${format(Math.min(...known))}`;
  });
  return `${title} over time. ${parts.join('. ')}.`;
}

// A canvas does not know custom properties: a chart is drawn anew when the theme changes.
function useColors() {
  const chosen = useStore((s) => s.theme);
  const [system, setSystem] = useState(0);
  useEffect(() => {
    const media = matchMedia('(prefers-color-scheme: dark)');
    const change = () => setSystem((n) => n + 1);
    media.addEventListener('change', change);
    return () => media.removeEventListener('change', change);
  }, []);
  return `${chosen} ${system}`;
}

function options(box, lines, format, setIndex) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const font = `11px ${color('sans')}`;
  return {
    width: box.clientWidth, height: HEIGHT, padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'page' }, points: { size: 7 } },
    scales: { y: { range: (u, low, high) => [0, high > 0 ? high * 1.12 : 1] } },
    axes: [
      { stroke: color('text-3'), font, size: 26, gap: 6, space: 64, grid: { show: false }, ticks: { show: false }, values: (u, splits) => splits.map((s) => clock(s * 1000)) },
      { stroke: color('text-3'), font, size: 56, gap: 6, space: 34, grid: { stroke: color('line'), width: 1 }, ticks: { show: false }, values: (u, splits) => splits.map(format) },
    ],
    series: [{}, ...lines.map((line) => ({
      stroke: color(line.color), width: 1.6, dash: line.dashed ? [4, 4] : undefined, points: { show: false },
      fill: line.fill ? `${color(line.color)}1f` : undefined, spanGaps: false,
    }))],
    hooks: { setCursor: [(u) => setIndex(u.cursor.idx ?? null)] },
  };
}

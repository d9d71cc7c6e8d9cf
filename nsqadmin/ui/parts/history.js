import { get } from '../api.js';
import { durationNs, compact, rate } from '../format.js';
import { html, useEffect, useMemo, useState } from '../h.js';
import { Chart } from './chart.js';

const SPANS = [[600, '10 min'], [3600, '1 h'], [21600, '6 h']];
/** Charts are asked for again at the pace of their steps, but not more often than this. */
const REFRESH_MIN_MS = 5000;

/** The history of a topic, channel or node (`query`, may be empty) over `span_s`; `{ data, error }`. */
export function useHistory(query, span_s) {
  const [answer, setAnswer] = useState({ data: null, error: null });
  useEffect(() => {
    const stop = new AbortController();
    let timer = null;
    const ask = async () => {
      let pause_ms = REFRESH_MIN_MS;
      try {
        const data = document.hidden ? null : await get(`history?${query}${query && '&'}span_s=${span_s}`, stop.signal);
        if (data) {
          setAnswer({ data, error: null });
          pause_ms = Math.max(REFRESH_MIN_MS, data.step_s * 1000);
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        setAnswer((before) => ({ ...before, error: error.message }));
      }
      if (!stop.signal.aborted) timer = setTimeout(ask, pause_ms);
    };
    ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [query, span_s]);
  return answer;
}

const LINES = [
  ['Depth', compact, [['depth', 'waiting', 'depth', true]]],
  ['Throughput', rate, [['in_rate', 'in', 'in', true], ['out_rate', 'out', 'out', false]]],
  ['With consumers', compact, [['in_flight', 'in flight', 'flight', true], ['deferred', 'deferred', 'deferred', false, true]]],
  ['Trouble', rate, [['requeue_rate', 'requeued', 'requeue', false], ['timeout_rate', 'timed out', 'timeout', true]]],
  ['Latency p99', durationNs, [['latency_99_ns', 'publish to finish', 'latency', true]]],
];

/** The panel of charts of a page, with a switch for its span. */
export function HistoryPanel({ query }) {
  const [span_s, setSpan] = useState(3600);
  const { data, error } = useHistory(query, span_s);
  const charts = useMemo(() => (data ? build(data) : []), [data]);
  return html`<section class="panel panel-gap" aria-labelledby="history-title">
    <div class="panel-head"><h2 id="history-title">History</h2>${error && html`<span class="is-warning">${error}</span>`}
      <div class="end segments" role="group" aria-label="Time span">${SPANS.map(([s, label]) => html`<button aria-pressed=${String(s === span_s)} onClick=${() => setSpan(s)}>${label}</button>`)}</div>
    </div>
    <div class=${`charts of-${charts.length}`}>${charts.map((chart) => html`<${Chart} key=${chart.title} ...${chart} />`)}</div>
  </section>`;
}

function build({ step_s, start_s, points, series }) {
  const times = Array.from({ length: points }, (_, i) => start_s + i * step_s);
  const has = (key) => series[key]?.some((v) => v !== null);
  return LINES.filter(([title, , lines]) => title !== 'Latency p99' || has(lines[0][0])).map(([title, format, lines]) => ({
    title, format, times,
    lines: lines.map(([key, label, color, fill, dashed]) => ({ label, color, fill, dashed, values: series[key] ?? Array(points).fill(null) })),
  }));
}

// Cells that several tables share: the same figure looks the same everywhere.
import { count, durationNs, integer, rate, rateNumber } from '../format.js';
import { html } from '../h.js';
import { trend } from '../judge.js';
import { Cell } from './table.js';

const TREND = { up: ['▲', 'growing by'], down: ['▼', 'shrinking by'], flat: ['', ''] };

/** A depth, and the way it goes. */
export function Depth({ depth, rate: perSecond }) {
  const way = trend(depth, perSecond);
  const [sign, words] = TREND[way];
  const text = sign ? `${words} ${rate(Math.abs(perSecond))}` : undefined;
  return html`<span title=${depth >= 1e7 ? integer(depth) : undefined} class=${depth ? '' : 'zero'}>${count(depth)}</span>
    <span class=${`trend ${way}`} title=${text} role=${sign ? 'img' : undefined} aria-label=${text}>${sign}</span>`;
}

const number = (key, label, more) => ({ key, label, num: true, by: (row) => row[key], cell: (row) => html`<${Cell} value=${row[key]} text=${count(row[key])} />`, ...more });
const perSecond = (key, label, more) => ({ key, label, num: true, by: (row) => row[key], cell: (row) => html`<${Cell} value=${row[key]} text=${rateNumber(row[key])} title=${rate(row[key])} />`, ...more });

/** Columns for rows that have the keys of `Counts`. */
export const columns = {
  depth: { key: 'depth', label: 'Depth', num: true, title: 'messages that wait', by: (row) => row.depth, cell: (row) => html`<${Depth} depth=${row.depth} rate=${row.depth_rate} />` },
  memory: { key: 'memory_depth', label: 'Memory + disk', num: true, cls: 'wide', title: 'where the waiting messages lie', by: (row) => row.backend_depth, cell: (row) => html`<span class="second">${count(row.memory_depth)} + ${count(row.backend_depth)}</span>` },
  in_flight: number('in_flight', 'In flight', { title: 'sent to consumers, not yet answered', cls: 'small' }),
  deferred: number('deferred', 'Deferred', { title: 'waiting for their time', cls: 'medium' }),
  in_rate: perSecond('in_rate', 'In /s', { title: 'messages a second coming in' }),
  out_rate: perSecond('out_rate', 'Out /s', { title: 'messages a second finished', cls: 'small' }),
  requeue_rate: perSecond('requeue_rate', 'Requeued /s', { title: 'messages a second handed back by consumers', cls: 'medium' }),
  timeout_rate: {
    ...perSecond('timeout_rate', 'Timed out /s', { title: 'messages a second not answered in time', cls: 'medium' }),
    cell: (row) => html`<span class=${row.timeout_rate >= 0.005 ? 'is-warning' : 'zero'}>${rateNumber(row.timeout_rate)}</span>`,
  },
  messages: number('messages', 'Messages', { title: 'since the node started', cls: 'wide' }),
  consumers: {
    ...number('consumers', 'Consumers', { title: 'connections subscribed', cls: 'small' }),
    cell: (row) => (row.consumers === 0 && row.depth > 0 ? html`<span class="is-error" title="messages wait and nobody consumes">none</span>` : html`<${Cell} value=${row.consumers} text=${count(row.consumers)} />`),
  },
};

/** The latency columns: one for each quantile that any row has. */
export function latencyColumns(rows, label) {
  const quantiles = [...new Set(rows.flatMap((row) => (row.latency ?? []).map((l) => l.quantile)))].sort((a, b) => a - b);
  const of = (row, q) => row.latency?.find((l) => l.quantile === q);
  return quantiles.map((q) => ({
    key: `latency ${q}`, label: label(q), num: true, cls: 'wide', title: 'from publish to finish; over several nodes a weighted average of their percentiles',
    by: (row) => of(row, q)?.value_ns ?? null,
    cell: (row) => {
      const l = of(row, q);
      return l ? html`<span title=${`average ${durationNs(l.average_ns)}, highest ${durationNs(l.max_ns)}`}>${durationNs(l.value_ns)}</span>` : html`<span class="zero">–</span>`;
    },
  }));
}

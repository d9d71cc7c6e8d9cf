// Judgements on numbers that are shown beside them. Pure.

/** A client is slow when it finishes less than this part of what the middle one finishes. */
const SLOW_PART = 0.25;
/** Below this rate per second nobody is called slow: there is nothing to do. */
const BUSY_RATE = 0.5;

/**
 * What is wrong with each client of a channel: `slow` (it holds messages and finishes far less than its peers),
 * `idle` (RDY 0: it asked for none), or `null`. In the order given.
 */
export function clientTroubles(clients) {
  const rates = clients.map((client) => client.finish_rate).sort((a, b) => a - b);
  const middle = rates[Math.floor(rates.length / 2)] ?? 0;
  return clients.map((client) => {
    if (client.ready === 0 && client.in_flight === 0) return 'idle';
    const is_slow = clients.length > 1 && middle >= BUSY_RATE && client.in_flight > 0 && client.finish_rate < middle * SLOW_PART;
    return is_slow ? 'slow' : null;
  });
}

/** The way a depth goes: `up`, `down` or `flat`. Less than 0.1 a second, or a thousandth of the depth, is flat. */
export function trend(depth, perSecond) {
  if (typeof perSecond !== 'number') return 'flat';
  const noise = Math.max(0.1, Math.abs(depth ?? 0) / 1e6);
  if (Math.abs(perSecond) <= noise) return 'flat';
  return perSecond > 0 ? 'up' : 'down';
}

/** Seconds until a shrinking backlog is gone; `null` when it does not shrink. */
export function drainS(depth, perSecond) {
  return depth > 0 && perSecond < -0.1 ? depth / -perSecond : null;
}

const RANK = { error: 0, warning: 1, info: 2 };

/** Findings with the worst first, then the newest: what just broke is what the reader came for. */
export function ranked(findings) {
  return [...findings].sort((a, b) => RANK[a.severity] - RANK[b.severity] || (b.since_ms ?? 0) - (a.since_ms ?? 0));
}

/**
 * The counter's base, such that the number shown never falls: a node that restarted or left takes its messages
 * away from the sum, and what was counted stays counted.
 */
export function counted(before, messages) {
  const lost = before === null ? 0 : before.lost + Math.max(0, before.raw - messages);
  return { raw: messages, lost, shown: messages + lost };
}

import { get } from '../api.js';
import { useEffect, useRef, useState } from '../h.js';

/** A sparkline is asked for again after this long. */
const FRESH_MS = 10_000;
/** Scrolling must rest this long before anything is asked. */
const REST_MS = 120;
/** Names in one request, and series kept. */
const NAMES_MAX = 100;
const KEPT_MAX = 2000;

/** Series of the last ten minutes for the topics named, as a map; those not yet known are missing. */
export function useSparklines(names, metric) {
  const known = useRef(new Map());
  const [round, setRound] = useState(0);
  const key = names.join('\n');
  useEffect(() => {
    const stop = new AbortController();
    const ask = async () => {
      const old = Date.now() - FRESH_MS;
      const wanted = names.filter((name) => !(known.current.get(name)?.at_ms > old)).slice(0, NAMES_MAX);
      if (wanted.length === 0 || document.hidden) return;
      try {
        const { series } = await get(`sparklines?metric=${metric}&topics=${encodeURIComponent(JSON.stringify(wanted))}`, stop.signal);
        if (known.current.size > KEPT_MAX) known.current.clear();
        for (const name of wanted) known.current.set(name, { at_ms: Date.now(), values: series[name] ?? [] });
        setRound((n) => n + 1);
      } catch {
        // A row without its sparkline is no news; the list itself tells when nsqadmin is gone.
      }
    };
    const first = setTimeout(ask, REST_MS);
    const again = setInterval(ask, FRESH_MS / 2);
    return () => {
      stop.abort();
      clearTimeout(first);
      clearInterval(again);
    };
  }, [key, metric]);
  return { get: (name) => known.current.get(name)?.values, round };
}

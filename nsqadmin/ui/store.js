// The one store: state, a way to change it, and a hook that redraws a component when its part changes.
import { useLayoutEffect, useState } from './h.js';
import { initial, reduce } from './reduce.js';

let state = initial();
const listeners = new Set();

/** The present state; do not change it. */
export const getState = () => state;

/** Changes the state by an action of `reduce.js` and tells everyone. */
export function dispatch(action) {
  const next = reduce(state, action);
  if (next === state) return;
  state = next;
  for (const listener of [...listeners]) listener();
}

/** A part of the state; the component is drawn again when that part is another one (`Object.is`). */
export function useStore(select) {
  const [, redraw] = useState(0);
  const value = select(state);
  useLayoutEffect(() => {
    let shown = value;
    const listener = () => {
      const next = select(state);
      if (Object.is(next, shown)) return;
      shown = next;
      redraw((n) => n + 1);
    };
    listeners.add(listener);
    listener();
    return () => listeners.delete(listener);
  });
  return value;
}

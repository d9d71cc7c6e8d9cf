// Preact, its hooks and htm, bound together once: every component imports from here.
import htm from './vendor/htm.js';
import { h } from './vendor/preact.js';

export { Component, Fragment, h, render } from './vendor/preact.js';
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/hooks.js';

/** Tagged template that makes virtual nodes: html`<p>${text}</p>`. Text is always escaped. */
export const html = htm.bind(h);

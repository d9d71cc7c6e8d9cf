import { html } from '../h.js';

// Strokes on a 16 × 16 grid. Shapes differ, so that no meaning hangs on colour alone.
const PATHS = {
  error: 'M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3zM8 4.7v4M8 11.2v.1',
  warning: 'M8 2 1.4 13.6h13.2zM8 6.4v3.4M8 11.7v.1',
  info: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM8 7.3v3.9M8 4.9V5',
  ok: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM5.2 8.3l2 2 3.7-4.2',
  check: 'M3 8.5l3.2 3.2L13 4.8',
  cross: 'M4 4l8 8M12 4l-8 8',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3l8 5-8 5z',
  search: 'M7 2.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6zM10.6 10.6L14 14',
  right: 'M6 3.5L10.5 8 6 12.5',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.4M8 13.6V15M1 8h1.4M13.6 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  moon: 'M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1z',
  auto: 'M8 1.8a6.2 6.2 0 1 0 0 12.4zM8 1.8a6.2 6.2 0 0 1 0 12.4',
  help: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM6 6.2a2 2 0 1 1 2.6 2c-.5.2-.6.5-.6 1M8 11.4v.1',
  send: 'M14 2L7 9M14 2L9.6 14 7 9 2 6.4z',
  trash: 'M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.7 9h6.6l.7-9',
  drain: 'M2.5 3h11l-4 5v5l-3-1.6V8z',
  seek: 'M8 4v4.2l2.8 1.6M2 8a6 6 0 1 0 2-4.4M2 2v3h3',
  eye: 'M1.3 8S3.8 3.6 8 3.6 14.7 8 14.7 8 12.2 12.4 8 12.4 1.3 8 1.3 8zM8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6z',
  overview: 'M2 9h3l2-5 3 8 1.6-3H14',
  topics: 'M2.5 3.5h11M2.5 8h11M2.5 12.5h11',
  nodes: 'M2.5 2.5h11v4.4h-11zM2.5 9.1h11v4.4h-11zM5 4.7v.1M5 11.3v.1',
  lookup: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM10.6 5.4L9 9l-3.6 1.6L7 7z',
  counter: 'M2.5 13.5v-4M6.2 13.5v-7M9.8 13.5v-5M13.5 13.5v-11',
  grave: 'M4 14V6.5a4 4 0 0 1 8 0V14M2 14h12M8 6v4M6.5 7.5h3',
  plus: 'M8 3v10M3 8h10',
};

/** A small drawing; decorative unless `label` is given. */
export function Icon({ name, size = 16, label, class: cls = '' }) {
  return html`<svg class=${cls} width=${size} height=${size} viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5"
    stroke-linecap="round" stroke-linejoin="round" role=${label ? 'img' : undefined} aria-label=${label} aria-hidden=${label ? undefined : 'true'}>
    <path d=${PATHS[name]} />
  </svg>`;
}

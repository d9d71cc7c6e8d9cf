import { html } from '../h.js';
import { Findings } from './findings.js';

/** What is wrong with the very thing a page shows; nothing when all is well. */
export function About({ findings }) {
  if (findings.length === 0) return null;
  return html`<section class="panel section" aria-label="Findings"><${Findings} findings=${findings} here /></section>`;
}

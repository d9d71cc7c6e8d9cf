import { outcome, perform, toast } from '../actions.js';
import { html, useState } from '../h.js';
import { go } from '../navigate.js';
import { closeDialog, Dialog } from './dialog.js';
import { Icon } from './icon.js';
import { Results } from './results.js';

/** Runs an action for a dialog: `{ answer, error, is_busy, run }`. */
export function useAction(done) {
  const [state, setState] = useState({ answer: null, error: null, is_busy: false });
  const run = async (action) => {
    setState({ answer: null, error: null, is_busy: true });
    try {
      const answer = await perform(action);
      setState({ answer, error: null, is_busy: false });
      if (answer.failed.length === 0) {
        toast({ text: outcome(action, answer), detail: answer.message });
        done?.();
      }
    } catch (error) {
      setState({ answer: null, error, is_busy: false });
    }
  };
  return { ...state, run };
}

/**
 * Asks before something that cannot be taken back, then tells what became of it at each node.
 *
 * `explain`: what will happen; `radius`: `[{ label, value, hot }]`, how much it hits; `type`: the name to be typed;
 * `after`: the page to open when all is done; `answer`: results of an action already run.
 */
export function Confirm({ title, explain, radius = [], type, button, action, after, answer: given }) {
  const [typed, setTyped] = useState('');
  const { answer, error, is_busy, run } = useAction(() => {
    closeDialog();
    if (after) go(after);
  });
  const shown = answer ?? (is_busy || error ? null : given);
  const ready = !type || typed === type;
  const submit = () => { if (ready && !is_busy) run(action); };
  if (shown) {
    const foot = html`${shown.failed.length > 0 && html`<button class="button" type="submit" autofocus>Try again</button>`}<button class="button primary" type="button" onClick=${closeDialog}>Close</button>`;
    return html`<${Dialog} key="results" title=${title} onSubmit=${() => run(action)} foot=${foot}><${Results} action=${action} answer=${shown} /><//>`;
  }
  const foot = html`<button class="button" type="button" onClick=${closeDialog}>Cancel</button>
    <button class="button danger" type="submit" aria-disabled=${ready && !is_busy ? undefined : 'true'} title=${ready ? undefined : 'type the name first'}>${is_busy ? 'Working…' : button ?? 'Try again'}</button>`;
  return html`<${Dialog} key="ask" title=${title} onSubmit=${submit} foot=${foot}>
    ${explain && html`<p class="second">${explain}</p>`}
    ${radius.length > 0 && html`<dl class="radius">${radius.map((r) => html`<div class=${r.hot ? 'hot' : ''}><dt>${r.label}</dt><dd>${r.value}</dd></div>`)}</dl>`}
    ${type && html`<label class="field"><span>Type <code>${type}</code> to confirm</span>
      <input class="input" autofocus autocomplete="off" autocapitalize="off" spellcheck="false" value=${typed} onInput=${(e) => setTyped(e.target.value)} /></label>`}
    ${error && html`<p class="is-error" role="alert"><${Icon} name="error" size="14" class="inline" /> ${error.message}</p>`}<//>`;
}

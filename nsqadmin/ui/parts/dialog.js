import { html, useEffect, useRef } from '../h.js';
import { dispatch } from '../store.js';
import { Icon } from './icon.js';

/** Closes the dialog that is open. */
export const closeDialog = () => dispatch({ type: 'dialog', dialog: null });

/** The frame of a dialog: modal, closed by Esc and by a click beside it. */
export function Dialog({ title, children, foot, onSubmit, wide = false, bare = false }) {
  const box = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current.showModal();
    return () => { if (before?.isConnected) before.focus({ preventScroll: true }); };
  }, []);
  const submit = (event) => {
    event.preventDefault();
    onSubmit?.();
  };
  const beside = (event) => { if (event.target === box.current) closeDialog(); };
  const inside = html`${!bare && html`<div class="dialog-head"><h2>${title}</h2><button type="button" class="button plain square tiny" aria-label="Close" onClick=${closeDialog}><${Icon} name="cross" size="14" /></button></div>`}
    ${bare ? children : html`<div class="dialog-body">${children}</div>`}${foot && html`<div class="dialog-foot">${foot}</div>`}`;
  return html`<dialog ref=${box} aria-label=${title} onClose=${closeDialog} onMouseDown=${beside}>
    <form class=${`dialog ${wide ? 'wide-dialog' : ''}`} onSubmit=${submit} novalidate>${inside}</form></dialog>`;
}

import { html } from '../h.js';
import { useStore } from '../store.js';
import { Confirm } from './confirm.js';
import { Help } from './help.js';
import { Palette } from './palette.js';
import { Publish } from './publish.js';
import { Seek } from './seek.js';

const KINDS = { confirm: Confirm, help: Help, palette: Palette, publish: Publish, seek: Seek };

/** The dialog that is open, if any. */
export function Dialogs() {
  const dialog = useStore((s) => s.dialog);
  if (!dialog) return null;
  const { kind, ...props } = dialog;
  return html`<${KINDS[kind]} key=${kind} ...${props} />`;
}

// A message's body in the forms people read: text, pretty JSON, hex. Pure.

/** The bytes of a body as the server gives it. */
export function bytesOf({ body, encoding }) {
  if (encoding !== 'base64') return new TextEncoder().encode(body);
  return Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
}

/** Indented JSON, or `null` when the text is not a JSON object or array. Numbers beyond 2^53 keep their digits. */
export function prettyJson(text) {
  const start = text.trimStart()[0];
  if (start !== '{' && start !== '[') return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  return indent(text);
}

// Re-indents the text itself: JSON.parse and back would round long numbers and drop repeated keys.
function indent(text) {
  let out = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  tokens.forEach((token, index) => {
    const next = tokens[index + 1];
    if (token === '{' || token === '[') {
      depth += 1;
      out += next === '}' || next === ']' ? token : token + line();
    } else if (token === '}' || token === ']') {
      depth -= 1;
      const before = tokens[index - 1];
      out += before === '{' || before === '[' ? token : line() + token;
    } else if (token === ',') out += token + line();
    else out += token === ':' ? ': ' : token;
  });
  return out;
}

/** The classic dump: offset, sixteen bytes, and the printable ones as text. */
export function hexDump(data) {
  const lines = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = [...data.subarray(at, at + 16)];
    const hex = row.map((b) => b.toString(16).padStart(2, '0'));
    const left = hex.slice(0, 8).join(' ').padEnd(23);
    const right = hex.slice(8).join(' ').padEnd(23);
    const text = row.map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : '.')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${left}  ${right}  ${text}`);
  }
  return lines.join('\n');
}

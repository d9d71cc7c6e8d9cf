// Paths below the base path, and what they mean. Names are percent-encoded, so `orders#ephemeral` survives.

const encode = encodeURIComponent;

/** Paths of all pages, relative to the base path (they resolve against `<base href>`). */
export const to = {
  overview: () => './',
  topics: (query = '') => `topics${query}`,
  topic: (topic) => `topics/${encode(topic)}`,
  channel: (topic, channel) => `topics/${encode(topic)}/${encode(channel)}`,
  nodes: () => 'nodes',
  node: (node) => `nodes/${encode(node)}`,
  lookup: () => 'lookup',
  counter: () => 'counter',
};

/**
 * The route of a location path such as `/nsq/topics/a%23ephemeral`, given the base `/nsq/`.
 * `page` is `unknown` where the path means nothing or is not decodable.
 */
export function parse(pathname, base) {
  const root = base.endsWith('/') ? base : `${base}/`;
  if (`${pathname}/` !== root && !pathname.startsWith(root)) return { page: 'unknown' };
  const parts = pathname.slice(root.length).split('/').filter((part) => part !== '');
  let names;
  try {
    names = parts.map(decodeURIComponent);
  } catch {
    return { page: 'unknown' };
  }
  return route(names) ?? { page: 'unknown' };
}

function route([head, ...rest]) {
  if (head === undefined) return { page: 'overview' };
  if (head === 'topics' && rest.length === 0) return { page: 'topics' };
  if (head === 'topics' && rest.length === 1) return { page: 'topic', topic: rest[0] };
  if (head === 'topics' && rest.length === 2) return { page: 'channel', topic: rest[0], channel: rest[1] };
  if (head === 'nodes' && rest.length === 0) return { page: 'nodes' };
  if (head === 'nodes' && rest.length === 1) return { page: 'node', node: rest[0] };
  if ((head === 'lookup' || head === 'counter') && rest.length === 0) return { page: head };
  return null;
}

/** The stream a route needs, as a query string: `view=topic&topic=orders`. `null` where there is none. */
export function streamQuery(r) {
  if (r.page === 'unknown') return null;
  const query = new URLSearchParams({ view: r.page });
  for (const key of ['topic', 'channel', 'node']) {
    if (r[key] !== undefined) query.set(key, r[key]);
  }
  return query.toString();
}

/** Title of the browser window. */
export function title(r) {
  const names = {
    overview: 'Overview', topics: 'Topics', nodes: 'Nodes', lookup: 'Lookup', counter: 'Counter', unknown: 'Not found',
    topic: r.topic, channel: `${r.topic} / ${r.channel}`, node: r.node,
  };
  return `${names[r.page]} · nsqadmin`;
}

/** Which item of the navigation a page belongs to. */
export function section(r) {
  return { topic: 'topics', channel: 'topics', node: 'nodes' }[r.page] ?? r.page;
}

// Starts the application.
import { get } from './api.js';
import { html, render, useLayoutEffect } from './h.js';
import { watchKeys } from './keys.js';
import { arrive, watchLinks } from './navigate.js';
import { ChannelPage } from './pages/channel.js';
import { CounterPage } from './pages/counter.js';
import { LookupPage } from './pages/lookup.js';
import { NodePage } from './pages/node.js';
import { NodesPage } from './pages/nodes.js';
import { OverviewPage } from './pages/overview.js';
import { TopicPage } from './pages/topic.js';
import { TopicsPage } from './pages/topics.js';
import { UnknownPage } from './pages/unknown.js';
import { Dialogs } from './parts/dialogs.js';
import { Banners, Bar, setTheme } from './parts/shell.js';
import { Toasts } from './parts/toasts.js';
import { dispatch, useStore } from './store.js';
import { start } from './stream.js';

const PAGES = { overview: OverviewPage, topics: TopicsPage, topic: TopicPage, channel: ChannelPage, nodes: NodesPage, node: NodePage, lookup: LookupPage, counter: CounterPage, unknown: UnknownPage };
/** Who I am is asked again after this long when it could not be learnt. */
const ME_RETRY_MS = 3000;

function App() {
  const page = useStore((s) => s.route.page);
  const key = useStore((s) => s.streamKey);
  useLayoutEffect(() => document.getElementById('app').setAttribute('data-page', page), [page]);
  return html`<button class="skip" onClick=${() => document.getElementById('main').focus()}>Skip to content</button>
    <${Bar} /><main id="main" class="page" tabindex="-1"><${Banners} /><${PAGES[page]} key=${key ?? page} /></main><${Toasts} /><${Dialogs} />`;
}

async function learnWhoIAm() {
  try {
    dispatch({ type: 'me', me: await get('me') });
  } catch (error) {
    dispatch({ type: 'me', me: null, error: error.message });
    setTimeout(learnWhoIAm, ME_RETRY_MS);
  }
}

setTheme(document.documentElement.dataset.theme ?? 'auto');
watchLinks();
watchKeys();
start();
arrive();
learnWhoIAm();
render(html`<${App} />`, document.getElementById('app'));

//! The task that looks at the cluster again and again, never twice at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    core::{Core, Frame},
    history::History,
    interest::{Interests, Live},
    rules::is_suspect,
    snapshot::Snapshot,
    view::View,
};
use crate::cluster::{self, ChannelPlace, NodeSaid, Survey, unix_ms};

/// Between two looks while nobody watches, at least: for the history and the rates.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// From the beginning of a look to the next, whoever is in a hurry; in a large cluster, longer.
const GAP_MIN: Duration = Duration::from_millis(100);
/// Of the time, no more is spent with looking than one part of so many.
const LOOKING_SHARE: u32 = 3;
/// Channels whose clients are asked for at a look though nobody watches them.
const SUSPECTS_MAX: usize = 10;
/// Channels on pages whose clients are asked for at a look.
const CHANNELS_MAX: usize = 100;
/// Topics without nsqds whose channels are asked for at a look.
const RESERVED_MAX: usize = 20;
/// Those are asked for again after so long.
const RESERVED_FRESH_MS: i64 = 30_000;
/// Topics without nsqds whose channels are remembered.
const RESERVED_KEPT_MAX: usize = 10_000;
/// What only an nsqd that can show messages knows.
const PEEK_PATH: &str = "/channel/peek";

/// Looks at the cluster.
#[derive(Debug)]
pub(crate) struct Poller {
    core: Core,
    tx: watch::Sender<Arc<Snapshot>>,
    interests: Arc<Interests>,
    interval: Duration,
    /// Channels of topics without nsqds, and when they were asked for.
    reserved: BTreeMap<String, (i64, BTreeSet<String>)>,
    /// Whether nsqds can show messages, by address and start.
    abilities: HashMap<(String, i64), bool>,
}

impl Poller {
    /// Looks each `interval` while somebody watches. The history takes at most so many bytes.
    pub(crate) fn new(interval: Duration, history_bytes_max: usize) -> (Self, Live) {
        let history = Arc::new(RwLock::new(History::new(history_bytes_max)));
        let (tx, rx) = watch::channel(Arc::default());
        let interests = Arc::new(Interests::default());
        let live = Live::new(rx, Arc::clone(&history), Arc::clone(&interests));
        let poller = Self {
            core: Core::new(history),
            tx,
            interests,
            interval,
            reserved: BTreeMap::new(),
            abilities: HashMap::new(),
        };
        (poller, live)
    }

    /// Looks until it is dropped.
    pub(crate) async fn run(mut self, view: &cluster::View) {
        loop {
            let begun = Instant::now();
            let views = self.interests.views();
            let snapshot = self.look(view, views).await;
            self.tx.send_replace(snapshot);
            let interval = self.interval();
            let gap = (begun.elapsed() * LOOKING_SHARE).clamp(GAP_MIN, interval.max(GAP_MIN));
            tokio::select! {
                () = sleep_until(begun + interval) => {}
                () = self.interests.wanted() => sleep_until(begun + gap).await,
            }
        }
    }

    fn interval(&self) -> Duration {
        if self.interests.is_any() { self.interval } else { self.interval.max(IDLE_INTERVAL) }
    }

    async fn look(&mut self, view: &cluster::View, views: HashSet<View>) -> Arc<Snapshot> {
        let with_clients: BTreeSet<String> = views
            .iter()
            .filter_map(|view| if let View::Node(node) = view { Some(node.clone()) } else { None })
            .collect();
        let lookupds = view.ask_lookupds().await;
        let listed = if lookupds.is_empty() { view.listed() } else { Vec::new() };
        let asked = self.core.to_ask(&lookupds, listed, &with_clients);
        let nodes = view.ask_nodes(asked).await;
        let mut survey = Survey { lookupds, nodes, ..Survey::default() };
        self.ask_clients(view, &views, &mut survey).await;
        self.ask_reserved(view, &views, &mut survey).await;
        let able = self.able(view, &views, &survey.nodes).await;
        let interval_ms = u64::try_from(self.interval().as_millis()).unwrap_or(u64::MAX);
        self.core.take(survey, Frame { now_ms: unix_ms(), interval_ms, able, views })
    }

    /// The clients of channels that are looked at, and of some of those that stand still.
    async fn ask_clients(&self, view: &cluster::View, views: &HashSet<View>, survey: &mut Survey) {
        let looked_at = views.iter().filter_map(|view| match view {
            View::Channel(topic, channel) => Some((topic.clone(), channel.clone())),
            _ => None,
        });
        let topics = self.core.last().topics.iter();
        let suspects = topics.flat_map(|topic| {
            let channels = topic.channels.iter().filter(|channel| is_suspect(channel));
            channels.map(|channel| (topic.name.clone(), channel.name.clone()))
        });
        let channels: BTreeSet<(String, String)> =
            looked_at.take(CHANNELS_MAX).chain(suspects.take(SUSPECTS_MAX)).collect();
        let places = channels.into_iter().map(|(topic, channel)| {
            let nodes = having(&survey.nodes, &topic, &channel);
            ChannelPlace { topic, channel, nodes }
        });
        let places = places.collect();
        survey.clients = view.ask_clients(places).await;
    }

    /// The channels of topics that no nsqd has, for pages that show them.
    async fn ask_reserved(&mut self, view: &cluster::View, views: &HashSet<View>, survey: &mut Survey) {
        let now_ms = unix_ms();
        let produced: HashSet<&str> = survey
            .nodes
            .iter()
            .filter_map(|node| node.said.as_ref().ok())
            .flat_map(|stats| stats.topics.iter().map(|topic| topic.topic_name.as_str()))
            .collect();
        let known = survey.lookupds.iter().filter_map(|lookupd| lookupd.said.as_ref().ok());
        let registered: BTreeSet<&String> = known.flat_map(|knows| &knows.topics).collect();
        let inactive = registered.into_iter().filter(|topic| !produced.contains(topic.as_str()));
        // Also channels of a page whose nsqds are away or not there yet.
        let on_page = |topic: &str| {
            views
                .iter()
                .any(|view| matches!(view, View::Topic(shown) | View::Channel(shown, _) if shown == topic))
        };
        let is_list_shown = views.contains(&View::Lookup);
        let shown: BTreeSet<String> =
            inactive.filter(|topic| is_list_shown || on_page(topic)).cloned().collect();
        self.reserved.retain(|topic, _| shown.contains(topic));
        let is_stale = |topic: &&String| {
            let asked_ms = self.reserved.get(*topic).map(|(asked_ms, _)| *asked_ms);
            asked_ms.is_none_or(|asked_ms| asked_ms + RESERVED_FRESH_MS <= now_ms || on_page(topic))
        };
        let stale: Vec<String> = shown.iter().filter(is_stale).take(RESERVED_MAX).cloned().collect();
        for (topic, channels) in view.ask_reserved(stale).await {
            if self.reserved.len() < RESERVED_KEPT_MAX {
                self.reserved.insert(topic, (now_ms, channels));
            }
        }
        survey.reserved =
            self.reserved.iter().map(|(topic, (_, channels))| (topic.clone(), channels.clone())).collect();
    }

    /// Which of the nodes of channels on pages can show messages. Each is asked once in its life.
    async fn able(
        &mut self,
        view: &cluster::View,
        views: &HashSet<View>,
        nodes: &[NodeSaid],
    ) -> BTreeSet<String> {
        let answering = nodes.iter().filter_map(|node| Some((node, node.said.as_ref().ok()?)));
        let is_shown =
            |topic: &str| views.iter().any(|view| matches!(view, View::Channel(shown, _) if shown == topic));
        let mut kept = HashMap::new();
        let mut unknown = Vec::new();
        for (node, stats) in answering {
            let key = (node.address(), stats.start_time);
            if let Some(is_able) = self.abilities.get(&key) {
                kept.insert(key, *is_able);
            } else if stats.topics.iter().any(|topic| is_shown(&topic.topic_name)) {
                unknown.push((node.asked.at.clone(), key));
            }
        }
        if !unknown.is_empty() {
            let asked = unknown.iter().map(|(at, _)| at.clone()).collect();
            let known = view.have_path(asked, PEEK_PATH).await;
            kept.extend(unknown.into_iter().filter_map(|(at, key)| Some((key, *known.get(&at)?))));
        }
        self.abilities = kept;
        let able = self.abilities.iter().filter(|(_, is_able)| **is_able);
        able.map(|((node, _), _)| node.clone()).collect()
    }
}

/// The nodes that have a channel: how they are called, and where they are asked.
fn having(nodes: &[NodeSaid], topic: &str, channel: &str) -> Vec<(String, String)> {
    let has = |node: &&NodeSaid| {
        let topics = node.said.as_ref().ok().into_iter().flat_map(|stats| &stats.topics);
        let mut channels = topics.filter(|own| own.topic_name == topic).flat_map(|own| &own.channels);
        channels.any(|own| own.channel_name == channel)
    };
    nodes.iter().filter(has).map(|node| (node.address(), node.asked.at.clone())).collect()
}

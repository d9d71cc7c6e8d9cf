//! An nsqd as it was seen last: what it said, in order, with rates.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    counts::{Counts, sum},
    rates,
};
use crate::cluster::documents::{AlarmStats, ClientStats, Producer, Stats, TopicStats};

/// The time between two looks below which a rate would be noise.
const RATE_MS_MIN: i64 = 1000;

/// What an nsqd said.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeStats {
    /// Unix time in ms.
    pub(crate) at_ms: i64,
    pub(crate) version: String,
    pub(crate) health: String,
    /// Unix time in s; another one is another process.
    pub(crate) start_s: i64,
    pub(crate) memory_bytes: u64,
    pub(crate) producers: usize,
    pub(crate) alarms: Vec<AlarmStats>,
    /// By name.
    pub(crate) topics: Vec<TopicPart>,
    /// The sum of its topics.
    pub(crate) counts: Counts,
}

/// A topic of an nsqd.
#[derive(Debug, Clone, Default)]
pub(crate) struct TopicPart {
    pub(crate) name: String,
    pub(crate) counts: Counts,
    /// By name.
    pub(crate) channels: Vec<ChannelPart>,
    pub(crate) config: Option<Value>,
}

/// A channel of an nsqd.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChannelPart {
    pub(crate) name: String,
    pub(crate) counts: Counts,
    /// To consumers in the zone, in the region, anywhere.
    pub(crate) delivered: [i64; 3],
    /// `None` where they were not asked for.
    pub(crate) clients: Option<Vec<ClientStats>>,
}

impl NodeStats {
    pub(crate) fn new(stats: Stats, at_ms: i64) -> Self {
        let mut topics: Vec<TopicPart> = stats.topics.into_iter().map(TopicPart::new).collect();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        topics.dedup_by(|one, other| one.name == other.name);
        Self {
            at_ms,
            version: stats.version,
            health: stats.health,
            start_s: stats.start_time,
            memory_bytes: stats.memory.heap_in_use_bytes,
            producers: stats.producers.len(),
            alarms: stats.alarms,
            topics,
            counts: Counts::default(),
        }
    }

    /// Whether an earlier look is long enough ago, and of the same process, to tell how fast counters rise.
    pub(crate) fn may_follow(&self, before: &Self) -> bool {
        self.start_s == before.start_s && before.at_ms.saturating_add(RATE_MS_MIN) <= self.at_ms
    }

    /// Fills the rates in, by an earlier look or, where that is too recent, with those of then.
    pub(crate) fn rate(&mut self, before: Option<&Self>, last: Option<&Self>) {
        let before = before.filter(|before| self.may_follow(before));
        let last = last.filter(|last| last.start_s == self.start_s);
        if let Some(before) = before {
            #[expect(clippy::cast_precision_loss, reason = "the time between two looks is short")]
            let seconds = (self.at_ms - before.at_ms) as f64 / 1000.0;
            each_pair(&mut self.topics, &before.topics, |now, then| {
                now.counts.rates = rates::between(&then.counts, &now.counts, seconds);
                each_channel_pair(&mut now.channels, &then.channels, |now, then| {
                    now.counts.rates = rates::between(&then.counts, &now.counts, seconds);
                });
            });
        } else if let Some(last) = last {
            each_pair(&mut self.topics, &last.topics, |now, then| {
                now.counts.rates = then.counts.rates;
                each_channel_pair(&mut now.channels, &then.channels, |now, then| {
                    now.counts.rates = then.counts.rates;
                });
            });
        }
        let mut total = Counts::default();
        for topic in &mut self.topics {
            topic.gather();
            total.add(&topic.counts);
            // Depth is what waits for somebody, wherever.
            for channel in &topic.channels {
                total.rates.depth_rate = sum(total.rates.depth_rate, channel.counts.rates.depth_rate);
                total.depth = total.depth.saturating_add(channel.counts.depth);
                total.memory_depth = total.memory_depth.saturating_add(channel.counts.memory_depth);
                total.backend_depth = total.backend_depth.saturating_add(channel.counts.backend_depth);
            }
        }
        total.latency.clear();
        total.paused = false;
        self.counts = total;
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&TopicPart> {
        let index = self.topics.binary_search_by(|topic| topic.name.as_str().cmp(name)).ok()?;
        self.topics.get(index)
    }

    pub(crate) fn topic_names(&self) -> BTreeSet<&str> {
        self.topics.iter().map(|topic| topic.name.as_str()).collect()
    }
}

impl TopicPart {
    fn new(stats: TopicStats) -> Self {
        let counts = Counts::of_topic(&stats);
        let part = |channel: crate::cluster::documents::ChannelStats| ChannelPart {
            counts: Counts::of_channel(&channel),
            delivered: [
                channel.zone_local_msg_count,
                channel.region_local_msg_count,
                channel.global_msg_count,
            ],
            name: channel.channel_name,
            clients: channel.clients,
        };
        let mut channels: Vec<ChannelPart> = stats.channels.into_iter().map(part).collect();
        channels.sort_by(|one, other| one.name.cmp(&other.name));
        channels.dedup_by(|one, other| one.name == other.name);
        Self { name: stats.topic_name, counts, channels, config: stats.config }
    }

    /// What it has through its channels.
    fn gather(&mut self) {
        let rates = &mut self.counts.rates;
        (rates.requeue_rate, rates.timeout_rate) = (None, None);
        if rates.in_rate.is_some() {
            rates.out_rate = Some(0.0);
        }
        for channel in &self.channels {
            self.counts.add_work(&channel.counts);
        }
        self.counts.rates.out_rate =
            slowest(self.counts.rates.out_rate, self.channels.iter().map(|channel| &channel.counts));
    }

    pub(crate) fn channel(&self, name: &str) -> Option<&ChannelPart> {
        let index = self.channels.binary_search_by(|channel| channel.name.as_str().cmp(name)).ok()?;
        self.channels.get(index)
    }
}

/// How fast a topic's messages are done with: as fast as its slowest channel, or `otherwise` without channels.
pub(crate) fn slowest<'a>(otherwise: Option<f64>, channels: impl Iterator<Item = &'a Counts>) -> Option<f64> {
    channels.filter_map(|channel| channel.rates.out_rate).min_by(f64::total_cmp).or(otherwise)
}

fn each_pair(now: &mut [TopicPart], then: &[TopicPart], mut f: impl FnMut(&mut TopicPart, &TopicPart)) {
    let mut then = then.iter().peekable();
    for now in now {
        while then.next_if(|then| then.name < now.name).is_some() {}
        if let Some(then) = then.next_if(|then| then.name == now.name) {
            f(now, then);
        }
    }
}

fn each_channel_pair(
    now: &mut [ChannelPart],
    then: &[ChannelPart],
    mut f: impl FnMut(&mut ChannelPart, &ChannelPart),
) {
    let mut then = then.iter().peekable();
    for now in now {
        while then.next_if(|then| then.name < now.name).is_some() {}
        if let Some(then) = then.next_if(|then| then.name == now.name) {
            f(now, then);
        }
    }
}

/// An nsqd, whether it answers or not.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeSeen {
    /// Its broadcast address and HTTP port.
    pub(crate) address: String,
    pub(crate) producer: Producer,
    /// The nsqlookupds that know it.
    pub(crate) lookupds: Vec<String>,
    /// How many should.
    pub(crate) lookupds_expected: usize,
    /// While it does not answer: the topics that nsqlookupds say it has, with those that are hidden.
    pub(crate) registered: BTreeSet<String>,
    pub(crate) tombstoned: BTreeSet<String>,
    pub(crate) is_out_of_date: bool,
    /// Why it does not answer.
    pub(crate) error: Option<String>,
    pub(crate) down_since_ms: Option<i64>,
    /// What it said last; `None` if it never answered.
    pub(crate) stats: Option<std::sync::Arc<NodeStats>>,
}

impl NodeSeen {
    pub(crate) fn is_up(&self) -> bool {
        self.error.is_none()
    }

    /// What it says now.
    pub(crate) fn present(&self) -> Option<&NodeStats> {
        self.stats.as_deref().filter(|_| self.is_up())
    }

    pub(crate) fn hostname(&self) -> &str {
        if self.producer.hostname.is_empty() { &self.address } else { &self.producer.hostname }
    }

    pub(crate) fn version(&self) -> &str {
        match self.stats.as_deref() {
            Some(stats) if self.producer.version.is_empty() => &stats.version,
            _ => &self.producer.version,
        }
    }

    /// Its topics: those that it has, or, while it does not answer, had and is said to have.
    pub(crate) fn topic_names(&self) -> BTreeSet<&str> {
        let mut names = self.stats.as_deref().map(NodeStats::topic_names).unwrap_or_default();
        if !self.is_up() {
            names.extend(self.registered.iter().map(String::as_str));
        }
        names
    }
}

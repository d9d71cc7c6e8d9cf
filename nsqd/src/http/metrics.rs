//! `/metrics`: the state of the daemon for Prometheus.
//!
//! The number of series has a bound: no label holds what clients choose freely, ephemeral channels (whose names come and
//! go) are only counted unless they are asked for, and so are the topics behind `--metrics-topics-max`.

use std::collections::HashMap;

use daemon::{process, reports::unhurried};

use super::{
    exposition::Exposition,
    parameters::Parameters,
    respond::{self, Response},
};
use crate::{
    alarms::AlarmKind,
    channel::{BOUNDS_NS, Snapshot},
    clock,
    log::{SYNC_BOUNDS_NS, Usage},
    nsqd::Nsqd,
    topic::TopicSnapshot,
};

/// A topic that is shown.
struct Topic {
    name: String,
    counts: TopicSnapshot,
    producers: u64,
    ephemeral_channels: u64,
    usage: Usage,
}

/// A channel that is shown.
struct Channel<'a> {
    topic: &'a str,
    name: String,
    counts: Snapshot,
}

/// The answer. With `include_ephemeral=true`, ephemeral topics and channels are shown one by one, too.
pub(super) fn metrics(nsqd: &Nsqd, parameters: &Parameters) -> Response {
    let with_ephemeral = parameters.flag("include_ephemeral", false);
    let mut text = Exposition::default();
    daemon(&mut text, nsqd);
    process::metrics(&mut text, nsqd.start_unix.unsigned_abs());
    storage(&mut text, nsqd);
    let producers = producers(nsqd);
    let is_shown = |is_ephemeral: bool| with_ephemeral || !is_ephemeral;
    let all = nsqd.topics.all();
    let topics_max = nsqd.start.options.statistics.metrics_topics_max;
    let shown = all.iter().filter(|topic| is_shown(topic.name().is_ephemeral())).take(topics_max);
    let topics: Vec<Topic> = unhurried(shown)
        .map(|topic| {
            let name = topic.name().to_string();
            let counts = topic.snapshot();
            let is_ephemeral =
                |channel: &&std::sync::Arc<crate::channel::Channel>| channel.name().is_ephemeral();
            let ephemeral_channels = counts.channels.iter().filter(is_ephemeral).count() as u64;
            let (producers, usage) = (producers.get(&name).copied().unwrap_or(0), topic.usage());
            Topic { name, counts, producers, ephemeral_channels, usage }
        })
        .collect();
    text.single("nsqd_topics", "gauge", "Topics, also those that are not shown.", all.len());
    let help = "Topics that are not shown one by one: ephemeral ones, and those behind --metrics-topics-max.";
    text.single("nsqd_topics_not_shown", "gauge", help, all.len() - topics.len());
    of_topics(&mut text, &topics);
    let now = clock::unix_ns();
    let channels: Vec<Channel<'_>> = unhurried(topics.iter())
        .flat_map(|topic| {
            let channels = topic.counts.channels.iter();
            channels.filter(|channel| is_shown(channel.name().is_ephemeral())).map(|channel| Channel {
                topic: &topic.name,
                name: channel.name().to_string(),
                counts: channel.snapshot(now),
            })
        })
        .collect();
    of_channels(&mut text, &channels);
    respond::exposition(text)
}

/// TCP connections that have published to each topic.
fn producers(nsqd: &Nsqd) -> HashMap<String, u64> {
    let mut producers = HashMap::new();
    for client in nsqd.clients.all() {
        for (topic, _) in client.published() {
            *producers.entry(topic.to_string()).or_default() += 1;
        }
    }
    producers
}

fn daemon(text: &mut Exposition, nsqd: &Nsqd) {
    text.family("nsqd_build_info", "gauge", "Which program this is; always 1.");
    let versions = [("version", env!("CARGO_PKG_VERSION")), ("compatible", daemon::version::COMPATIBLE)];
    text.sample("nsqd_build_info", &versions, 1);
    let healthy = u8::from(nsqd.health().is_ok());
    text.single("nsqd_healthy", "gauge", "Whether messages are taken, stored and read.", healthy);
    text.family("nsqd_alarms", "gauge", "Alarms that are up, by kind.");
    let alarms = nsqd.alarms.all();
    for kind in AlarmKind::ALL {
        let count = alarms.iter().filter(|alarm| alarm.kind == kind).count();
        text.sample("nsqd_alarms", &[("kind", kind.name())], count);
    }
    let clients = nsqd.clients.all().len();
    text.single("nsqd_connections", "gauge", "TCP connections of clients.", clients);
    let lookupds = nsqd.lookupds.borrow().len();
    text.single("nsqd_lookupds", "gauge", "Configured nsqlookupds.", lookupds);
}

fn storage(text: &mut Exposition, nsqd: &Nsqd) {
    let data_path = &nsqd.start.options.data_path;
    if let Ok(system) = rustix::fs::statvfs(data_path) {
        let bytes = |blocks: u64| blocks.saturating_mul(system.f_frsize);
        let help = "Bytes that are free in the file system of the data path.";
        text.single("nsqd_data_path_free_bytes", "gauge", help, bytes(system.f_bavail));
        let help = "Bytes of the file system of the data path.";
        text.single("nsqd_data_path_size_bytes", "gauge", help, bytes(system.f_blocks));
    }
    let (counts, sum_ns) = nsqd.topics.sync_times().read();
    text.family("nsqd_sync_duration_seconds", "histogram", "Time that syncs to the disk took.");
    text.times("nsqd_sync_duration_seconds", &[], &SYNC_BOUNDS_NS, &counts, sum_ns.into());
}

/// Name, kind, help, and the figure itself.
type Figure<T> = (&'static str, &'static str, &'static str, fn(&T) -> u64);

const TOPIC_FIGURES: [Figure<Topic>; 11] = [
    ("nsqd_topic_depth", "gauge", "Messages that wait in the topic itself.", |topic| topic.counts.depth),
    ("nsqd_topic_messages_total", "counter", "Messages published since the start.", |topic| {
        topic.counts.message_count
    }),
    ("nsqd_topic_message_bytes_total", "counter", "Bytes of their bodies.", |topic| {
        topic.counts.message_bytes
    }),
    (
        "nsqd_topic_refused_messages_total",
        "counter",
        "Messages that were refused since the start, since a queue held as many as its policy allows.",
        |topic| topic.counts.refused,
    ),
    ("nsqd_topic_paused", "gauge", "Whether the topic is paused.", |topic| topic.counts.paused.into()),
    ("nsqd_topic_producers", "gauge", "TCP connections that have published to it.", |topic| topic.producers),
    ("nsqd_topic_channels", "gauge", "Its channels, ephemeral ones included.", |topic| {
        topic.counts.channels.len() as u64
    }),
    ("nsqd_topic_ephemeral_channels", "gauge", "Its ephemeral channels.", |topic| topic.ephemeral_channels),
    ("nsqd_topic_segments", "gauge", "Files that hold messages.", |topic| topic.usage.segments as u64),
    ("nsqd_topic_storage_bytes", "gauge", "Bytes of these files.", |topic| topic.usage.bytes),
    ("nsqd_topic_damaged_messages", "gauge", "Messages in these files that were found damaged.", |topic| {
        topic.usage.damaged
    }),
];

const CHANNEL_FIGURES: [Figure<Snapshot>; 12] = [
    ("nsqd_channel_depth", "gauge", "Messages that wait for a consumer.", |channel| channel.counts.depth),
    ("nsqd_channel_in_flight", "gauge", "Messages with consumers.", |channel| channel.counts.in_flight),
    ("nsqd_channel_deferred", "gauge", "Messages that wait for their time.", |channel| {
        channel.counts.deferred
    }),
    ("nsqd_channel_messages_total", "counter", "Messages that came in since the start.", |channel| {
        channel.message_count
    }),
    ("nsqd_channel_delivered_total", "counter", "Deliveries since the start.", |channel| {
        channel.delivered.iter().sum()
    }),
    ("nsqd_channel_requeued_total", "counter", "Requeues by consumers since the start.", |channel| {
        channel.requeue_count
    }),
    ("nsqd_channel_timed_out_total", "counter", "Deliveries that timed out since the start.", |channel| {
        channel.timeout_count
    }),
    ("nsqd_channel_expired_total", "counter", "Messages dropped since the start for their age.", |channel| {
        channel.losses.expired
    }),
    (
        "nsqd_channel_dropped_total",
        "counter",
        "Oldest messages dropped since the start, since newer ones came to a full channel.",
        |channel| channel.losses.dropped,
    ),
    (
        "nsqd_channel_dead_lettered_total",
        "counter",
        "Messages moved to the dead-letter topic since the start.",
        |channel| channel.losses.dead_lettered,
    ),
    ("nsqd_channel_paused", "gauge", "Whether the channel is paused.", |channel| channel.paused.into()),
    ("nsqd_channel_consumers", "gauge", "Connections that are subscribed.", |channel| {
        channel.clients.len() as u64
    }),
];

fn of_topics(text: &mut Exposition, topics: &[Topic]) {
    for (name, kind, help, figure) in TOPIC_FIGURES {
        text.family(name, kind, help);
        for topic in topics {
            text.sample(name, &[("topic", &topic.name)], figure(topic));
        }
    }
}

fn of_channels(text: &mut Exposition, channels: &[Channel<'_>]) {
    for (name, kind, help, figure) in CHANNEL_FIGURES {
        text.family(name, kind, help);
        for channel in channels {
            let labels = [("topic", channel.topic), ("channel", &channel.name)];
            text.sample(name, &labels, figure(&channel.counts));
        }
    }
    let name = "nsqd_channel_e2e_latency_seconds";
    text.family(name, "histogram", "Time from publishing to FIN, requeues and delays included.");
    // A channel without a FIN has nothing to tell, and many have none.
    for channel in channels.iter().filter(|channel| channel.counts.finished.count != 0) {
        let labels = [("topic", channel.topic), ("channel", channel.name.as_str())];
        let finished = &channel.counts.finished;
        text.times(name, &labels, &BOUNDS_NS, &finished.buckets, finished.sum_ns);
    }
}

//! `/metrics`: the state of the daemon in the text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::respond::Response;
use crate::{alarms::AlarmKind, channel::Snapshot, clock, nsqd::Nsqd, topic::TopicSnapshot};

const FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The answer.
pub(super) fn metrics(nsqd: &Nsqd) -> Response {
    let mut text = Exposition::default();
    daemon(&mut text, nsqd);
    let now = clock::unix_ns();
    let topics: Vec<_> =
        nsqd.topics.all().iter().map(|topic| (topic.name().to_string(), topic.snapshot())).collect();
    of_topics(&mut text, &topics);
    let channels: Vec<_> = topics
        .iter()
        .flat_map(|(topic, snapshot)| {
            snapshot
                .channels
                .iter()
                .map(move |channel| (topic.as_str(), channel.name().to_string(), channel.snapshot(now)))
        })
        .collect();
    of_channels(&mut text, &channels);
    let mut response = Response::new(Full::new(Bytes::from(text.0)));
    response.headers_mut().insert(CONTENT_TYPE, FORMAT);
    response
}

fn daemon(text: &mut Exposition, nsqd: &Nsqd) {
    text.family("nsqd_build_info", "gauge", "Which program this is; always 1.");
    let versions = [("version", env!("CARGO_PKG_VERSION")), ("compatible", daemon::version::COMPATIBLE)];
    text.sample("nsqd_build_info", &versions, 1);
    text.family("nsqd_healthy", "gauge", "Whether messages are taken, stored and read.");
    text.sample("nsqd_healthy", &[], u8::from(nsqd.health().is_ok()));
    text.family("nsqd_alarms", "gauge", "Alarms that are up, by kind.");
    let alarms = nsqd.alarms.all();
    for kind in AlarmKind::ALL {
        let count = alarms.iter().filter(|alarm| alarm.kind == kind).count();
        text.sample("nsqd_alarms", &[("kind", kind.name())], count);
    }
    text.family("nsqd_connections", "gauge", "TCP connections of clients.");
    text.sample("nsqd_connections", &[], nsqd.clients.all().len());
    process(text, nsqd);
}

/// The names are those that every Prometheus client library uses.
fn process(text: &mut Exposition, nsqd: &Nsqd) {
    text.family("process_start_time_seconds", "gauge", "Start of the process, unix time.");
    text.sample("process_start_time_seconds", &[], nsqd.start_unix);
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    text.family("process_cpu_seconds_total", "counter", "CPU time of the process, user and system.");
    text.sample("process_cpu_seconds_total", &[], format_args!("{}.{:09}", usage.tv_sec, usage.tv_nsec));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    for (name, help, key) in [
        (
            "process_resident_memory_bytes",
            "Memory of the process that is resident, pages of files included.",
            "VmRSS:",
        ),
        (
            "nsqd_heap_resident_bytes",
            "Memory of the process that is resident, pages of files not included.",
            "RssAnon:",
        ),
    ] {
        if let Some(kib) = kib(key) {
            text.family(name, "gauge", help);
            text.sample(name, &[], kib * 1024);
        }
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        text.family("process_open_fds", "gauge", "Open file descriptors.");
        text.sample("process_open_fds", &[], open.count());
    }
}

fn of_topics(text: &mut Exposition, topics: &[(String, TopicSnapshot)]) {
    type Figure = fn(&TopicSnapshot) -> u64;
    let figures: [(&str, &str, &str, Figure); 7] = [
        ("nsqd_topic_depth", "gauge", "Messages that wait in the topic itself.", |topic| topic.depth),
        ("nsqd_topic_messages_total", "counter", "Messages published since the start.", |topic| {
            topic.message_count
        }),
        ("nsqd_topic_message_bytes_total", "counter", "Bytes of their bodies.", |topic| topic.message_bytes),
        ("nsqd_topic_paused", "gauge", "Whether the topic is paused.", |topic| topic.paused.into()),
        ("nsqd_topic_segments", "gauge", "Files that hold messages.", |topic| topic.usage.segments as u64),
        ("nsqd_topic_storage_bytes", "gauge", "Bytes of these files.", |topic| topic.usage.bytes),
        (
            "nsqd_topic_damaged_messages",
            "gauge",
            "Messages in these files that were found damaged.",
            |topic| topic.usage.damaged,
        ),
    ];
    for (name, kind, help, figure) in figures {
        text.family(name, kind, help);
        for (topic, snapshot) in topics {
            text.sample(name, &[("topic", topic)], figure(snapshot));
        }
    }
}

fn of_channels(text: &mut Exposition, channels: &[(&str, String, Snapshot)]) {
    type Figure = fn(&Snapshot) -> u64;
    let figures: [(&str, &str, &str, Figure); 9] = [
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
        (
            "nsqd_channel_timed_out_total",
            "counter",
            "Deliveries that timed out since the start.",
            |channel| channel.timeout_count,
        ),
        ("nsqd_channel_paused", "gauge", "Whether the channel is paused.", |channel| channel.paused.into()),
        ("nsqd_channel_consumers", "gauge", "Connections that are subscribed.", |channel| {
            channel.clients.len() as u64
        }),
    ];
    for (name, kind, help, figure) in figures {
        text.family(name, kind, help);
        for (topic, channel, snapshot) in channels {
            text.sample(name, &[("topic", topic), ("channel", channel)], figure(snapshot));
        }
    }
}

/// A text that grows family by family.
#[derive(Debug, Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// Values of labels are topic and channel names and words of ours: nothing in them has to be escaped.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            self.put(format_args!("{before}{label}=\"{text}\""));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.put(format_args!(" {value}\n"));
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a String takes all that is written");
    }
}

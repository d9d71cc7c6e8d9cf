//! `ls`.

use std::{collections::BTreeMap, io::Write};

use indicatif::ProgressBar;
use nsqd::offline::{DataPath, OfflineTopic};
use serde::Serialize;

use crate::{args::List, messages, progress};

#[derive(Debug, Serialize)]
struct TopicRow {
    topic: String,
    paused: bool,
    /// Messages that wait in the topic itself.
    depth: u64,
    bytes: u64,
    segments: usize,
    /// When the oldest message that somebody waits for was published.
    oldest: Option<String>,
    channels: Vec<ChannelRow>,
}

#[derive(Debug, Serialize)]
struct ChannelRow {
    channel: String,
    paused: bool,
    damaged: bool,
    /// Deferred ones not included.
    depth: u64,
    deferred: u64,
    oldest: Option<String>,
}

pub(super) fn run(data: &DataPath, options: &List) -> anyhow::Result<()> {
    let names = options.which.topics(data)?;
    let bar = progress::bar(data, &names)?;
    let mut topics = Vec::new();
    for name in &names {
        topics.push(look_at(&data.topic(name)?, &bar)?);
    }
    bar.finish_and_clear();
    if options.json {
        serde_json::to_writer(std::io::stdout().lock(), &BTreeMap::from([("topics", topics)]))?;
        writeln!(std::io::stdout())?;
        return Ok(());
    }
    Ok(print(&topics)?)
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    depth: u64,
    deferred: u64,
    oldest: Option<i64>,
}

impl Counts {
    fn add(&mut self, timestamp_ns: i64, is_deferred: bool) {
        if is_deferred {
            self.deferred += 1;
        } else {
            self.depth += 1;
        }
        self.oldest = Some(self.oldest.map_or(timestamp_ns, |oldest| oldest.min(timestamp_ns)));
    }
}

fn look_at(topic: &OfflineTopic, bar: &ProgressBar) -> anyhow::Result<TopicRow> {
    let now = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
    let mut own = Counts::default();
    let mut counts = vec![Counts::default(); topic.channels().len()];
    messages::each(topic, bar, |stored| {
        let time = stored.message.frame.timestamp_ns();
        if stored.in_topic {
            own.add(time, false);
        }
        for (channel, counts) in topic.channels().iter().zip(&mut counts) {
            if let Some(outstanding) = stored.outstanding(channel) {
                let deadline = stored.deadline_unix_ns(Some(outstanding));
                counts.add(time, deadline.is_some_and(|deadline| now < deadline));
            }
        }
        Ok(true)
    })?;
    let channels = topic.channels().iter().zip(&counts).map(|(channel, counts)| ChannelRow {
        channel: channel.name().to_string(),
        paused: channel.is_paused(),
        damaged: channel.is_damaged(),
        depth: counts.depth,
        deferred: counts.deferred,
        oldest: counts.oldest.map(time),
    });
    let oldest = counts.iter().chain([&own]).filter_map(|counts| counts.oldest).min();
    Ok(TopicRow {
        topic: topic.name().to_string(),
        paused: topic.is_paused(),
        depth: own.depth,
        bytes: progress::segment_bytes(topic)?,
        segments: topic.segment_files().len(),
        oldest: oldest.map(time),
        channels: channels.collect(),
    })
}

/// A time as RFC 3339.
pub(super) fn time(unix_ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(unix_ns.into())
        .map_or_else(|_| unix_ns.to_string(), |time| time.to_string())
}

fn print(topics: &[TopicRow]) -> std::io::Result<()> {
    let mut rows =
        vec![["TOPIC", "CHANNEL", "DEPTH", "DEFERRED", "BYTES", "SEGMENTS", "OLDEST", ""].map(str::to_owned)];
    for topic in topics {
        let note = if topic.paused { "paused" } else { "" };
        rows.push([
            topic.topic.clone(),
            String::new(),
            topic.depth.to_string(),
            String::new(),
            topic.bytes.to_string(),
            topic.segments.to_string(),
            topic.oldest.clone().unwrap_or_default(),
            note.to_owned(),
        ]);
        for channel in &topic.channels {
            let note = [("paused", channel.paused), ("damaged", channel.damaged)];
            let note: Vec<_> = note.iter().filter(|(_, is_set)| *is_set).map(|(note, _)| *note).collect();
            rows.push([
                String::new(),
                channel.channel.clone(),
                channel.depth.to_string(),
                channel.deferred.to_string(),
                String::new(),
                String::new(),
                channel.oldest.clone().unwrap_or_default(),
                note.join(", "),
            ]);
        }
    }
    let mut widths = [0; 8];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut out = std::io::stdout().lock();
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(at, (cell, width))| {
            // Numbers stand to the right.
            if (2..6).contains(&at) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

//! `verify`.

use std::{io::Write, path::Path};

use nsqd::offline::{DataPath, OfflineTopic, SegmentFile};
use serde::Serialize;

use crate::{DAMAGED, WHOLE, args::Verify, progress};

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    topics: usize,
    segments: usize,
    messages: u64,
    damage: Vec<Damage>,
    /// Files that a start has set aside: their damage is known, and whatever is in them is not delivered.
    set_aside: Vec<String>,
    /// Files of crashes, which the next start removes.
    leftovers: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Damage {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    file: String,
    /// Of the message's slot, in a segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    what: String,
}

pub(super) fn run(data: &DataPath, options: &Verify) -> anyhow::Result<u8> {
    let topics = options.which.topics(data)?;
    let mut report = Report::default();
    if let Some(what) = data.metadata_damage() {
        report.damage(None, &data.path().join("nsqd.dat"), what);
    }
    let bar = progress::bar(data, &topics)?;
    for name in &topics {
        report.topics += 1;
        report.look_at(&data.topic(name)?, &bar)?;
    }
    bar.finish_and_clear();
    let leftovers = data.leftovers()?;
    let shown =
        |paths: Vec<std::path::PathBuf>| paths.iter().map(|path| path.display().to_string()).collect();
    report.set_aside = shown(leftovers.damaged);
    report.leftovers = shown(leftovers.temporary);
    if options.json {
        serde_json::to_writer(std::io::stdout().lock(), &report)?;
        writeln!(std::io::stdout())?;
    } else {
        report.print()?;
    }
    Ok(if report.damage.is_empty() { WHOLE } else { DAMAGED })
}

impl Report {
    fn damage(&mut self, topic: Option<&OfflineTopic>, file: &Path, what: impl Into<String>) {
        let (topic, file) = (topic.map(|topic| topic.name().to_string()), file.display().to_string());
        self.damage.push(Damage { topic, file, offset: None, seq: None, what: what.into() });
    }

    fn look_at(&mut self, topic: &OfflineTopic, bar: &indicatif::ProgressBar) -> anyhow::Result<()> {
        if let Some(path) = topic.damaged_state() {
            self.damage(Some(topic), &path, "the topic's state does not check");
        }
        for channel in topic.channels().iter().filter(|channel| channel.is_damaged()) {
            self.damage(Some(topic), channel.path(), "the channel's checkpoint does not check");
        }
        topic.read(|file| {
            self.segments += 1;
            let segment = match file {
                SegmentFile::Segment(segment) => segment,
                SegmentFile::Damaged(path) => {
                    self.damage(Some(topic), &path, "the segment's header does not check");
                    return anyhow::Ok(());
                }
            };
            self.messages += segment.messages().count() as u64;
            let places = segment.damaged_places();
            let more = u64::from(segment.damaged()) - places.len() as u64;
            for (offset, seq) in places {
                self.damage(Some(topic), segment.path(), "a message does not check");
                if let Some(damage) = self.damage.last_mut() {
                    (damage.offset, damage.seq) = (Some(offset), seq);
                }
            }
            if more != 0 {
                self.damage(Some(topic), segment.path(), format!("{more} more messages do not check"));
            }
            bar.inc(segment.bytes());
            Ok(())
        })
    }

    fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        for Damage { file, offset, seq, what, .. } in &self.damage {
            let offset = offset.map_or_else(String::new, |offset| format!(" at {offset}"));
            let seq = seq.map_or_else(String::new, |seq| format!(", seq {seq}"));
            writeln!(out, "DAMAGED {file}{offset}: {what}{seq}")?;
        }
        for file in &self.set_aside {
            writeln!(out, "SET ASIDE {file}")?;
        }
        for file in &self.leftovers {
            writeln!(out, "LEFT OVER {file}")?;
        }
        let Self { topics, segments, messages, damage, .. } = self;
        let sum =
            if damage.is_empty() { "all is whole".to_owned() } else { format!("{} damaged", damage.len()) };
        writeln!(out, "{topics} topics, {segments} segments, {messages} messages: {sum}")
    }
}

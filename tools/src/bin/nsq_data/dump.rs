//! `dump`.

use std::io::{BufWriter, Write};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use indicatif::ProgressBar;
use nsqd::offline::DataPath;
use serde::Serialize;

use crate::{
    args::{self, Dump},
    list::time,
    messages,
};

#[derive(Debug, Serialize)]
struct Line<'a> {
    seq: u64,
    id: String,
    timestamp: String,
    timestamp_ns: i64,
    /// Deliveries so far.
    attempts: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    deferred_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    /// Of a body that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

pub(super) fn run(data: &DataPath, options: &Dump) -> anyhow::Result<()> {
    let topic = data.topic(&args::topic_name(data, &options.topic)?)?;
    let channel = match &options.channel {
        None => None,
        Some(name) => {
            let found = topic.channels().iter().find(|channel| channel.name().as_str() == name);
            Some(found.with_context(|| format!("topic {} has no channel {name}", options.topic))?)
        }
    };
    let mut left = options.limit.unwrap_or(u64::MAX);
    let mut out = BufWriter::new(std::io::stdout().lock());
    messages::each(&topic, &ProgressBar::hidden(), |stored| {
        if left == 0 {
            return Ok(false);
        }
        let outstanding = match channel {
            Some(channel) => stored.outstanding(channel),
            None => topic.channels().iter().find_map(|channel| stored.outstanding(channel)),
        };
        let is_wanted = outstanding.is_some() || (channel.is_none() && (options.all || stored.in_topic));
        if !is_wanted {
            return Ok(true);
        }
        left -= 1;
        let frame = stored.message.frame;
        // Attempts differ from channel to channel.
        let of_channel = outstanding.filter(|_| channel.is_some());
        let text = std::str::from_utf8(frame.body());
        let deadline = stored.deadline_unix_ns(of_channel).and_then(|deadline| i64::try_from(deadline).ok());
        let line = Line {
            seq: stored.message.seq,
            id: frame.id().to_string(),
            timestamp: time(frame.timestamp_ns()),
            timestamp_ns: frame.timestamp_ns(),
            attempts: stored.attempts(of_channel.map_or(0, |outstanding| outstanding.attempts)),
            deferred_until: deadline.map(time),
            body: text.ok(),
            body_base64: text.is_err().then(|| BASE64_STANDARD.encode(frame.body())),
        };
        serde_json::to_writer(&mut out, &line).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
        Ok(true)
    })?;
    Ok(out.flush()?)
}

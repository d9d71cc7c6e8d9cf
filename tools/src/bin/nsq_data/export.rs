//! `export`: the way back to NSQ 1.x.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use nsqd::offline::{DataPath, OfflineTopic};
use serde_json::{Value, json};

use crate::{
    args::{Export, Format},
    messages::{self, Stored},
    progress,
};

/// NSQ begins a new file at this size.
const FILE_BYTES_MAX: u64 = 100 << 20;
/// Of a record, what is not body and not counted by its size.
const RECORD_HEADER_BYTES: u32 = 26;

/// What was written.
#[derive(Debug, Default)]
struct Sum {
    records: u64,
    deferred: u64,
    queues: u64,
}

pub(super) fn run(data: &DataPath, options: &Export) -> anyhow::Result<()> {
    let Format::Nsq1 = options.format;
    let to = &options.to;
    if to.exists() && fs::read_dir(to).with_context(|| format!("{}", to.display()))?.next().is_some() {
        bail!("{} is not empty; give a directory that is, or that does not exist", to.display());
    }
    fs::create_dir_all(to)?;
    let names = data.topics()?;
    let bar = progress::bar(data, &names)?;
    let (mut topics, mut sum) = (Vec::new(), Sum::default());
    for name in names.iter().filter(|name| !name.is_ephemeral()) {
        let topic = data.topic(name)?;
        bar.set_message(name.to_string());
        export(&topic, to, options.max_msg_size, &mut sum, &bar)?;
        let channels: Vec<Value> = topic
            .channels()
            .iter()
            .filter(|channel| !channel.name().is_ephemeral())
            .map(|channel| json!({"name": channel.name().as_str(), "paused": channel.is_paused()}))
            .collect();
        let channels = if channels.is_empty() { Value::Null } else { channels.into() };
        topics.push(json!({"name": name.as_str(), "paused": topic.is_paused(), "channels": channels}));
    }
    bar.finish_and_clear();
    // The list last: without it NSQ looks at none of the queues.
    let topics = if topics.is_empty() { Value::Null } else { topics.into() };
    let mut list = create(&to.join("nsqd.dat"))?;
    serde_json::to_writer(&mut list, &json!({"topics": topics, "version": "1.3.0"}))?;
    list.flush()?;
    list.get_ref().sync_all()?;
    File::open(to)?.sync_all()?;
    let Sum { records, deferred, queues } = sum;
    let mut out = io::stdout().lock();
    writeln!(out, "{records} messages in {queues} queues are in {}", to.display())?;
    if deferred != 0 {
        writeln!(out, "{deferred} of them are deferred: NSQ does not keep that, and delivers them at once")?;
    }
    Ok(())
}

fn export(
    topic: &OfflineTopic,
    to: &Path,
    max_msg_size: u32,
    sum: &mut Sum,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let channels: Vec<_> = topic.channels().iter().filter(|channel| !channel.name().is_ephemeral()).collect();
    let mut own = Queue::new(to, topic.name().to_string());
    let mut queues: Vec<_> = channels
        .iter()
        .map(|channel| Queue::new(to, format!("{}:{}", topic.name(), channel.name())))
        .collect();
    let now = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
    messages::each(topic, bar, |stored| {
        let body = stored.message.frame.body().len();
        if (max_msg_size as usize) < body {
            bail!(
                "message {} of topic {} has {body} bytes, more than --max-msg-size={max_msg_size}: NSQ would give up what follows \
                 it; give the --max-msg-size that it will run with",
                stored.message.frame.id(),
                topic.name()
            );
        }
        let mut is_deferred = false;
        if stored.in_topic {
            own.push(stored, 0)?;
            is_deferred = stored.deadline_unix_ns(None).is_some_and(|deadline| now < deadline);
        }
        for (channel, queue) in channels.iter().zip(&mut queues) {
            if let Some(outstanding) = stored.outstanding(channel) {
                queue.push(stored, outstanding.attempts)?;
                is_deferred |=
                    stored.deadline_unix_ns(Some(outstanding)).is_some_and(|deadline| now < deadline);
            }
        }
        sum.deferred += u64::from(is_deferred);
        Ok(true)
    })?;
    for queue in queues.into_iter().chain([own]) {
        sum.records += queue.records;
        sum.queues += u64::from(queue.records != 0);
        queue.finish()?;
    }
    Ok(())
}

/// A disk queue that is being written.
struct Queue<'a> {
    to: &'a Path,
    name: String,
    file: Option<BufWriter<File>>,
    number: u32,
    bytes: u64,
    records: u64,
}

impl<'a> Queue<'a> {
    fn new(to: &'a Path, name: String) -> Self {
        Self { to, name, file: None, number: 0, bytes: 0, records: 0 }
    }

    fn path(&self, part: &str) -> PathBuf {
        self.to.join(format!("{}.diskqueue.{part}.dat", self.name))
    }

    /// Adds a message that a channel of ours has delivered so many times.
    fn push(&mut self, stored: &Stored<'_>, attempts: u16) -> anyhow::Result<()> {
        let frame = stored.message.frame;
        let size = RECORD_HEADER_BYTES + u32::try_from(frame.body().len())?;
        if self.file.is_some() && FILE_BYTES_MAX < self.bytes + 4 + u64::from(size) {
            self.end_file()?;
            self.number += 1;
            self.bytes = 0;
        }
        let path = self.path(&format!("{:06}", self.number));
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(create(&path)?),
        };
        file.write_all(&size.to_be_bytes())?;
        file.write_all(&frame.timestamp_ns().to_be_bytes())?;
        file.write_all(&stored.attempts(attempts).to_be_bytes())?;
        file.write_all(frame.id().as_bytes())?;
        file.write_all(frame.body())?;
        self.bytes += 4 + u64::from(size);
        self.records += 1;
        Ok(())
    }

    fn end_file(&mut self) -> io::Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        file.flush()?;
        file.get_ref().sync_all()
    }

    /// The meta file behind its data: without it NSQ would overwrite those.
    fn finish(mut self) -> io::Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        self.end_file()?;
        let mut meta = create(&self.path("meta"))?;
        writeln!(meta, "{}\n0,0\n{},{}", self.records, self.number, self.bytes)?;
        meta.flush()?;
        meta.get_ref().sync_all()
    }
}

fn create(path: &Path) -> io::Result<BufWriter<File>> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(BufWriter::new)
}

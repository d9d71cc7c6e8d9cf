//! Taking over a data path of NSQ 1.x at the start.
//!
//! Everything new is written into a folder that is not valid yet. One rename makes it valid; from then on the start goes on
//! where a kill left off: topics are moved to their places, and NSQ's files aside. Nothing of NSQ is deleted.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use protocol::{ChannelName, TopicName};
use rustix::fs::statvfs;
use tracing::{info, warn};

use super::{
    files::{Files, QueueFiles, QueueName},
    plan::{Gathered, Plan},
    queue::{self, Report},
    write::TopicToWrite,
};
use crate::{
    clock, fault,
    topic::{Folder, Metadata},
};

/// Not valid: begun anew by the next start.
const STAGING: &str = "nsqd.import.tmp";
/// Valid: finished by the next start.
const IMPORTED: &str = "nsqd.imported";
/// Names the folder for NSQ's files.
const ASIDE: &str = "aside";
/// How often a long import says how far it is.
const PROGRESS: Duration = Duration::from_secs(2);

/// What NSQ's metadata say of a topic.
#[derive(Debug, Default)]
struct Listed {
    paused: bool,
    channels: BTreeMap<ChannelName, bool>,
}

/// Takes over what NSQ 1.x left in `data_path`, which is locked, if it left anything.
///
/// # Errors
/// What is wrong and what to do, for the line that ends the start. NSQ's files are as they were.
pub(crate) fn import(data_path: &Path, segment_bytes_max: u32, max_msg_bytes: u32) -> Result<(), String> {
    let failed = |cause: io::Error| {
        format!(
            "cannot take over the data of NSQ 1.x in {}: {cause}; nothing of it was changed",
            data_path.display()
        )
    };
    if data_path.join(IMPORTED).exists() {
        info!("IMPORT: going on with an import that was interrupted");
        return finish(data_path).map_err(failed);
    }
    match fs::remove_dir_all(data_path.join(STAGING)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let files = Files::list(data_path).map_err(failed)?;
    if files.all.is_empty() {
        return Ok(());
    }
    if let Some(old) = &files.old_metadata
        && !data_path.join(Metadata::FILE).exists()
    {
        fs::copy(old, data_path.join(Metadata::FILE)).map_err(failed)?;
    }
    let listed = listed(data_path)?;
    info!("IMPORT: taking over {} disk queues of NSQ 1.x", files.queues.len());
    let staging = data_path.join(STAGING);
    fs::create_dir(&staging).map_err(failed)?;
    let mut importer =
        Importer { data_path, staging: &staging, segment_bytes_max, max_msg_bytes, told: Instant::now() };
    importer.all(&files, listed)?;
    let aside = format!("nsq-1.x-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    make_valid(data_path, &staging, &aside).map_err(failed)?;
    finish(data_path).map_err(failed)
}

/// Topics and channels of `nsqd.dat`.
fn listed(data_path: &Path) -> Result<BTreeMap<TopicName, Listed>, String> {
    let metadata = Metadata::read(data_path).map_err(|cause| {
        format!("{cause}; the disk queues beside it are not imported without it: repair it, or move it away to go by the names of the queues")
    })?;
    let mut topics: BTreeMap<TopicName, Listed> = BTreeMap::new();
    for entry in metadata.topics.unwrap_or_default() {
        // What is not legal is told of when the list is read for good.
        let Ok(name) = TopicName::parse(entry.name.as_bytes()) else { continue };
        let topic = topics.entry(name).or_default();
        topic.paused |= entry.paused;
        for channel in entry.channels.unwrap_or_default() {
            if let Ok(name) = ChannelName::parse(channel.name.as_bytes()) {
                *topic.channels.entry(name).or_default() |= channel.paused;
            }
        }
    }
    Ok(topics)
}

struct Importer<'a> {
    data_path: &'a Path,
    staging: &'a Path,
    segment_bytes_max: u32,
    max_msg_bytes: u32,
    told: Instant,
}

impl Importer<'_> {
    fn all(&mut self, files: &Files, mut listed: BTreeMap<TopicName, Listed>) -> Result<(), String> {
        let mut by_topic: BTreeMap<&str, Vec<(&QueueName, &QueueFiles)>> = BTreeMap::new();
        for (name, queue) in &files.queues {
            by_topic.entry(&name.topic).or_default().push((name, queue));
            report_bad(queue);
        }
        let (count, mut messages) = (by_topic.len(), 0);
        for (at, (topic, queues)) in by_topic.into_iter().enumerate() {
            if PROGRESS <= self.told.elapsed() {
                self.told = Instant::now();
                info!("IMPORT: {at} of {count} topics, {messages} messages so far");
            }
            let failed =
                |cause| format!("cannot import topic {topic}: {cause}; the data of NSQ are as they were");
            let name = TopicName::parse(topic.as_bytes()).ok().filter(|name| !name.is_ephemeral());
            let Some(name) = name else {
                set_aside(&queues).map_err(failed)?;
                continue;
            };
            let known = listed.remove(&name);
            messages += self.topic(&name, known, &queues).map_err(failed)?;
        }
        info!("IMPORT: {messages} messages of {count} topics");
        Ok(())
    }

    /// Writes one topic, if any of its queues holds something. Returns its messages.
    fn topic(
        &self,
        name: &TopicName,
        known: Option<Listed>,
        queues: &[(&QueueName, &QueueFiles)],
    ) -> io::Result<u64> {
        let is_known = known.is_some();
        let mut listed = known.unwrap_or_default();
        let mut channels: Vec<ChannelName> = listed.channels.keys().cloned().collect();
        // A place for each channel that has a queue; whether it is kept is known when the queue was read.
        let mut unlisted = Vec::new();
        for channel in queues.iter().filter_map(|(queue, _)| queue.channel.as_ref()) {
            if let Ok(channel) = ChannelName::parse(channel.as_bytes())
                && !listed.channels.contains_key(&channel)
            {
                unlisted.push(channel.clone());
            }
        }
        channels.extend(unlisted.iter().cloned());
        let own = u32::try_from(channels.len()).map_err(io::Error::other)?;
        let mut gathered = Gathered::new(i64::try_from(clock::unix_ns()).unwrap_or(i64::MAX));
        let mut paths: Vec<PathBuf> = Vec::new();
        for (queue, files) in queues {
            let place = match &queue.channel {
                None => own,
                Some(channel) => {
                    let place = channels.iter().position(|known| known.as_str() == channel);
                    let Some(place) = place else {
                        warn!(
                            "IMPORT: {channel} of topic {name} is no legal channel name; its files are set aside"
                        );
                        continue;
                    };
                    u32::try_from(place).map_err(io::Error::other)?
                }
            };
            let first = paths.len();
            paths.extend(files.data.values().cloned());
            let numbers: Vec<u64> = files.data.keys().copied().collect();
            let mut too_large = 0_u64;
            let report = queue::read(files, |number, found| {
                let at = first + numbers.partition_point(|known| *known < number);
                too_large += u64::from((self.max_msg_bytes as usize) < found.record.body.len());
                gathered.add(place, u32::try_from(at).unwrap_or(u32::MAX), found);
            })?;
            tell(queue, &report, too_large);
            if let Some(channel) = channels.get(place as usize)
                && unlisted.contains(channel)
                && 0 < report.records
            {
                warn!(
                    "IMPORT: {name}:{channel} is not in {} and holds {} messages: it is made",
                    Metadata::FILE,
                    report.records
                );
                listed.channels.insert(channel.clone(), false);
            }
        }
        let passes = !listed.paused && !listed.channels.is_empty();
        let plan = gathered.plan(own, passes);
        if plan.messages.is_empty() {
            return Ok(0);
        }
        if !is_known {
            warn!("IMPORT: topic {name} is not in {} and holds messages: it is made", Metadata::FILE);
        }
        if Folder::of(self.data_path, name).path().exists() {
            return Err(io::Error::other(
                "it has messages in disk queues of NSQ and is in use by this nsqd, too; move its .diskqueue. files elsewhere and start with another --data-path to import them",
            ));
        }
        let messages = plan.messages.len() as u64;
        self.write(name, &listed, &channels, plan, &paths)?;
        Ok(messages)
    }

    fn write(
        &self,
        name: &TopicName,
        listed: &Listed,
        channels: &[ChannelName],
        mut plan: Plan,
        files: &[PathBuf],
    ) -> io::Result<()> {
        let bytes: u64 = plan.messages.iter().map(|message| u64::from(message.body_bytes) + 42).sum();
        let system = statvfs(self.data_path)?;
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        if free < bytes + bytes / 16 {
            return Err(io::Error::other(format!(
                "it needs {bytes} bytes, of which {free} are free; make room and start again"
            )));
        }
        // A channel that nobody lists and whose queue is empty is none.
        let kept = channels.iter().zip(&plan.foreign).filter_map(|(channel, foreign)| {
            Some(((channel.clone(), *listed.channels.get(channel)?), foreign.clone()))
        });
        let (channels, foreign): (Vec<_>, Vec<_>) = kept.unzip();
        plan.foreign = foreign;
        if plan.duplicates != 0 {
            info!("IMPORT: {} records of topic {name} were there twice", plan.duplicates);
        }
        fault::at("import-write")?;
        TopicToWrite { name, paused: listed.paused, channels: &channels, plan: &plan, files }.write(
            self.staging,
            self.segment_bytes_max,
            clock::unix_ns(),
        )
    }
}

fn tell(queue: &QueueName, report: &Report, too_large: u64) {
    let name = queue
        .channel
        .as_ref()
        .map_or_else(|| queue.topic.clone(), |channel| format!("{}:{channel}", queue.topic));
    if let Some(depth) = report.recorded_depth
        && i64::try_from(report.records).is_ok_and(|records| records != depth)
    {
        info!("IMPORT: {name}: NSQ counted {depth} messages, {} are there", report.records);
    }
    if report.skipped + report.torn != 0 {
        warn!(
            "IMPORT: {name}: {} bytes in the middle and {} at the end are no messages",
            report.skipped, report.torn
        );
    }
    if too_large != 0 {
        warn!("IMPORT: {name}: {too_large} messages are larger than --max-msg-size; they are kept");
    }
    info!(
        "IMPORT: {name}: {} messages with {} bytes in {} files; {} files were delivered",
        report.records, report.bytes, report.files, report.delivered_files
    );
}

/// `.bad` files hold delivered messages as a rule, and are never imported by themselves.
fn report_bad(queue: &QueueFiles) {
    for path in &queue.bad {
        let records =
            queue::count_records(path).map_or_else(|error| error.to_string(), |count| count.to_string());
        warn!(
            file = %path.display(), records,
            "IMPORT: set aside by NSQ, most often with delivered messages; not imported. To import it, name it .dat, with a number above its queue's"
        );
    }
}

/// Queues of what does not outlive a process, or has no legal name.
fn set_aside(queues: &[(&QueueName, &QueueFiles)]) -> io::Result<()> {
    for (name, files) in queues {
        let report = queue::read(files, |_, _| ())?;
        warn!(
            "IMPORT: {}: ephemeral, or no legal name; {} messages of {:?} are set aside, not imported",
            name.topic, report.records, name.channel
        );
    }
    Ok(())
}

fn make_valid(data_path: &Path, staging: &Path, aside: &str) -> io::Result<()> {
    fs::write(staging.join(ASIDE), aside)?;
    File::open(staging.join(ASIDE))?.sync_all()?;
    File::open(staging)?.sync_all()?;
    fault::at("import-staged")?;
    fs::rename(staging, data_path.join(IMPORTED))?;
    File::open(data_path)?.sync_all()?;
    fault::at("import-valid")
}

/// Moves the imported topics to their places and NSQ's files aside. Each step may have been done before.
fn finish(data_path: &Path) -> io::Result<()> {
    let imported = data_path.join(IMPORTED);
    let Ok(name) = fs::read_to_string(imported.join(ASIDE)) else {
        // The very last step was interrupted.
        return fs::remove_dir_all(&imported);
    };
    for entry in fs::read_dir(&imported)? {
        let path = entry?.path();
        if path.is_dir()
            && let Some(name) = path.file_name()
        {
            fault::at("import-move-topic")?;
            fs::rename(&path, data_path.join(name))?;
        }
    }
    File::open(data_path)?.sync_all()?;
    let aside = data_path.join(name);
    match fs::create_dir(&aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for path in Files::list(data_path)?.all {
        if let Some(name) = path.file_name() {
            fault::at("import-move-file")?;
            fs::rename(&path, aside.join(name))?;
        }
    }
    // Ours is written from it, and written anew; NSQ's is kept with its queues.
    if data_path.join(Metadata::FILE).exists() && !aside.join(Metadata::FILE).exists() {
        fs::copy(data_path.join(Metadata::FILE), aside.join(Metadata::FILE))?;
    }
    File::open(&aside)?.sync_all()?;
    File::open(data_path)?.sync_all()?;
    fault::at("import-moved")?;
    fs::remove_file(imported.join(ASIDE))?;
    fs::remove_dir(&imported)?;
    info!("IMPORT: done; the files of NSQ are in {}", aside.display());
    Ok(())
}

//! A planned topic as files of ours.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use protocol::{ChannelName, TopicName};

use super::plan::Plan;
use crate::{
    channel::{Checkpoint, write_atomically},
    log::{Stored, StoredWriter},
    topic::{Folder, TopicState},
};

/// Files that are open at a time.
const OPEN_MAX: usize = 64;

/// A topic to be written.
#[derive(Debug)]
pub(super) struct TopicToWrite<'a> {
    pub(super) name: &'a TopicName,
    pub(super) paused: bool,
    /// With their pauses; in the order of the plan.
    pub(super) channels: &'a [(ChannelName, bool)],
    pub(super) plan: &'a Plan,
    /// Where the bodies are.
    pub(super) files: &'a [PathBuf],
}

impl TopicToWrite<'_> {
    /// Writes it into `staging`, synced.
    ///
    /// # Errors
    /// A body cannot be read, or something not be written.
    pub(super) fn write(&self, staging: &Path, segment_bytes_max: u32, now_unix_ns: u64) -> io::Result<()> {
        let folder = Folder::of(staging, self.name);
        folder.create()?;
        let messages = &self.plan.messages;
        let body_bytes = messages.iter().map(|message| u64::from(message.body_bytes)).sum();
        let count = messages.len() as u64;
        let mut writer = StoredWriter::new(folder.path(), segment_bytes_max, count, body_bytes);
        let mut open: HashMap<u32, File> = HashMap::new();
        let mut body = Vec::new();
        for message in messages {
            if OPEN_MAX <= open.len() && !open.contains_key(&message.file) {
                open.clear();
            }
            let file = match open.entry(message.file) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    let path = self.files.get(message.file as usize);
                    entry.insert(File::open(path.ok_or(io::ErrorKind::NotFound)?)?)
                }
            };
            body.resize(message.body_bytes as usize, 0);
            file.read_exact_at(&mut body, message.body_at)?;
            let (id, timestamp_ns, attempts) = (message.id, message.timestamp_ns, message.attempts);
            writer.push(Stored { id, timestamp_ns, attempts, body: &body }, now_unix_ns)?;
        }
        writer.finish()?;
        for ((name, paused), foreign) in self.channels.iter().zip(&self.plan.foreign) {
            let checkpoint = Checkpoint { skipped: foreign.clone(), ..Checkpoint::at(0, *paused) };
            write_atomically(&folder.channel_file(name), &checkpoint.encode(), true)?;
        }
        let held = if self.paused || self.channels.is_empty() { self.plan.topic_from } else { count };
        folder.write_state(TopicState { paused: self.paused, held, tail: count }, true)
    }
}

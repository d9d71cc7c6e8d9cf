//! The folder of a topic.

use std::{
    io,
    path::{Path, PathBuf},
};

use protocol::TopicName;

use super::channel::ChannelFile;
use crate::{
    log::{Inspected, Inspection},
    topic::{Folder, StateFile, TopicState},
};

/// A topic as its files say.
#[derive(Debug)]
pub struct OfflineTopic {
    name: TopicName,
    folder: Folder,
    state: Option<TopicState>,
    is_state_damaged: bool,
    channels: Vec<ChannelFile>,
    segments: Vec<PathBuf>,
}

/// A file of a topic's log.
#[derive(Debug)]
pub enum SegmentFile {
    /// What it holds.
    Segment(Inspected),
    /// The header does not check; nothing is known of its messages.
    Damaged(PathBuf),
}

impl OfflineTopic {
    pub(super) fn open(data_path: &Path, name: &TopicName) -> io::Result<Self> {
        let folder = Folder::of(data_path, name);
        let channels = folder.channels()?;
        let channels = channels.into_iter().map(|(name, path)| ChannelFile::read(name, path));
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(folder.path())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "seg") {
                segments.push(path);
            }
        }
        segments.sort();
        let (state, is_state_damaged) = match folder.read_state()? {
            StateFile::Whole(state) => (Some(state), false),
            StateFile::Absent => (None, false),
            StateFile::Damaged => (None, true),
        };
        Ok(Self {
            name: name.clone(),
            state,
            is_state_damaged,
            channels: channels.collect::<io::Result<_>>()?,
            folder,
            segments,
        })
    }

    /// Its name.
    pub fn name(&self) -> &TopicName {
        &self.name
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its channels, by name.
    pub fn channels(&self) -> &[ChannelFile] {
        &self.channels
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.state.is_some_and(|state| state.paused)
    }

    /// The file of its state, if that is there and does not check.
    pub fn damaged_state(&self) -> Option<PathBuf> {
        self.is_state_damaged.then(|| self.folder.state_file())
    }

    /// From this seq on messages wait in the topic itself, for a channel to come or the end of a pause; `None` if they go
    /// to its channels.
    pub fn held(&self) -> Option<u64> {
        if self.is_paused() || self.channels.is_empty() {
            return Some(self.state.map_or(0, |state| state.held));
        }
        None
    }

    /// Seqs below this one were given out, whatever the segments say.
    pub fn tail_floor(&self) -> u64 {
        let taken = self.channels.iter().map(ChannelFile::taken).max().unwrap_or(0);
        self.state.map_or(0, |state| state.tail).max(taken)
    }

    /// Files of its log.
    pub fn segment_files(&self) -> &[PathBuf] {
        &self.segments
    }

    /// Reads the files of the log, one after the other in the order of their messages, each message in one of them.
    ///
    /// # Errors
    /// What `each` says, or a file cannot be read.
    pub fn read<E: From<io::Error>>(
        &self,
        mut each: impl FnMut(SegmentFile) -> Result<(), E>,
    ) -> Result<(), E> {
        // Only bases first: a large log does not fit into memory.
        let mut bases = Vec::with_capacity(self.segments.len());
        for path in &self.segments {
            match crate::log::segment_base(path)? {
                Some(base) => bases.push((base, path)),
                None => {
                    if let Inspection::Damaged = Inspected::read(path)? {
                        each(SegmentFile::Damaged(path.clone()))?;
                    }
                }
            }
        }
        bases.sort();
        for (_, path) in bases {
            match Inspected::read(path)? {
                Inspection::Segment(segment) => each(SegmentFile::Segment(segment))?,
                Inspection::Damaged => each(SegmentFile::Damaged(path.clone()))?,
                Inspection::Blank => {}
            }
        }
        Ok(())
    }
}

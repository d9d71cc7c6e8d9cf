//! A channel's checkpoint, and what it says of each message.

use std::{collections::HashMap, io, path::PathBuf};

use protocol::ChannelName;

use crate::channel::{Checkpoint, Deferred, Pending};

/// A channel of a topic.
#[derive(Debug)]
pub struct ChannelFile {
    name: ChannelName,
    path: PathBuf,
    /// `None` if it is damaged.
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    checkpoint: Checkpoint,
    /// Of the requeued and deferred ones: deliveries so far, and a deadline.
    listed: HashMap<u64, Outstanding>,
}

/// A message that a channel still has to deliver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outstanding {
    /// Deliveries by the channel so far.
    pub attempts: u16,
    /// Unix time in ns, if a delay was set for it by the channel.
    pub deadline_unix_ns: Option<u64>,
}

impl ChannelFile {
    pub(super) fn read(name: ChannelName, path: PathBuf) -> io::Result<Self> {
        let state = Checkpoint::decode(&std::fs::read(&path)?).map(|checkpoint| {
            let requeued = checkpoint.requeued.iter().map(|Pending { seq, attempts }| {
                (*seq, Outstanding { attempts: *attempts, deadline_unix_ns: None })
            });
            let deferred = checkpoint.deferred.iter().map(|Deferred { deadline_unix_ns, seq, attempts }| {
                (*seq, Outstanding { attempts: *attempts, deadline_unix_ns: Some(*deadline_unix_ns) })
            });
            let listed = requeued.chain(deferred).collect();
            State { checkpoint, listed }
        });
        Ok(Self { name, path, state })
    }

    /// Its name.
    pub fn name(&self) -> &ChannelName {
        &self.name
    }

    /// Its file.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Whether its checkpoint does not check. All that is there counts as outstanding then.
    pub fn is_damaged(&self) -> bool {
        self.state.is_none()
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.checkpoint.paused)
    }

    /// What it has to do with the message `seq`, if it still has anything.
    pub fn outstanding(&self, seq: u64) -> Option<Outstanding> {
        let Some(State { checkpoint, listed }) = &self.state else { return Some(Outstanding::default()) };
        if checkpoint.cursor <= seq {
            let at = checkpoint.skipped.partition_point(|(_, to)| *to <= seq);
            let is_skipped = checkpoint.skipped.get(at).is_some_and(|(from, _)| *from <= seq);
            return (!is_skipped).then(Outstanding::default);
        }
        if checkpoint.window.is_acknowledged(seq) {
            return None;
        }
        // What is not listed was with a consumer.
        Some(listed.get(&seq).copied().unwrap_or(Outstanding { attempts: 1, deadline_unix_ns: None }))
    }

    pub(super) fn taken(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.checkpoint.cursor)
    }
}

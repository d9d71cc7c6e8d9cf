//! What every topic uses of the daemon.

use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64},
    },
};

use tokio::sync::watch;

use super::{commit::Commits, housekeeping::Housekeeping, topics::Topics};
use crate::{
    alarms::Alarms,
    log::{Check, Limits, Storage},
    timers::Timers,
};

/// Settings and services of topics and channels.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) storage: Storage,
    pub(crate) timers: Arc<Timers>,
    pub(crate) housekeeping: Arc<Housekeeping>,
    pub(crate) data_path: PathBuf,
    pub(crate) segment_bytes_max: u32,
    pub(crate) limits: Limits,
    pub(crate) node_id: protocol::NodeId,
    /// Messages after which a topic is synced, if the sync interval is not over before.
    pub(crate) sync_every: u64,
    /// Messages that wait in an ephemeral topic or channel, at most.
    pub(crate) ephemeral_depth_max: u64,
    /// Whether channels wake consumers near by first.
    pub(crate) prefers_near: bool,
    /// The time that latency percentiles of channels cover, if they are wanted.
    pub(crate) latency_window_ns: Option<u64>,
    /// Which segments are checked at the start.
    pub(crate) check: Check,
    pub(crate) alarms: Arc<Alarms>,
    /// Where publishes wait for the disk.
    pub(crate) commits: Option<Commits>,
    /// Whether they do, unless a topic's policy says otherwise.
    pub(crate) sync_before_ok: bool,
    /// All topics, once they are opened.
    pub(crate) topics: OnceLock<Weak<Topics>>,
    /// Changes with each topic and channel that comes or goes.
    pub(crate) names: watch::Sender<u64>,
    /// Whether new topics wait until it is known which channels they have elsewhere.
    pub(crate) asks_elsewhere: AtomicBool,
    /// Numbers for channels.
    pub(crate) numbers: AtomicU64,
}

impl Environment {
    /// A topic or channel came or went.
    pub(super) fn note_names(&self) {
        self.names.send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

//! The daemon's shared parts, as its HTTP face uses them.

use std::{
    sync::atomic::AtomicU64,
    time::{SystemTime, UNIX_EPOCH},
};

use daemon::{ask::Asker, log::Log};

use crate::{access::Access, cluster::View, live::Live, notify::Notifier, options::Start, page::Page};

/// The view of the cluster, the rules, and what the page is.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) start: Start,
    pub(crate) log: Log,
    pub(crate) hostname: String,
    pub(crate) view: View,
    pub(crate) live: Live,
    pub(crate) access: Access,
    pub(crate) notifier: Notifier,
    pub(crate) page: Page,
    pub(crate) start_unix: u64,
    /// Begun.
    pub(crate) actions: AtomicU64,
    /// Of those who may not act.
    pub(crate) denied: AtomicU64,
    /// Asks whoever is not of the cluster.
    pub(crate) asker: Asker,
}

/// The time, as seconds since 1970.
pub(crate) fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

//! Syncs, checkpoints and the release of segments, once a sync interval for all topics that changed.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tracing::error;

use super::topic::Topic;
use crate::{clock, log::Storage};

/// With more changed topics than this, one sync of the file system is cheaper than one for each.
const SYNC_SINGLY_MAX: usize = 8;

/// How often old segments are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(30);

/// The topics that changed since the last round.
#[derive(Debug)]
pub(crate) struct Housekeeping {
    storage: Storage,
    data_path: PathBuf,
    interval: Duration,
    dirty: Mutex<Vec<Arc<Topic>>>,
    is_scheduled: AtomicBool,
    /// Topics with old segments, which may be worth compacting once they are old enough.
    watched: Mutex<Vec<Arc<Topic>>>,
    is_watching: AtomicBool,
}

impl Housekeeping {
    pub(crate) fn new(storage: Storage, data_path: PathBuf, interval: Duration) -> Arc<Self> {
        Arc::new(Self {
            storage,
            data_path,
            interval,
            dirty: Mutex::default(),
            is_scheduled: AtomicBool::new(false),
            watched: Mutex::default(),
            is_watching: AtomicBool::new(false),
        })
    }

    /// Has `topic` looked after within the interval.
    #[cold]
    pub(super) fn note(self: &Arc<Self>, topic: Arc<Topic>) {
        if !topic.is_dirty.swap(true, Ordering::AcqRel) {
            self.dirty.lock().push(topic);
        }
        self.schedule();
    }

    fn schedule(self: &Arc<Self>) {
        if !self.is_scheduled.swap(true, Ordering::AcqRel) {
            let me = Arc::clone(self);
            // Where the queue is full, the next change asks again.
            if !self.storage.run_after(self.interval, move || me.round()) {
                self.is_scheduled.store(false, Ordering::Release);
            }
        }
    }

    /// On the storage thread.
    pub(super) fn round(self: &Arc<Self>) {
        self.is_scheduled.store(false, Ordering::Release);
        let topics = std::mem::take(&mut *self.dirty.lock());
        // Before anything is read: a change from here on is a new one.
        for topic in &topics {
            topic.is_dirty.store(false, Ordering::Release);
        }
        for topic in &topics {
            self.watch(topic);
        }
        let together = SYNC_SINGLY_MAX < topics.len();
        let tails: Vec<u64> = topics.iter().map(|topic| topic.tail()).collect();
        for topic in &topics {
            topic.settle();
            topic.save(!together);
        }
        let synced = if together { self.sync_file_system() } else { Ok(()) };
        if let Err(cause) = &synced {
            error!(%cause, "cannot sync the file system; topics are synced one by one");
        }
        if !together || synced.is_err() {
            for topic in &topics {
                topic.sync_log();
            }
            return;
        }
        for (topic, tail) in topics.iter().zip(tails) {
            topic.note_synced(tail);
        }
    }

    /// Has a topic looked at again while it has more than the segment that is written to.
    fn watch(self: &Arc<Self>, topic: &Arc<Topic>) {
        if !topic.has_old_segments() {
            return;
        }
        if !topic.is_watched.swap(true, Ordering::AcqRel) {
            self.watched.lock().push(Arc::clone(topic));
        }
        if !self.is_watching.swap(true, Ordering::AcqRel) {
            let me = Arc::clone(self);
            if !self.storage.run_after(WATCH_INTERVAL, move || me.look_at_old()) {
                self.is_watching.store(false, Ordering::Release);
            }
        }
    }

    /// On the storage thread.
    fn look_at_old(self: &Arc<Self>) {
        self.is_watching.store(false, Ordering::Release);
        let watched = std::mem::take(&mut *self.watched.lock());
        for topic in watched {
            topic.is_watched.store(false, Ordering::Release);
            topic.release();
            topic.compact(clock::unix_ns());
            self.watch(&topic);
        }
    }

    /// Lets go of the topics, as the end of the process does.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        self.dirty.lock().clear();
        self.watched.lock().clear();
    }

    /// Waits until all that was written to the data path's file system is on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn sync_file_system(&self) -> io::Result<()> {
        let folder = File::open(&self.data_path)?;
        Ok(self.storage.sync_times().time(|| rustix::fs::syncfs(folder))?)
    }
}

//! What of a log is on the disk.

use std::{
    fs::File,
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;

use super::log::{Log, Next, Place};

/// Syncs of a log, one at a time: the kernel reports a failure once, to one of those who ask.
#[derive(Debug)]
pub(super) struct Syncs {
    /// Below this everything is on the disk, save what has failed. Held for as long as a sync takes.
    synced: Mutex<u64>,
    failed: Mutex<Option<Failed>>,
    /// A file was made whose name may not be on the disk.
    has_new_file: AtomicBool,
    /// Nor may that of the folder.
    is_new_folder: AtomicBool,
}

/// Seqs whose sync has failed. It is not tried again: what the page cache says afterwards proves nothing.
#[derive(Debug, Clone)]
struct Failed {
    from: u64,
    to: u64,
    cause: String,
}

/// Messages of which nobody knows whether they are on the disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sync failed, the message may not be on the disk: {cause}")]
pub struct SyncFailed {
    /// What the system said.
    pub cause: String,
}

impl Syncs {
    /// Of a log whose messages below `tail` were there when it was opened.
    pub(super) fn new(tail: u64) -> Self {
        Self {
            synced: Mutex::new(tail),
            failed: Mutex::new(None),
            has_new_file: AtomicBool::new(false),
            is_new_folder: AtomicBool::new(true),
        }
    }

    pub(super) fn note_new_file(&self) {
        self.has_new_file.store(true, Ordering::Release);
    }
}

impl Log {
    /// Waits until all that was published before the call is on the disk. For threads that may wait.
    ///
    /// # Errors
    /// The segment that failed takes no more messages; what it holds is still delivered. Later calls are about later
    /// messages: see [`Log::is_durable`].
    pub fn sync(&self) -> io::Result<()> {
        let mut synced = self.syncs.synced.lock();
        let (from, tail) = (*synced, self.tail());
        if from == tail {
            return Ok(());
        }
        let changed: Vec<_> = {
            let segments = self.segments.read();
            segments.iter().filter(|segment| from < segment.tail()).cloned().collect()
        };
        let sync = || self.sync_names().and_then(|()| changed.iter().try_for_each(|segment| segment.sync()));
        let result = self.storage.sync_times().time(sync);
        match &result {
            Ok(()) => {
                *synced = tail;
                for segment in changed.iter().filter(|segment| segment.tail() <= tail) {
                    segment.note_synced();
                }
            }
            Err(cause) => {
                // Also what was appended meanwhile is in the segment that failed.
                let to = self.end_segment();
                *synced = to;
                for segment in &changed {
                    segment.note_failed();
                }
                let mut failed = self.syncs.failed.lock();
                let from = failed.as_ref().map_or(from, |failed| failed.from);
                *failed = Some(Failed { from, to, cause: cause.to_string() });
            }
        }
        result
    }

    /// The entries of new files in their folders.
    fn sync_names(&self) -> io::Result<()> {
        let Place::Folder(folder) = self.place() else { return Ok(()) };
        if self.syncs.has_new_file.swap(false, Ordering::AcqRel) {
            File::open(folder)?.sync_all()?;
            if let (true, Some(parent)) =
                (self.syncs.is_new_folder.swap(false, Ordering::AcqRel), folder.parent())
            {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(())
    }

    /// Ends the segment that is written to, and returns the seq behind it.
    fn end_segment(&self) -> u64 {
        let mut appender = self.appender.lock();
        if let Some(writer) = appender.writer.take() {
            writer.seal();
        }
        appender.next_seq
    }

    /// Notes that everything below `tail` is on the disk.
    pub fn note_synced(&self, tail: u64) {
        {
            let mut synced = self.syncs.synced.lock();
            *synced = tail.max(*synced);
        }
        let segments: Vec<_> = {
            let segments = self.segments.read();
            segments.iter().take_while(|segment| segment.tail() <= tail).cloned().collect()
        };
        for segment in segments {
            segment.note_synced();
        }
    }

    /// Whether the messages `from..to`, which a sync was made for, are on the disk.
    ///
    /// # Errors
    /// [`SyncFailed`] if a sync of any of them has failed.
    pub fn is_durable(&self, from: u64, to: u64) -> Result<(), SyncFailed> {
        match &*self.syncs.failed.lock() {
            Some(failed) if failed.from < to && from < failed.to => {
                Err(SyncFailed { cause: failed.cause.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Why messages cannot be stored or read, or may not be on the disk. Tries whether there is room again. A failed
    /// sync is told of until its messages are consumed.
    pub fn failure(&self) -> Option<String> {
        if let Some(failure) = self.read_failure.lock().clone() {
            return Some(failure);
        }
        if let Some(failure) = self.sync_failure() {
            return Some(failure);
        }
        let mut appender = self.appender.lock();
        appender.failure.as_ref()?;
        if matches!(appender.next, Next::Ready(_)) || !appender.spares.is_empty() {
            appender.failure = None;
            return None;
        }
        let (bytes, path) = (self.next_capacity(&appender, 0), self.next_path(&mut appender));
        match self.create(path.as_deref(), bytes) {
            Ok(blank) => {
                appender.next = Next::Ready(blank);
                appender.failure = None;
            }
            Err(error) => appender.failure = Some(error.to_string()),
        }
        appender.failure.clone()
    }

    fn sync_failure(&self) -> Option<String> {
        let mut failed = self.syncs.failed.lock();
        let Failed { from, to, cause } = failed.as_ref()?;
        let is_held = self.ranges().iter().any(|(base, tail)| *base < *to && *from < *tail);
        if !is_held {
            *failed = None;
            return None;
        }
        Some(format!("sync failed, messages may not be on the disk: {cause}"))
    }
}

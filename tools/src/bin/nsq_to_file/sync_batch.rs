//! Messages that are written and not yet acknowledged.

use crate::failure::Failure;
use crate::topic_files::{Now, TopicFiles};

/// What is written: a message of the client, or its stand-in in tests.
pub(crate) trait Line {
    /// What becomes a line.
    fn body(&self) -> &[u8];

    /// It is on the disk.
    fn finish(self);

    /// It will be a while.
    fn touch(&self);
}

/// Writes messages and finishes them when they are on the disk.
///
/// Invariant: whatever is pending was pushed to the file that is open, and to no other.
pub(crate) struct SyncBatch<M> {
    /// `topic/channel`, for the log.
    label: std::sync::Arc<str>,
    files: TopicFiles,
    pending: Vec<M>,
    /// With so many pending, they are synced.
    pending_max: usize,
    skips_empty_files: bool,
}

impl<M: Line> SyncBatch<M> {
    /// With nothing pending.
    pub(crate) fn new(
        label: std::sync::Arc<str>,
        files: TopicFiles,
        pending_max: usize,
        skips_empty_files: bool,
    ) -> Self {
        Self { label, files, pending: Vec::new(), pending_max, skips_empty_files }
    }

    /// Whether something waits for a sync.
    pub(crate) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Writes messages, which are taken out. A rotation or a full batch finishes what came before.
    ///
    /// # Errors
    /// If they cannot be written. Those that are not finished come again.
    pub(crate) fn write(&mut self, messages: &mut Vec<M>, now: Now) -> Result<(), Failure> {
        if messages.is_empty() {
            return Ok(());
        }
        if self.files.is_out_of_date(now) {
            self.rotate(now)?;
        }
        for message in messages.drain(..) {
            if self.files.is_full() {
                self.rotate(now)?;
            }
            self.files.push(message.body())?;
            self.pending.push(message);
            if self.pending_max <= self.pending.len() {
                self.sync()?;
            }
        }
        self.files.flush()
    }

    /// The sync interval is over: rotates what is due, and finishes what is pending.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn tick(&mut self, now: Now) -> Result<(), Failure> {
        if self.files.is_out_of_date(now) || self.files.is_full() {
            if self.skips_empty_files {
                self.close()?;
            } else {
                self.rotate(now)?;
            }
        }
        if self.pending.is_empty() {
            self.pending = Vec::new();
            self.files.shrink();
        }
        self.sync()
    }

    /// Finishes what is pending.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        if !self.pending.is_empty() {
            tracing::debug!("[{}] syncing {} records to disk", self.label, self.pending.len());
            self.files.sync()?;
        }
        self.finish_pending();
        Ok(())
    }

    /// Finishes what is pending, and closes the file.
    ///
    /// # Errors
    /// If it cannot be written or moved.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        self.files.close()?;
        self.finish_pending();
        Ok(())
    }

    /// Asks for more time for what is pending.
    pub(crate) fn touch(&self) {
        self.pending.iter().for_each(M::touch);
    }

    fn rotate(&mut self, now: Now) -> Result<(), Failure> {
        self.close()?;
        self.files.rotate(now)
    }

    fn finish_pending(&mut self) {
        self.pending.drain(..).for_each(M::finish);
    }
}

//! Where the memory of the next segment comes from.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::AppendError,
    log::{Appender, Log, Next, Place},
    segment::{Blank, Entry, SEGMENT_BYTES_MAX, Segment, Writer},
};

/// First segment of a topic: small, since most topics stay small.
const FIRST_SEGMENT_BYTES: u32 = 256 << 10;
/// What a busy topic whose consumers keep up grows to: large enough that changing segments costs nothing, small
/// enough that recycled pages are still in the processor's cache.
const STEADY_SEGMENT_BYTES: u32 = 4 << 20;
/// How far ahead of the writer pages are faulted in.
const POPULATE_BYTES: u32 = 1 << 20;

impl Log {
    /// Asks the storage thread for what is needed soon.
    #[inline]
    pub(super) fn look_ahead(&self, appender: &mut Appender) {
        let Some(writer) = &appender.writer else { return };
        let (end, capacity) = (writer.end(), writer.segment().capacity());
        if appender.populated < capacity
            && appender.populated < end + POPULATE_BYTES / 2
            && self.place != Place::Memory
        {
            let from = appender.populated.max(end);
            appender.populated = from + POPULATE_BYTES;
            self.storage.populate_write(writer.segment(), from, POPULATE_BYTES);
        }
        if capacity / 2 < end && matches!(appender.next, Next::None) && appender.spares.is_empty() {
            let bytes = self.next_capacity(appender, 0);
            if self.storage.prepare(self.me.clone(), bytes) {
                appender.next = Next::Asked;
            }
        }
    }

    /// On the storage thread: makes the next segment before it is needed.
    pub(super) fn prepare_next(&self, bytes: u32) {
        let path = {
            let mut appender = self.appender.lock();
            if !matches!(appender.next, Next::Asked) {
                return;
            }
            let limit = self.limits().topic_bytes_max;
            if limit != 0 && limit < self.bytes(&appender) + u64::from(bytes) {
                appender.next = Next::None;
                return;
            }
            self.next_path(&mut appender)
        };
        let blank = self.create(path.as_deref(), bytes);
        let mut appender = self.appender.lock();
        appender.next = match blank {
            Ok(blank) => {
                if path.is_some() {
                    blank.populate(POPULATE_BYTES.min(bytes) as usize);
                }
                Next::Ready(blank)
            }
            // Tried again, and reported, by the publish that needs it.
            Err(_) => Next::None,
        };
    }

    #[cold]
    pub(super) fn change_segment(
        &self,
        appender: &mut Appender,
        messages: usize,
        body_bytes: usize,
        deferred: bool,
        now_unix_ns: i64,
    ) -> Result<(), AppendError> {
        if appender.closed {
            return Err(AppendError::Closed);
        }
        let needed = Writer::capacity_for(messages, body_bytes, deferred);
        if SEGMENT_BYTES_MAX as usize <= needed {
            return Err(AppendError::TooBig { bytes: needed, limit: SEGMENT_BYTES_MAX });
        }
        let needed = u32::try_from(needed).expect("checked above");
        let blank = match self.blank(appender, needed) {
            Ok(Some(blank)) => blank,
            Ok(None) => return Err(AppendError::TopicFull { limit: self.limits().topic_bytes_max }),
            Err(cause) => {
                let place = match &self.place {
                    Place::Folder(path) => path.display().to_string(),
                    Place::Memory => "memory".to_owned(),
                };
                appender.failure = Some(cause.to_string());
                return Err(AppendError::NoRoom { place, cause });
            }
        };
        appender.failure = None;
        let entry = Entry {
            base: appender.next_seq,
            salt: RandomState::new().hash_one(appender.next_seq),
            id_floor: appender.last_id.to_u64().unwrap_or(0),
            now_unix_ns: u64::try_from(now_unix_ns).unwrap_or(0),
        };
        if let Some(full) = appender.writer.take() {
            full.seal();
        }
        let writer = Writer::begin(blank, entry);
        self.segments.write().push_back(Arc::clone(writer.segment()));
        appender.writer = Some(writer);
        Ok(())
    }

    /// The cheapest memory of at least `needed` bytes: recycled, made ahead, or made now.
    ///
    /// `None` if the topic has as many bytes as it may.
    fn blank(&self, appender: &mut Appender, needed: u32) -> io::Result<Option<Blank>> {
        let fitting = |spare: &Arc<Segment>| needed <= spare.capacity() && Arc::strong_count(spare) == 1;
        if let Some(at) = appender.spares.iter().position(fitting) {
            let spare = appender.spares.swap_remove(at);
            // Nobody else can get at a spare, so that a count of one stays one.
            if let Some(blank) = Arc::try_unwrap(spare).ok().and_then(Blank::recycle) {
                appender.populated = u32::MAX;
                return Ok(Some(blank));
            }
        }
        if matches!(&appender.next, Next::Ready(blank) if needed <= blank.capacity())
            && let Next::Ready(blank) = std::mem::replace(&mut appender.next, Next::None)
        {
            appender.populated = POPULATE_BYTES;
            return Ok(Some(blank));
        }
        let room = self.room(appender, needed);
        let bytes = self.next_capacity(appender, needed).min(room);
        if bytes < needed {
            return Ok(None);
        }
        let path = self.next_path(appender);
        appender.populated = if bytes < POPULATE_BYTES { u32::MAX } else { 0 };
        let blank = self.create(path.as_deref(), bytes).or_else(|error| {
            // A nearly full disk may still take a smaller one.
            let small = room.min(round_up(needed.max(FIRST_SEGMENT_BYTES.min(self.segment_bytes_max))));
            if small < bytes { self.create(path.as_deref(), small) } else { Err(error) }
        });
        blank.map(Some)
    }

    /// Bytes that the topic may still take on the disk, given that `needed` are. What is kept to be written to goes first.
    fn room(&self, appender: &mut Appender, needed: u32) -> u32 {
        let limit = self.limits().topic_bytes_max;
        if limit == 0 || self.place == Place::Memory {
            return u32::MAX;
        }
        if limit < self.bytes(appender) + u64::from(needed) {
            self.remove_spares(appender);
            if let Next::Ready(blank) = std::mem::replace(&mut appender.next, Next::None)
                && let Some(path) = blank.path()
            {
                // A file that stays is found to be empty, and removed, at the next start.
                let _ = std::fs::remove_file(path);
            }
        }
        let room = limit.saturating_sub(self.bytes(appender)) / 4096 * 4096;
        u32::try_from(room).unwrap_or(u32::MAX)
    }

    /// Gives the segments back that are kept to be written to again.
    pub(crate) fn free_spares(&self) {
        self.remove_spares(&mut self.appender.lock());
    }

    fn remove_spares(&self, appender: &mut Appender) {
        for spare in appender.spares.drain(..) {
            self.storage.remove(spare);
        }
    }

    pub(super) fn next_path(&self, appender: &mut Appender) -> Option<PathBuf> {
        let Place::Folder(folder) = &self.place else { return None };
        appender.file_number += 1;
        Some(segment_path(folder, appender.file_number))
    }

    /// Grows with the backlog, so that a long one has few files and a short one stays in the cache.
    pub(super) fn next_capacity(&self, appender: &Appender, needed: u32) -> u32 {
        let live: u64 = self.segments.read().iter().map(|segment| u64::from(segment.capacity())).sum();
        let busy = appender.appended_bytes.min(u64::from(STEADY_SEGMENT_BYTES));
        let mut wanted = (live / 2).max(busy).min(u64::from(SEGMENT_BYTES_MAX));
        if self.limits().topic_bytes_max != 0 {
            // A bounded log gives room back in pieces that matter.
            wanted = wanted.min(self.limits().topic_bytes_max / 8);
        }
        let wanted = u32::try_from(wanted).expect("the line above").next_power_of_two();
        round_up(wanted.max(FIRST_SEGMENT_BYTES).min(self.segment_bytes_max).max(needed))
    }

    /// A new file, or memory.
    pub(super) fn create(&self, path: Option<&Path>, bytes: u32) -> io::Result<Blank> {
        let Some(path) = path else { return Blank::anonymous(bytes) };
        self.limits().check_free(path, bytes)?;
        let blank = Blank::create(path, bytes)?;
        self.syncs.note_new_file();
        Ok(blank)
    }
}

/// The file of a segment. The number is that of its creation and says nothing about its content.
pub(super) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.seg"))
}

fn round_up(bytes: u32) -> u32 {
    bytes.next_multiple_of(4096).min(SEGMENT_BYTES_MAX)
}

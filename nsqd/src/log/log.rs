//! The log of one topic.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use protocol::{IdGenerator, MESSAGE_FRAME_HEADER_BYTES, MessageHeader, MessageId};
use tracing::error;

use super::{
    allocate::segment_path,
    error::AppendError,
    limits::{Kept, Limits},
    recovery::{Damage, DamageKind, OpenOptions},
    segment::{Blank, SEGMENT_BYTES_MAX, Segment, Writer},
    storage::Storage,
    sync::Syncs,
};

/// Consumed segments that a topic keeps to write into again.
const SPARES_MAX: usize = 3;
/// Larger ones are given back to the disk.
const SPARE_BYTES_MAX: u32 = 4 << 20;
/// Files of a topic are numbered from somewhere below this on; twelve digits are enough for as many more.
const FIRST_FILE_NUMBER_MAX: u64 = 500_000_000_000;
/// How far ahead of a reader that lags pages are brought into memory.
const WARM_BYTES: u32 = 4 << 20;

/// Where the segments of a log are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Files in this folder.
    Folder(PathBuf),
    /// Anonymous memory: nothing survives the process.
    Memory,
}

/// What a log takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Files, or pieces of memory, that hold messages.
    pub segments: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Messages in them that were found damaged.
    pub damaged: u64,
}

/// Messages of a topic, in the order in which they were published. Seqs rise for the life of the topic.
///
/// Appending takes a lock; reading does not, except to find the next segment.
#[derive(Debug)]
pub struct Log {
    pub(super) me: Weak<Log>,
    pub(super) place: Place,
    pub(super) segment_bytes_max: u32,
    limits: RwLock<Limits>,
    pub(super) storage: Storage,
    pub(super) tail: AtomicU64,
    pub(super) appender: Mutex<Appender>,
    /// Why a segment cannot be read, if one cannot.
    pub(super) read_failure: Mutex<Option<String>>,
    /// What was found and not yet taken.
    damage: Mutex<Vec<Damage>>,
    /// Rising by base; the last one may be written to. Locked after `appender`, if both are.
    pub(super) segments: RwLock<VecDeque<Arc<Segment>>>,
    pub(super) syncs: Syncs,
}

#[derive(Debug)]
pub(super) struct Appender {
    pub(super) writer: Option<Writer>,
    pub(super) next: Next,
    pub(super) spares: Vec<Arc<Segment>>,
    pub(super) ids: IdGenerator,
    pub(super) last_id: MessageId,
    pub(super) next_seq: u64,
    pub(super) file_number: u64,
    pub(super) appended_bytes: u64,
    /// Offset up to which the writer's pages were asked for.
    pub(super) populated: u32,
    pub(super) failure: Option<String>,
    pub(super) closed: bool,
}

/// The segment that is made ahead.
#[derive(Debug)]
pub(super) enum Next {
    None,
    Asked,
    Ready(Blank),
}

/// What recovery hands to a log.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) segments: VecDeque<Arc<Segment>>,
    pub(super) file_number: u64,
    pub(super) damage: Vec<Damage>,
}

impl Log {
    pub(super) fn new(place: Place, options: &OpenOptions, found: Found) -> Arc<Self> {
        let tail = found.segments.back().map_or(0, |segment| segment.tail());
        // An id that no generator issues comes from damage.
        let given = found.segments.iter().map(|segment| segment.highest_id()).filter(|id| id >> 63 == 0);
        let last_id = MessageId::from_u64(given.max().unwrap_or(0));
        // The folder may have been that of a deleted topic: what is still to be removed of that one has another name.
        let file_number = match found.file_number {
            0 => RandomState::new().hash_one(0) % FIRST_FILE_NUMBER_MAX,
            number => number,
        };
        let mut ids = IdGenerator::new(options.node_id);
        ids.resume_after(last_id);
        let appender = Appender {
            writer: None,
            next: Next::None,
            spares: Vec::new(),
            ids,
            last_id,
            next_seq: tail,
            file_number,
            appended_bytes: 0,
            populated: 0,
            failure: None,
            closed: false,
        };
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            place,
            segment_bytes_max: options.segment_bytes_max.clamp(4096, SEGMENT_BYTES_MAX),
            limits: RwLock::new(options.limits),
            storage: options.storage.clone(),
            tail: AtomicU64::new(tail),
            appender: Mutex::new(appender),
            read_failure: Mutex::new(None),
            damage: Mutex::new(found.damage),
            segments: RwLock::new(found.segments),
            syncs: Syncs::new(tail),
        })
    }

    /// A log without files, and without limits.
    pub fn in_memory(options: &OpenOptions) -> Arc<Self> {
        let options = OpenOptions { limits: Limits::default(), ..options.clone() };
        Self::new(Place::Memory, &options, Found::default())
    }

    /// Where its segments are.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Seq behind the last message.
    #[inline]
    pub fn tail(&self) -> u64 {
        self.tail.load(Ordering::Acquire)
    }

    /// Appends a batch and returns the seq behind it.
    ///
    /// All messages become readable at once, or none. One copy of the bytes; a system call only when a segment is
    /// full. `body_bytes` is the sum of the bodies' sizes.
    ///
    /// # Errors
    /// [`AppendError`]; the log is unchanged.
    ///
    /// # Panics
    /// If `bodies` has fewer than `messages` items.
    pub fn append<'a>(
        &self,
        bodies: impl Iterator<Item = &'a [u8]>,
        messages: usize,
        body_bytes: usize,
        deadline_unix_ns: Option<u64>,
        now_unix_ns: i64,
    ) -> Result<u64, AppendError> {
        let mut guard = self.appender.lock();
        let appender = &mut *guard;
        let deferred = deadline_unix_ns.is_some();
        if !appender.writer.as_ref().is_some_and(|writer| writer.has_room(messages, body_bytes, deferred)) {
            self.change_segment(appender, messages, body_bytes, deferred, now_unix_ns)?;
        }
        let writer = appender.writer.as_mut().expect("changing the segment leaves a writer");
        let mut left = messages;
        for body in bodies.take(messages) {
            left -= 1;
            appender.last_id = appender.ids.next(now_unix_ns);
            let header = MessageHeader { timestamp_ns: now_unix_ns, attempts: 1, id: appender.last_id };
            let mut bytes = [0; MESSAGE_FRAME_HEADER_BYTES];
            let size = u32::try_from(body.len()).expect("less than a segment");
            header.write(size, &mut bytes);
            writer.push(&bytes, body, deadline_unix_ns, left != 0);
        }
        assert!(left == 0, "the caller counted its bodies");
        writer.publish();
        appender.next_seq += messages as u64;
        appender.appended_bytes += body_bytes as u64;
        let tail = appender.next_seq;
        self.tail.store(tail, Ordering::Release);
        self.look_ahead(appender);
        Ok(tail)
    }

    /// The segment that holds `seq`, or the first one behind it where `seq` is gone; `None` at the tail.
    pub fn segment_at(&self, seq: u64) -> Option<Arc<Segment>> {
        let segments = self.segments.read();
        let at = segments.partition_point(|segment| segment.tail() <= seq);
        segments.get(at).cloned()
    }

    /// The seq of the message with this id, if the log still has it. For the rare questions.
    pub fn find(&self, id: MessageId) -> Option<u64> {
        let segments = self.segments.read();
        segments.iter().rev().find_map(|segment| segment.find(id))
    }

    /// Asks for the pages that a reader at `seq` of `segment` is about to need.
    pub fn warm(&self, segment: &Arc<Segment>, seq: u64) {
        self.storage.populate_read(segment, seq, WARM_BYTES);
    }

    /// Has the storage thread bring a segment into memory, and then calls `then`; where that fails, it is tried again
    /// until it does not. `false` if too much waits already.
    pub fn load(&self, segment: &Arc<Segment>, then: impl FnOnce() + Send + 'static) -> bool {
        self.storage.load(self.me.clone(), Arc::clone(segment), Box::new(then))
    }

    /// Brings a segment into memory.
    ///
    /// # Errors
    /// As [`Segment::load`].
    pub fn load_now(&self, segment: &Segment) -> io::Result<()> {
        let result = segment.load();
        self.note_load(segment, &result);
        result
    }

    /// Has the segment behind `segment` brought into memory ahead of its reader.
    pub fn load_behind(&self, segment: &Segment) {
        if let Some(next) = self.segment_at(segment.tail())
            && !next.is_loaded()
        {
            // Where it cannot be asked for now, the reader does.
            let _ = self.load(&next, || {});
        }
    }

    fn note_load(&self, segment: &Segment, result: &io::Result<()>) {
        let mut failure = self.read_failure.lock();
        match result {
            Ok(()) => {
                *failure = None;
                let damaged = segment.damaged();
                if damaged != 0
                    && let Some(path) = segment.path()
                {
                    error!(path = %path.display(), messages = damaged, "damaged messages are skipped");
                    let damage = Damage { path: path.to_owned(), kind: DamageKind::Messages(damaged) };
                    self.damage.lock().push(damage);
                }
            }
            Err(cause) => {
                let path = segment.path().unwrap_or(Path::new("")).display();
                let text = format!("cannot read {path}: {cause}");
                if failure.as_ref() != Some(&text) {
                    error!("{text}; it is tried again each second, and deliveries of its messages wait");
                }
                *failure = Some(text);
            }
        }
    }

    /// Seq of the first message that was published at `unix_ns` or after it. Waits for the disk where segments are not in
    /// memory; what cannot be read is passed over.
    pub fn first_at(&self, unix_ns: i64) -> Option<u64> {
        let segments: Vec<_> = self.segments.read().iter().cloned().collect();
        let first = |segment: &Segment| segment.load().ok().and_then(|()| segment.first_at(i64::MIN));
        let before =
            segments.partition_point(|segment| first(segment).is_none_or(|(_, time)| time < unix_ns));
        let within = segments.iter().skip(before.saturating_sub(1));
        within
            .filter(|segment| segment.load().is_ok())
            .find_map(|segment| segment.first_at(unix_ns))
            .map(|found| found.0)
    }

    /// Messages in `from..to` whose deadline is after `now_unix_ns`.
    pub fn deferred_between(&self, from: u64, to: u64, now_unix_ns: u64) -> u64 {
        let segments = self.segments.read();
        let first = segments.partition_point(|segment| segment.tail() <= from);
        let within = segments.range(first..).take_while(|segment| segment.base() < to);
        // What cannot be read is counted as due: the message will not be had before the segment can be read.
        within.map(|segment| segment.deferred_between(from, to, now_unix_ns).unwrap_or(0)).sum()
    }

    /// Drops segments that nobody needs, wherever they stand, except the last: it is or was written to, and after a
    /// restart it tells which seqs and ids were given out.
    ///
    /// `needed` is asked with the range of seqs of each other one. No lock of the log is held meanwhile: whoever
    /// answers may hold one of its own under which it reads the log. What retention keeps stays too.
    pub fn release(&self, now_unix_ns: u64, mut needed: impl FnMut(u64, u64) -> bool) {
        let mut ranges = self.ranges();
        if let Some(kept) = self.kept_from(now_unix_ns) {
            ranges.retain(|(base, _)| *base < kept);
        } else {
            // Nothing is appended to the others any more: what is not needed now never will be.
            ranges.pop();
        }
        ranges.retain(|(base, tail)| !needed(*base, *tail));
        if ranges.is_empty() {
            return;
        }
        let mut appender = self.appender.lock();
        if appender.closed {
            return;
        }
        let mut segments = self.segments.write();
        let mut kept = VecDeque::with_capacity(segments.len());
        for segment in segments.drain(..) {
            if ranges.binary_search(&(segment.base(), segment.tail())).is_err() {
                kept.push_back(segment);
            } else if segment.capacity() <= SPARE_BYTES_MAX
                && appender.spares.len() < SPARES_MAX
                && !segment.has_failed()
            {
                appender.spares.push(segment);
            } else {
                self.storage.remove(segment);
            }
        }
        *segments = kept;
    }

    /// Files, or pieces of memory.
    pub fn segments(&self) -> usize {
        self.segments.read().len()
    }

    /// All segments but the last, which may be written to.
    pub(super) fn full_segments(&self) -> Vec<Arc<Segment>> {
        let segments = self.segments.read();
        segments.iter().take(segments.len().saturating_sub(1)).cloned().collect()
    }

    /// A name for a file that is not the log's yet.
    pub(super) fn new_path(&self, folder: &Path) -> PathBuf {
        let mut appender = self.appender.lock();
        appender.file_number += 1;
        segment_path(folder, appender.file_number)
    }

    /// Puts `new` in the place of `old`, and removes those. `false` if not all of them are there any more.
    pub(super) fn replace(&self, old: &[Arc<Segment>], new: Arc<Segment>) -> bool {
        let is_old = |segment: &Arc<Segment>| old.iter().any(|old| Arc::ptr_eq(old, segment));
        let mut segments = self.segments.write();
        if segments.iter().filter(|segment| is_old(segment)).count() != old.len() {
            return false;
        }
        segments.retain(|segment| !is_old(segment));
        let at = segments.partition_point(|segment| segment.base() < new.base());
        segments.insert(at, new);
        drop(segments);
        for segment in old {
            self.storage.remove(Arc::clone(segment));
        }
        true
    }

    pub(super) fn limits(&self) -> Limits {
        *self.limits.read()
    }

    /// Applies these from now on. In memory there are none.
    pub fn set_limits(&self, limits: Limits) {
        if self.place != Place::Memory {
            *self.limits.write() = limits;
        }
    }

    /// Base of the oldest segment that retention keeps. It never gives the last one away.
    pub(super) fn kept_from(&self, now_unix_ns: u64) -> Option<u64> {
        let limits = self.limits();
        if !limits.retains() {
            return None;
        }
        let segments = self.segments.read();
        // The last message of a segment is not younger than the next segment.
        let ends = segments.iter().skip(1).map(|segment| segment.created_unix_ns()).chain([now_unix_ns]);
        let kept: Vec<_> = segments
            .iter()
            .zip(ends)
            .map(|(segment, newest_unix_ns)| Kept {
                base: segment.base(),
                bytes: segment.capacity().into(),
                newest_unix_ns,
            })
            .collect();
        let last = segments.back()?.base();
        Some(limits.keep_from(kept.into_iter(), now_unix_ns).unwrap_or(last))
    }

    /// What it takes.
    pub fn usage(&self) -> Usage {
        let segments = self.segments.read();
        Usage {
            segments: segments.len(),
            bytes: segments.iter().map(|segment| u64::from(segment.capacity())).sum(),
            damaged: segments.iter().map(|segment| u64::from(segment.damaged())).sum(),
        }
    }

    /// Bytes that its segments, spares included, take.
    pub(super) fn bytes(&self, appender: &Appender) -> u64 {
        let ready = if let Next::Ready(blank) = &appender.next { blank.capacity() } else { 0 };
        let spares: u64 = appender.spares.iter().map(|spare| u64::from(spare.capacity())).sum();
        let held: u64 = self.segments.read().iter().map(|segment| u64::from(segment.capacity())).sum();
        held + spares + u64::from(ready)
    }

    /// Bases and tails of all segments, rising.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        self.segments.read().iter().map(|segment| (segment.base(), segment.tail())).collect()
    }

    /// Ranges of seqs from `from` to the tail that no segment holds, rising. Sparse segments are brought into memory for it.
    pub fn gaps(&self, mut from: u64) -> Vec<(u64, u64)> {
        let tail = self.tail();
        let mut gaps = Vec::new();
        let mut held = |base: u64, end: u64| {
            if from < base {
                gaps.push((from, base));
            }
            from = from.max(end);
        };
        let segments: Vec<_> = self.segments.read().iter().cloned().collect();
        for segment in segments {
            // Of one that cannot be read now nobody knows better than that it holds all that it may.
            match segment.seqs() {
                Some(seqs) => seqs.for_each(|seq| held(seq, seq + 1)),
                None => held(segment.base(), segment.tail()),
            }
        }
        held(tail, tail);
        gaps
    }

    /// Makes sure that no seq below `seq` is given out again.
    pub fn advance_to(&self, seq: u64) {
        let mut appender = self.appender.lock();
        if appender.next_seq < seq {
            // The new seqs begin a segment of their own: inside one, they have no gaps.
            if let Some(writer) = appender.writer.take() {
                writer.seal();
            }
            appender.next_seq = seq;
            self.tail.store(seq, Ordering::Release);
        }
    }

    /// What of its files was found to be damaged since the last call.
    pub fn take_damage(&self) -> Vec<Damage> {
        std::mem::take(&mut *self.damage.lock())
    }

    /// Ends writing and removes files that hold nothing. The log takes no more messages until it is opened again.
    pub fn close(&self) {
        let mut appender = self.appender.lock();
        appender.closed = true;
        if let Some(writer) = appender.writer.take() {
            writer.seal();
        }
        let spares = std::mem::take(&mut appender.spares);
        let ready = std::mem::replace(&mut appender.next, Next::None);
        let mut unused: Vec<_> =
            spares.iter().filter_map(|segment| segment.path().map(Path::to_owned)).collect();
        if let Next::Ready(blank) = &ready {
            unused.extend(blank.path().map(Path::to_owned));
        }
        for path in unused {
            // What stays is found to be empty or consumed at the next start, and removed then.
            let _ = std::fs::remove_file(path);
        }
    }
}

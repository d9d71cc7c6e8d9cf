//! A segment as its readers see it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use protocol::{FRAME_PREFIX_BYTES, MESSAGE_FRAME_HEADER_BYTES, MessageId};

use super::{
    format::{Header, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES, SLOT_BYTES},
    mapping::Mapping,
    recovered::Recovered,
    region::{self, Region},
};

/// Why a file is not taken as a segment.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// It cannot be opened or mapped; that says nothing about its content.
    #[error("cannot map {path}")]
    Map {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// Its header does not check.
    #[error("{path} has no valid segment header")]
    Header {
        /// The file.
        path: PathBuf,
    },
}

/// How much one delivery may take.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// At most so many messages; at least 1.
    pub messages: u32,
    /// At most so many bytes, except that one message is always allowed.
    pub bytes: u32,
}

/// What follows at a place of the log.
#[derive(Debug)]
pub enum Next {
    /// Messages without a deadline, end to end.
    Run(Run),
    /// One message that has a deadline, and which may have passed.
    Deferred {
        /// Unix time in ns.
        deadline_unix_ns: u64,
        /// The message by itself.
        run: Run,
    },
    /// So many messages were damaged, and are not to be had.
    Damaged(u32),
    /// Nothing more is published in this segment.
    End,
}

/// Frames that lie end to end, as they go to a consumer. Holds its segment.
#[derive(Debug, Clone)]
pub struct Run {
    segment: Arc<Segment>,
    first: u64,
    count: u32,
    start: u32,
    end: u32,
}

impl Run {
    /// Seq of the first message.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Messages.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The frames.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.segment.region.bytes(self.start, self.end)
    }

    /// The frames one by one.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut rest = self.bytes();
        std::iter::from_fn(move || {
            let (frame, behind) = Frame::split(rest)?;
            rest = behind;
            Some(frame)
        })
    }
}

/// One message of the log: exactly what goes to a consumer at its first delivery.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a>(&'a [u8]);

impl<'a> Frame<'a> {
    /// The first frame of `bytes`, and what is behind it.
    #[inline]
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let size = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
        let (frame, behind) = bytes.split_at_checked(4 + size)?;
        (MESSAGE_FRAME_HEADER_BYTES <= frame.len()).then_some((Self(frame), behind))
    }

    /// The whole frame.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The body alone.
    pub fn body(self) -> &'a [u8] {
        &self.0[MESSAGE_FRAME_HEADER_BYTES..]
    }

    /// The message's id.
    ///
    /// # Panics
    /// Never: a frame has a whole header.
    #[inline]
    pub fn id(self) -> MessageId {
        let header = &self.0[..MESSAGE_FRAME_HEADER_BYTES];
        MessageId(*header.last_chunk().expect("a header ends with the id"))
    }

    /// When it was published, unix time in ns.
    pub fn timestamp_ns(self) -> i64 {
        let at = FRAME_PREFIX_BYTES;
        i64::from_be_bytes(std::array::from_fn(|i| self.0[at + i]))
    }
}

/// Messages `base..base + count` of a log. Cheap to share; readers never wait.
#[derive(Debug)]
pub struct Segment {
    region: Region,
    header: Header,
    /// Some message has a deadline or is damaged, so that runs must be looked for slot by slot.
    pub(super) irregular: AtomicBool,
    /// Indices of messages that recovery could not read, rising.
    damaged: Box<[u32]>,
}

impl Segment {
    pub(super) fn new(region: Region, header: Header) -> Self {
        Self { region, header, irregular: AtomicBool::new(false), damaged: Box::default() }
    }

    pub(super) fn region(&self) -> &Region {
        &self.region
    }

    pub(super) fn into_region(self) -> Region {
        self.region
    }

    /// Seq of the first message.
    pub fn base(&self) -> u64 {
        self.header.base
    }

    /// Messages that are readable now.
    #[inline]
    pub fn count(&self) -> u32 {
        self.region.published().count
    }

    /// Seq behind the last readable message.
    #[inline]
    pub fn tail(&self) -> u64 {
        self.header.base + u64::from(self.count())
    }

    /// Message ids up to this one were given out before this segment.
    pub fn id_floor(&self) -> u64 {
        self.header.id_floor
    }

    /// Bytes of the file.
    pub fn capacity(&self) -> u32 {
        self.region.capacity()
    }

    /// The file; `None` for anonymous memory.
    pub fn path(&self) -> Option<&Path> {
        self.region.mapping().path()
    }

    /// Messages that recovery found damaged.
    pub fn damaged(&self) -> &[u32] {
        &self.damaged
    }

    /// What follows at message `index` of this segment.
    #[inline]
    pub fn next(self: &Arc<Self>, index: u32, budget: Budget) -> Next {
        let extent = self.region.published();
        if extent.count <= index {
            return Next::End;
        }
        let mut last = extent.count.min(index.saturating_add(budget.messages.max(1)));
        if self.irregular.load(Ordering::Relaxed) {
            match self.regular_until(index, last) {
                Ok(until) => last = until,
                Err(next) => return next,
            }
        }
        let start = self.region.slot(index).offset();
        let limit = start.saturating_add(budget.bytes);
        let mut end = self.frame_end(last - 1);
        if limit < end {
            last = self.last_within(index, last, limit);
            end = self.frame_end(last - 1);
        }
        Next::Run(self.run(index, last, start, end))
    }

    /// First message in `index + 1..=last` behind which a run must end; or what is special at `index` itself.
    #[cold]
    fn regular_until(self: &Arc<Self>, index: u32, last: u32) -> Result<u32, Next> {
        if let Ok(at) = self.damaged.binary_search(&index) {
            let run =
                self.damaged[at..].iter().zip(index..last).take_while(|(damaged, index)| *damaged == index);
            return Err(Next::Damaged(u32::try_from(run.count()).expect("less than last")));
        }
        let slot = self.region.slot(index);
        if slot.is_deferred() {
            let start = slot.offset();
            let run = self.run(index, index + 1, start, self.frame_end(index));
            return Err(Next::Deferred { deadline_unix_ns: self.deadline(start), run });
        }
        let special =
            |at: &u32| self.region.slot(*at).is_deferred() || self.damaged.binary_search(at).is_ok();
        Ok((index + 1..last).find(special).unwrap_or(last))
    }

    /// Largest end of a run from `index` of at most the bytes up to `limit`; at least one message.
    fn last_within(&self, index: u32, last: u32, limit: u32) -> u32 {
        // Offsets rise with the index, and the start of a frame is the end of the one before, in a regular run.
        let (mut fits, mut beyond) = (index + 1, last);
        while fits + 1 < beyond {
            let middle = fits.midpoint(beyond);
            if self.region.slot(middle).offset() <= limit {
                fits = middle;
            } else {
                beyond = middle;
            }
        }
        fits
    }

    fn run(self: &Arc<Self>, index: u32, last: u32, start: u32, end: u32) -> Run {
        Run {
            segment: Arc::clone(self),
            first: self.header.base + u64::from(index),
            count: last - index,
            start,
            end,
        }
    }

    /// Offset behind the frame of a published message that is not damaged.
    #[inline]
    fn frame_end(&self, index: u32) -> u32 {
        let start = self.region.slot(index).offset();
        let size = *self.region.bytes(start, start + 4).first_chunk().expect("four bytes were asked for");
        start + 4 + u32::from_be_bytes(size)
    }

    fn deadline(&self, frame_start: u32) -> u64 {
        let bytes = self.region.bytes(frame_start - 8, frame_start);
        u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes were asked for"))
    }

    /// Counts the messages in `from..to` whose deadline is after `now_unix_ns`.
    pub fn deferred_between(&self, from: u32, to: u32, now_unix_ns: u64) -> u64 {
        if !self.irregular.load(Ordering::Relaxed) {
            return 0;
        }
        let waits = |index: &u32| {
            let slot = self.region.slot(*index);
            self.damaged.binary_search(index).is_err()
                && slot.is_deferred()
                && now_unix_ns < self.deadline(slot.offset())
        };
        (from..to.min(self.count())).filter(waits).count() as u64
    }

    /// The message with this id, if this segment has it. Ids rise with the index.
    pub fn find(&self, id: MessageId) -> Option<u64> {
        let intact = |index: u32| self.damaged.binary_search(&index).is_err();
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            // A damaged message has no id; ask the next one that has.
            let asked = (middle..high).find(|index| intact(*index));
            match asked.map(|index| (index, self.id_at(index))) {
                Some((index, found)) if found == id => return Some(self.header.base + u64::from(index)),
                Some((index, found)) if found < id => low = index + 1,
                _ => high = middle,
            }
        }
        None
    }

    fn id_at(&self, index: u32) -> MessageId {
        let start = self.region.slot(index).offset();
        let frame = self.region.bytes(start, self.frame_end(index));
        Frame::split(frame).expect("a published frame is whole").0.id()
    }

    /// Id of the last message that is not damaged.
    pub fn last_id(&self) -> Option<MessageId> {
        let intact = (0..self.count()).rev().find(|index| self.damaged.binary_search(index).is_err())?;
        Some(self.id_at(intact))
    }

    /// Faults pages in ahead of the writer, slots included.
    pub fn populate_write(&self, offset: u32, bytes: u32) {
        self.region.mapping().populate_write(offset as usize, bytes as usize);
        // The slots of so many bytes, supposing messages of 64 bytes and more.
        let slots = (bytes / 8).max(4096) as usize;
        let behind = SLOT_BYTES as usize * self.count() as usize + slots;
        self.region.mapping().populate_write((self.capacity() as usize).saturating_sub(behind), slots);
    }

    /// Brings pages into memory ahead of a reader that lags.
    pub fn populate_read(&self, index: u32, bytes: u32) {
        if index < self.count() {
            let offset = self.region.slot(index).offset();
            self.region.mapping().populate_read(offset as usize, bytes as usize);
        }
    }

    /// Waits until all that is published is on the disk.
    ///
    /// # Errors
    /// A failed sync is final: what the page cache says afterwards proves nothing.
    pub fn sync(&self) -> io::Result<()> {
        self.region.mapping().sync(self.region.published().end as usize)
    }

    /// Maps a file and finds out what it holds. `verify` checks the frames of a sealed segment too; those of one
    /// that was still written to are always checked.
    ///
    /// Returns the segment and the number of messages or fragments behind the last whole one that were cut off.
    ///
    /// # Errors
    /// [`SegmentError::Map`] if the file cannot be mapped, [`SegmentError::Header`] if it is not a segment.
    pub fn recover(path: &Path, verify: bool) -> Result<(Self, u32), SegmentError> {
        let map = |cause| SegmentError::Map { path: path.to_owned(), cause };
        let no_header = || SegmentError::Header { path: path.to_owned() };
        let bytes = std::fs::metadata(path).map_err(map)?.len();
        if bytes <= u64::from(SEGMENT_HEADER_BYTES + SLOT_BYTES) || u64::from(SEGMENT_BYTES_MAX) < bytes {
            return Err(no_header());
        }
        let mut mapping = Mapping::open(path).map_err(map)?;
        let image = region::whole(&mut mapping);
        let header = image.first_chunk().and_then(Header::decode).ok_or_else(no_header)?;
        if header.capacity != image.len() as u64 {
            return Err(no_header());
        }
        let found = Recovered::walk(image, &header, verify);
        if found.needs_seal {
            region::seal_recovered(&mut mapping, found.extent);
        }
        let segment = Self {
            region: Region::open(mapping, found.extent),
            header,
            irregular: AtomicBool::new(found.has_deferred || !found.damaged.is_empty()),
            damaged: found.damaged.into(),
        };
        Ok((segment, found.cut))
    }
}

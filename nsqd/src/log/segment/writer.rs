//! The one writer of a segment.

use std::{io, path::Path, sync::Arc};

use protocol::MESSAGE_FRAME_HEADER_BYTES;

use super::{
    format::{Header, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES, SLOT_BYTES, Slot},
    mapping::Mapping,
    region::{Region, WriteToken},
    segment::Segment,
};

/// Bytes that a deadline takes in front of its frame.
const DEADLINE_BYTES: u32 = 8;

/// What a new segment needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Seq of its first message.
    pub base: u64,
    /// A number that no other use of any file has.
    pub salt: u64,
    /// Ids up to this one were given out before.
    pub id_floor: u64,
    /// Now.
    pub now_unix_ns: u64,
}

/// Memory that is ready to become a segment.
#[derive(Debug)]
pub(crate) struct Blank(Mapping);

impl Blank {
    /// Allocates a file of `bytes` bytes.
    ///
    /// # Errors
    /// Whatever the file system says: no room, no permission, too many mappings.
    pub(crate) fn create(path: &Path, bytes: u32) -> io::Result<Self> {
        Ok(Self(Mapping::create(path, bytes.min(SEGMENT_BYTES_MAX))?))
    }

    /// Memory without a file, for ephemeral topics.
    ///
    /// # Errors
    /// Out of memory or mappings.
    pub(crate) fn anonymous(bytes: u32) -> io::Result<Self> {
        Ok(Self(Mapping::anonymous(bytes.min(SEGMENT_BYTES_MAX))?))
    }

    /// The memory of a segment that nobody holds any more. Its pages are already there, which makes it the
    /// cheapest to write into.
    ///
    /// `None` if it has no memory, since it was not read after a start, and its file cannot be mapped.
    pub(crate) fn recycle(segment: Segment) -> Option<Self> {
        segment.into_mapping().map(Self)
    }

    /// Bytes.
    pub(crate) fn capacity(&self) -> u32 {
        u32::try_from(self.0.len()).expect("a segment is at most SEGMENT_BYTES_MAX bytes")
    }

    /// Its file.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.0.path().map(AsRef::as_ref)
    }

    /// Faults the first `bytes` bytes in, and the slots that go with them.
    pub(crate) fn populate(&self, bytes: usize) {
        self.0.populate_write(0, bytes);
        let slots = (bytes / 16).min(self.0.len());
        self.0.populate_write(self.0.len() - slots, slots);
    }
}

/// Appends to one segment. Dropping it leaves the segment as it is.
#[derive(Debug)]
pub(crate) struct Writer {
    segment: Arc<Segment>,
    token: WriteToken,
    seed: u32,
}

impl Writer {
    /// Begins a segment in `blank`.
    pub(crate) fn begin(blank: Blank, entry: Entry) -> Self {
        let header = Header {
            base: entry.base,
            salt: entry.salt,
            capacity: u64::from(blank.capacity()),
            id_floor: entry.id_floor,
            created_unix_ns: entry.now_unix_ns,
            is_sparse: false,
        };
        let (region, token) = Region::begin(blank.0, &header);
        Self { segment: Arc::new(Segment::begun(region, header)), token, seed: header.seed() }
    }

    /// The segment that it writes.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Whether `messages` messages with `body_bytes` bytes of bodies in all fit in.
    #[inline]
    pub(crate) fn has_room(&self, messages: usize, body_bytes: usize, deferred: bool) -> bool {
        Self::bytes_for(messages, body_bytes, deferred)
            <= self.segment.written().free_bytes(&self.token) as usize
    }

    /// Bytes that such a batch takes.
    #[inline]
    pub(crate) fn bytes_for(messages: usize, body_bytes: usize, deferred: bool) -> usize {
        let deadline = if deferred { DEADLINE_BYTES as usize } else { 0 };
        messages * (MESSAGE_FRAME_HEADER_BYTES + deadline + SLOT_BYTES as usize) + body_bytes
    }

    /// Smallest capacity for such a batch.
    pub(crate) fn capacity_for(messages: usize, body_bytes: usize, deferred: bool) -> usize {
        SEGMENT_HEADER_BYTES as usize + Self::bytes_for(messages, body_bytes, deferred) + SLOT_BYTES as usize
    }

    /// Stores one message; readers do not see it before [`Writer::publish`].
    ///
    /// `more` says that the next message belongs to the same command.
    #[inline]
    pub(crate) fn push(
        &mut self,
        header: &[u8; MESSAGE_FRAME_HEADER_BYTES],
        body: &[u8],
        deadline_unix_ns: Option<u64>,
        more: bool,
    ) {
        let region = self.segment.written();
        let start = self.end();
        let mut frame = start;
        if let Some(deadline) = deadline_unix_ns {
            region.stage(&mut self.token, &deadline.to_le_bytes());
            frame += DEADLINE_BYTES;
        }
        region.stage(&mut self.token, header);
        region.stage(&mut self.token, body);
        let deferred = deadline_unix_ns.is_some();
        let crc = Slot::crc_of(self.seed, deferred, more, region.staged(&self.token, start));
        region.stage_slot(&mut self.token, Slot::new(frame, deferred, more, crc));
        if deferred {
            // Before it is published: a reader that sees the message sees the flag.
            self.segment.set_irregular();
        }
    }

    /// Makes the pushed messages readable, all at once.
    #[inline]
    pub(crate) fn publish(&mut self) {
        self.segment.written().publish(&mut self.token);
    }

    /// Offset behind the last frame.
    #[inline]
    pub(crate) fn end(&self) -> u32 {
        Region::staged_extent(&self.token).end
    }

    /// Ends the segment: no more is appended to it.
    pub(crate) fn seal(self) -> Arc<Segment> {
        let seal = self.segment.seal(false);
        self.segment.written().seal(self.token, &seal, self.seed);
        self.segment
    }
}

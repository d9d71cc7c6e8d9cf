//! What the bytes of a segment hold, found without trusting them.

use std::ops::Range;

use crc32c::crc32c_append;
use protocol::{MESSAGE_FRAME_HEADER_BYTES, MessageId};

use super::{
    format::{Header, LIVE_OFFSET, SEGMENT_HEADER_BYTES, SLOT_BYTES, Seal, Slot},
    published::Extent,
};

/// Indices of messages that cannot be read, as ranges that rise and do not touch.
#[derive(Debug, Default)]
pub(super) struct Damaged(Vec<Range<u32>>);

impl Damaged {
    /// Adds an index above all others.
    fn push(&mut self, index: u32) {
        match self.0.last_mut() {
            Some(last) if last.end == index => last.end += 1,
            _ => self.0.push(index..index + 1),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Messages.
    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    pub(super) fn ranges(&self) -> &[Range<u32>] {
        &self.0
    }

    /// The rest of the range that `index` is in.
    pub(super) fn from(&self, index: u32) -> Option<u32> {
        let at = self.0.partition_point(|range| range.end <= index);
        self.0.get(at).filter(|range| range.start <= index).map(|range| range.end - index)
    }

    /// Start of the first range that does not begin before `index`.
    pub(super) fn next(&self, index: u32) -> Option<u32> {
        let at = self.0.partition_point(|range| range.start < index);
        self.0.get(at).map(|range| range.start)
    }
}

/// What a walk over the slots of a file finds. Every frame is checked.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) extent: Extent,
    pub(super) damaged: Damaged,
    pub(super) has_deferred: bool,
    /// Messages behind the last whole batch that were cut off.
    pub(super) cut: u32,
    /// Of the last message that is whole; 0 if there is none.
    pub(super) last_id: u64,
    /// Of a sparse segment: seq less the segment's first one, and index, of each whole message; rising.
    pub(super) places: Vec<(u32, u32)>,
}

impl Recovered {
    /// `seal` is what the file says of itself, if it is full; otherwise whole publishes behind the writer's own count
    /// are kept too.
    pub(super) fn walk(image: &[u8], header: &Header, seal: Option<&Seal>) -> Self {
        let table = Table { image, header };
        let live = seal.map_or_else(|| Extent::unpack(table.word(LIVE_OFFSET)), |seal| seal.extent);
        // A count that cannot be is damage of the header's live part: the slots alone are asked then.
        let is_possible = live.count <= table.slots_max() && live.end <= table.bytes();
        let promised = if is_possible { live.count } else { 0 };
        let slots = if seal.is_some() { promised } else { table.slots_max() };
        let mut found = Self::scan(&table, slots, promised);
        if seal.is_none() {
            found.cut_unfinished_batch(promised, &table);
        }
        if found.extent.count < promised {
            // The last messages are damaged; they keep their seqs.
            found.extent = Extent { count: promised, end: found.extent.end.max(live.end.min(table.bytes())) };
        }
        found
    }

    /// What a full segment is to say of itself.
    pub(super) fn seal(&self, header: &Header, is_synced: bool) -> Seal {
        let behind = |(delta, _): &(u32, u32)| u64::from(*delta) + 1;
        let length = if header.is_sparse {
            self.places.last().map_or(0, behind)
        } else {
            u64::from(self.extent.count)
        };
        Seal {
            extent: self.extent,
            last_id: self.last_id,
            tail: header.base.saturating_add(length),
            has_deferred: self.has_deferred,
            is_synced,
        }
    }

    /// Goes over the slots up to the first one behind the promised ones that is not whole.
    fn scan(table: &Table<'_>, slots: u32, promised: u32) -> Self {
        let mut found = Self {
            extent: Extent { count: 0, end: SEGMENT_HEADER_BYTES },
            damaged: Damaged::default(),
            has_deferred: false,
            cut: 0,
            last_id: 0,
            places: Vec::new(),
        };
        for index in 0..slots {
            // Messages lie end to end; behind a damaged one there is a gap of unknown length.
            let is_behind = found.extent.count == index;
            let end = found.extent.end;
            let fits = |start: u32| if is_behind { start == end } else { end <= start };
            match table.message(index) {
                Some(message) if fits(message.bytes.start) && found.place(table, index) => {
                    found.extent = Extent { count: index + 1, end: message.bytes.end };
                    found.has_deferred |= message.slot.is_deferred();
                    found.last_id = message.id.to_u64().unwrap_or(found.last_id);
                }
                _ if index < promised => found.damaged.push(index),
                _ => break,
            }
        }
        found
    }

    /// Notes the seq of a message of a sparse segment. `false` if it cannot be.
    fn place(&mut self, table: &Table<'_>, index: u32) -> bool {
        if !table.header.is_sparse {
            return true;
        }
        let delta =
            table.seq(index).checked_sub(table.header.base).and_then(|delta| u32::try_from(delta).ok());
        let Some(delta) = delta.filter(|delta| self.places.last().is_none_or(|last| last.0 < *delta)) else {
            return false;
        };
        self.places.push((delta, index));
        true
    }

    /// A batch is kept whole or not at all: cuts messages behind the promised ones whose batch did not end.
    fn cut_unfinished_batch(&mut self, promised: u32, table: &Table<'_>) {
        while promised < self.extent.count && table.slot(self.extent.count - 1).has_more() {
            self.extent.count -= 1;
            self.cut += 1;
        }
        self.places.truncate(self.extent.count as usize);
        if self.cut != 0 {
            let last = self.extent.count.checked_sub(1).and_then(|last| table.message(last));
            self.extent.end = last.as_ref().map_or(SEGMENT_HEADER_BYTES, |last| last.bytes.end);
            self.last_id = last.and_then(|last| last.id.to_u64()).unwrap_or(0);
        }
    }
}

/// A whole message of an image.
pub(super) struct Found {
    pub(super) slot: Slot,
    /// Its bytes, the deadline included.
    pub(super) bytes: Range<u32>,
    pub(super) id: MessageId,
}

/// The slots at the end of an image.
pub(super) struct Table<'a> {
    pub(super) image: &'a [u8],
    pub(super) header: &'a Header,
}

impl Table<'_> {
    fn bytes(&self) -> u32 {
        u32::try_from(self.image.len()).unwrap_or(u32::MAX)
    }

    fn slots_max(&self) -> u32 {
        (self.bytes() - SEGMENT_HEADER_BYTES) / self.header.slot_bytes()
    }

    /// 0 outside the image.
    fn word(&self, at: u32) -> u64 {
        let bytes = self.image.get(at as usize..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    pub(super) fn slot(&self, index: u32) -> Slot {
        Slot(self.word(self.bytes() - self.header.slot_bytes() * index - SLOT_BYTES))
    }

    /// The seq of a message of a sparse segment.
    fn seq(&self, index: u32) -> u64 {
        self.word(self.bytes() - self.header.slot_bytes() * (index + 1))
    }

    /// The message at `index`, or `None` if its slot or its frame are not whole.
    pub(super) fn message(&self, index: u32) -> Option<Found> {
        let slot = self.slot(index);
        if slot.is_empty() || slot.offset() < SEGMENT_HEADER_BYTES {
            return None;
        }
        let frame = slot.offset() as usize;
        let size = u32::from_be_bytes(*self.image.get(frame..)?.first_chunk()?) as usize;
        if size + 4 < MESSAGE_FRAME_HEADER_BYTES || self.image.len() < size {
            return None;
        }
        let end = frame + 4 + size;
        let start = if slot.is_deferred() { frame - 8 } else { frame };
        let bytes = self.image.get(start..end)?;
        let mut seed = self.header.seed();
        if self.header.is_sparse {
            seed = crc32c_append(seed, &self.seq(index).to_le_bytes());
        }
        if Slot::crc_of(seed, slot.is_deferred(), slot.has_more(), bytes) != slot.crc() {
            return None;
        }
        let id = MessageId(*self.image[frame..frame + MESSAGE_FRAME_HEADER_BYTES].last_chunk()?);
        Some(Found { slot, bytes: u32::try_from(start).ok()?..u32::try_from(end).ok()?, id })
    }
}

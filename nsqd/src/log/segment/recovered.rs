//! What the bytes of a segment hold, found without trusting them.

use std::ops::Range;

use protocol::MESSAGE_FRAME_HEADER_BYTES;

use super::{
    format::{Header, LIVE_OFFSET, SEALED, SEALED_OFFSET, SEGMENT_HEADER_BYTES, SLOT_BYTES, Slot},
    published::Extent,
};

/// What a walk over the slots of an unshared mapping finds.
pub(super) struct Recovered {
    pub(super) extent: Extent,
    /// Indices of messages that cannot be read, rising.
    pub(super) damaged: Vec<u32>,
    pub(super) has_deferred: bool,
    /// The file does not say yet what was found.
    pub(super) needs_seal: bool,
    /// Messages behind the last whole batch that were cut off.
    pub(super) cut: u32,
}

impl Recovered {
    /// `verify` says that the frames of a sealed segment are checked too. They also are if its slots, the sizes of
    /// its frames and its count do not fit together: a reader relies on that.
    pub(super) fn walk(image: &[u8], header: &Header, verify: bool) -> Self {
        let word = |at: u32| {
            let bytes = image.get(at as usize..at as usize + 8).and_then(<[u8]>::first_chunk);
            u64::from_le_bytes(*bytes.expect("the header and the slots are inside the image"))
        };
        let slot_at = |index: u32| Slot(word(image_bytes(image) - SLOT_BYTES * (index + 1)));
        let slots_max = (image_bytes(image) - SEGMENT_HEADER_BYTES) / SLOT_BYTES;
        let live = Extent::unpack(word(LIVE_OFFSET));
        // A count that cannot be is damage of the header's live part: the slots alone are asked then.
        let promised = if live.count <= slots_max && live.end <= image_bytes(image) { live.count } else { 0 };
        let is_sealed = word(SEALED_OFFSET) == SEALED && promised == live.count;
        let slots = (0..slots_max).map(slot_at);
        let mut found = Self::scan(image, slots.clone(), header.seed(), promised, verify || !is_sealed);
        let fits = found.damaged.is_empty() && (found.extent == live || promised < found.extent.count);
        if !fits && is_sealed && !verify {
            found = Self::scan(image, slots, header.seed(), promised, true);
        }
        found.cut_unfinished_batch(promised, slot_at);
        if found.extent.count < promised {
            // The last messages are damaged; they keep their seqs.
            found.extent =
                Extent { count: promised, end: found.extent.end.max(live.end.min(image_bytes(image))) };
        }
        found.needs_seal = !is_sealed || found.extent != live;
        if !found.needs_seal {
            // Told when it was cut.
            found.cut = 0;
        }
        found
    }

    /// Goes over the slots up to the first one behind the promised ones that is not whole.
    fn scan(image: &[u8], slots: impl Iterator<Item = Slot>, seed: u32, promised: u32, check: bool) -> Self {
        let mut found = Self {
            extent: Extent { count: 0, end: SEGMENT_HEADER_BYTES },
            damaged: Vec::new(),
            has_deferred: false,
            needs_seal: false,
            cut: 0,
        };
        for (index, slot) in (0..).zip(slots) {
            // Messages lie end to end; behind a damaged one there is a gap of unknown length.
            let is_behind = found.extent.count == index;
            let end = found.extent.end;
            let fits = |start: u32| if is_behind { start == end } else { end <= start };
            match message_behind(image, slot, seed, check || promised <= index) {
                Some(message) if fits(message.start) => {
                    found.extent = Extent { count: index + 1, end: message.end };
                    found.has_deferred |= slot.is_deferred();
                }
                _ if index < promised => found.damaged.push(index),
                _ => break,
            }
        }
        found
    }

    /// A batch is kept whole or not at all: cuts messages behind the promised ones whose batch did not end.
    fn cut_unfinished_batch(&mut self, promised: u32, slot_at: impl Fn(u32) -> Slot) {
        let Extent { mut count, end } = self.extent;
        while promised < count && slot_at(count - 1).has_more() {
            count -= 1;
            self.cut += 1;
        }
        self.extent = Extent { count, end };
    }
}

fn image_bytes(image: &[u8]) -> u32 {
    u32::try_from(image.len()).expect("checked when the file was opened")
}

/// Where the message of `slot` is, its deadline included, or `None` if slot or frame are not whole.
fn message_behind(image: &[u8], slot: Slot, seed: u32, check: bool) -> Option<Range<u32>> {
    if slot.is_empty() || slot.offset() < SEGMENT_HEADER_BYTES {
        return None;
    }
    let frame = slot.offset() as usize;
    let size = u32::from_be_bytes(*image.get(frame..)?.first_chunk()?) as usize;
    if size + 4 < MESSAGE_FRAME_HEADER_BYTES || image.len() < size {
        return None;
    }
    let end = frame + 4 + size;
    let start = if slot.is_deferred() { frame - 8 } else { frame };
    let bytes = image.get(start..end)?;
    let is_whole = !check || Slot::crc_of(seed, slot.is_deferred(), slot.has_more(), bytes) == slot.crc();
    let inside = |offset: usize| u32::try_from(offset).expect("inside the image");
    is_whole.then(|| inside(start)..inside(end))
}

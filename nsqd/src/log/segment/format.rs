//! The bytes of a segment: header and slots. Integers are little-endian, frames are big-endian as on the wire.

use crc32c::{crc32c, crc32c_append};

use super::published::Extent;

/// Bytes before the first frame.
pub(super) const SEGMENT_HEADER_BYTES: u32 = 128;
/// Bytes of one slot.
pub(super) const SLOT_BYTES: u32 = 8;
/// Largest segment: a slot has 30 bits for the offset of its frame.
pub(crate) const SEGMENT_BYTES_MAX: u32 = 1 << 30;

/// Persisted; never reuse.
const MAGIC: [u8; 8] = *b"nsqrsseg";
/// Persisted; never reuse.
const VERSION: u32 = 1;
/// Persisted; never reuse a bit.
const SPARSE: u32 = 1;
/// Bytes of the header that its own checksum covers.
const CHECKED_BYTES: usize = 56;
/// Where the writer keeps the number of published messages and the end of the last frame.
pub(super) const LIVE_OFFSET: u32 = 64;
/// Where a full segment says so.
pub(super) const SEALED_OFFSET: u32 = 72;
/// Where a full segment keeps the id of its last message.
pub(super) const LAST_ID_OFFSET: u32 = 80;
/// Where a full segment keeps the seq behind its last message.
pub(super) const TAIL_OFFSET: u32 = 88;

/// What a segment's first 64 bytes say. They are written once, before the first frame.
///
/// ```text
///  0  magic "nsqrsseg"     16 base seq u64     32 capacity u64     48 created, unix ns u64
///  8  version u32          24 salt u64         40 id floor u64     56 CRC-32C of 0..56
/// 12  flags u32            60 zero u32
/// 64  live: messages u32, end of frames u32 (a hint after a power cut)
/// 72  seal: flags u32, CRC-32C u32, of a segment that is full; see [`Seal`]
/// 80  id of the last message u64, once sealed
/// 88  seq behind the last message u64, once sealed
/// ```
///
/// Flags: 1 = sparse. The slots of a sparse segment are 16 bytes: the slot as in others, and behind it (towards the end
/// of the file) the message's seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Seq of the first message.
    pub(super) base: u64,
    /// Differs for every use of a file, so that slots left from an earlier use fail their check.
    pub(super) salt: u64,
    /// Bytes of the file.
    pub(super) capacity: u64,
    /// Message ids up to this one were given out before this segment.
    pub(super) id_floor: u64,
    /// When the segment was begun.
    pub(super) created_unix_ns: u64,
    /// Whether the messages' seqs have gaps, and stand beside the slots.
    pub(super) is_sparse: bool,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; 64] {
        let mut out = [0; 64];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&(if self.is_sparse { SPARSE } else { 0 }).to_le_bytes());
        out[16..24].copy_from_slice(&self.base.to_le_bytes());
        out[24..32].copy_from_slice(&self.salt.to_le_bytes());
        out[32..40].copy_from_slice(&self.capacity.to_le_bytes());
        out[40..48].copy_from_slice(&self.id_floor.to_le_bytes());
        out[48..56].copy_from_slice(&self.created_unix_ns.to_le_bytes());
        let crc = crc32c(&out[..CHECKED_BYTES]);
        out[56..60].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// `None` if the bytes are not a header of this version, or are damaged.
    pub(super) fn decode(bytes: &[u8; 64]) -> Option<Self> {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let version = u32::from_le_bytes(std::array::from_fn(|i| bytes[8 + i]));
        let flags = u32::from_le_bytes(std::array::from_fn(|i| bytes[12 + i]));
        let crc = u32::from_le_bytes(std::array::from_fn(|i| bytes[56 + i]));
        let is_known = bytes[..8] == MAGIC && version == VERSION && flags & !SPARSE == 0;
        if !is_known || crc != crc32c(&bytes[..CHECKED_BYTES]) {
            return None;
        }
        Some(Self {
            base: word(16),
            salt: word(24),
            capacity: word(32),
            id_floor: word(40),
            created_unix_ns: word(48),
            is_sparse: flags & SPARSE != 0,
        })
    }

    /// Bytes that a message takes at the end of the file.
    pub(super) fn slot_bytes(&self) -> u32 {
        if self.is_sparse { 2 * SLOT_BYTES } else { SLOT_BYTES }
    }

    /// What the checksum of every frame of this segment starts from.
    pub(super) fn seed(&self) -> u32 {
        crc32c_append(crc32c(&self.salt.to_le_bytes()), &self.base.to_le_bytes())
    }
}

/// What a full segment says of itself, so that opening it needs no look at its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) extent: Extent,
    /// 0 if no message has a readable id.
    pub(super) last_id: u64,
    /// Seq behind the last message.
    pub(super) tail: u64,
    pub(super) has_deferred: bool,
    /// All of it was on the disk before this was written.
    pub(super) is_synced: bool,
}

/// Persisted; never reuse a bit.
const SEALED: u32 = 1;
const SEALED_DEFERRED: u32 = 2;
const SEALED_SYNCED: u32 = 4;

impl Seal {
    /// The words and where they go, in the order in which they are stored: the last one makes it valid.
    pub(super) fn encode(&self, seed: u32) -> [(u32, u64); 4] {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        let flags = SEALED | flag(self.has_deferred, SEALED_DEFERRED) | flag(self.is_synced, SEALED_SYNCED);
        let crc = self.crc(seed, flags);
        [
            (LAST_ID_OFFSET, self.last_id),
            (TAIL_OFFSET, self.tail),
            (LIVE_OFFSET, self.extent.pack()),
            (SEALED_OFFSET, u64::from(crc) << 32 | u64::from(flags)),
        ]
    }

    /// `None` if the segment may still grow, or the words do not fit together. `head` is the start of the file.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    pub(super) fn decode(head: &[u8; SEGMENT_HEADER_BYTES as usize], seed: u32) -> Option<Self> {
        let word = |at: u32| u64::from_le_bytes(std::array::from_fn(|i| head[at as usize + i]));
        let sealed = word(SEALED_OFFSET);
        let flags = sealed as u32;
        let seal = Self {
            extent: Extent::unpack(word(LIVE_OFFSET)),
            last_id: word(LAST_ID_OFFSET),
            tail: word(TAIL_OFFSET),
            has_deferred: flags & SEALED_DEFERRED != 0,
            is_synced: flags & SEALED_SYNCED != 0,
        };
        (flags & SEALED != 0 && sealed >> 32 == u64::from(seal.crc(seed, flags))).then_some(seal)
    }

    fn crc(&self, seed: u32, flags: u32) -> u32 {
        let words = [self.extent.pack(), self.last_id, self.tail, u64::from(flags)];
        words.iter().fold(seed, |crc, word| crc32c_append(crc, &word.to_le_bytes()))
    }
}

/// A message of the index: where its frame is, and the frame's checksum.
///
/// ```text
/// 63          32  31        30    29          0
/// | CRC-32C     | deferred | more | offset     |
/// ```
///
/// A slot of zero bytes is empty. Persisted; never reuse a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(pub(super) u64);

const DEFERRED: u32 = 1 << 31;
const MORE: u32 = 1 << 30;
const OFFSET: u32 = MORE - 1;

impl Slot {
    /// `crc` is the value of [`Slot::crc_of`] for the stored bytes.
    pub(super) fn new(offset: u32, deferred: bool, more: bool, crc: u32) -> Self {
        debug_assert!((SEGMENT_HEADER_BYTES..=OFFSET).contains(&offset));
        let flags = if deferred { DEFERRED } else { 0 } | if more { MORE } else { 0 };
        Self(u64::from(crc) << 32 | u64::from(offset | flags))
    }

    /// Checksum of a message's bytes (deadline, if it has one, and frame). The flags are part of it.
    pub(super) fn crc_of(seed: u32, deferred: bool, more: bool, bytes: &[u8]) -> u32 {
        crc32c_append(seed ^ u32::from(deferred) << 1 ^ u32::from(more), bytes)
    }

    /// Where the frame begins.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    pub(super) fn offset(self) -> u32 {
        self.0 as u32 & OFFSET
    }

    /// Whether eight bytes of deadline stand in front of the frame.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    pub(super) fn is_deferred(self) -> bool {
        self.0 as u32 & DEFERRED != 0
    }

    /// Whether the next message was published by the same command: both are kept, or neither.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    pub(super) fn has_more(self) -> bool {
        self.0 as u32 & MORE != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn crc(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: data files stay readable. These bytes are the format; a change here needs a new version.
    #[test]
    fn the_header_is_written_in_the_documented_layout() {
        let header =
            Header { base: 7, salt: 9, capacity: 4096, id_floor: 5, created_unix_ns: 3, is_sparse: false };
        let bytes = header.encode();
        assert_eq!(&bytes[..8], b"nsqrsseg");
        assert_eq!(bytes[8..16], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[16], 7);
        assert_eq!(bytes[24], 9);
        assert_eq!(Header::decode(&bytes), Some(header));
    }

    /// Protects: a damaged header is recognised, whichever bit it is.
    #[test]
    fn any_flipped_bit_of_the_header_is_noticed() {
        let bytes =
            Header { base: 7, salt: 9, capacity: 4096, id_floor: 5, created_unix_ns: 3, is_sparse: false }
                .encode();
        for bit in 0..60 * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&damaged), None, "bit {bit}");
        }
    }

    /// Protects: a seal is believed as a whole or not at all.
    #[test]
    fn any_flipped_bit_of_a_seal_is_noticed() {
        let seal = Seal {
            extent: Extent { count: 3, end: 500 },
            last_id: 7,
            tail: 12,
            has_deferred: true,
            is_synced: false,
        };
        let mut head = [0; SEGMENT_HEADER_BYTES as usize];
        for (offset, word) in seal.encode(77) {
            head[offset as usize..offset as usize + 8].copy_from_slice(&word.to_le_bytes());
        }
        assert_eq!(Seal::decode(&head, 77), Some(seal));
        assert_eq!(Seal::decode(&head, 78), None, "a seal of another use of the file");
        for bit in LIVE_OFFSET * 8..(TAIL_OFFSET + 8) * 8 {
            let mut damaged = head;
            damaged[bit as usize / 8] ^= 1 << (bit % 8);
            assert_eq!(Seal::decode(&damaged, 77), None, "bit {bit}");
        }
    }

    /// Protects: the parts of a slot do not overlap.
    #[test]
    fn a_slot_keeps_its_parts_apart() {
        for (deferred, more) in [(false, false), (true, false), (false, true), (true, true)] {
            let slot = Slot::new(OFFSET, deferred, more, 0xdead_beef);
            assert_eq!((slot.offset(), slot.crc()), (OFFSET, 0xdead_beef));
            assert_eq!((slot.is_deferred(), slot.has_more()), (deferred, more));
        }
    }
}

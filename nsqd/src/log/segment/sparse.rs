//! The file of a sparse segment: what is left of others, with its seqs.

use crc32c::crc32c_append;

use super::{
    format::{Header, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES, SLOT_BYTES, Seal, Slot},
    published::Extent,
    writer::Entry,
};

/// A message that is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept<'a> {
    /// Its number in the topic.
    pub(crate) seq: u64,
    /// Unix time in ns, if it was published with one.
    pub(crate) deadline_unix_ns: Option<u64>,
    /// The frame as it is stored.
    pub(crate) frame: &'a [u8],
}

/// Bytes that a message takes in such a file besides its frame, at most.
pub(crate) const KEPT_BYTES: usize = 3 * SLOT_BYTES as usize;

/// The file for `messages`, which rise by seq, less than 2^32 apart. The entry's base is the first seq.
///
/// `None` if there is none, or they do not fit into one.
pub(crate) fn encode(entry: Entry, last_id: u64, messages: &[Kept<'_>]) -> Option<Vec<u8>> {
    let (first, last) = (messages.first()?, messages.last()?);
    u32::try_from(last.seq.checked_sub(first.seq)?).ok()?;
    let frames: usize = messages.iter().map(|message| message.frame.len() + KEPT_BYTES).sum();
    let capacity = (SEGMENT_HEADER_BYTES as usize + frames).next_multiple_of(4096);
    if SEGMENT_BYTES_MAX as usize <= capacity {
        return None;
    }
    let header = Header {
        base: first.seq,
        salt: entry.salt,
        capacity: capacity as u64,
        id_floor: entry.id_floor,
        created_unix_ns: entry.now_unix_ns,
        is_sparse: true,
    };
    let mut image = vec![0; capacity];
    image[..64].copy_from_slice(&header.encode());
    let mut end = SEGMENT_HEADER_BYTES as usize;
    let stride = header.slot_bytes() as usize;
    for (index, message) in messages.iter().enumerate() {
        let start = end;
        if let Some(deadline) = message.deadline_unix_ns {
            image[end..end + 8].copy_from_slice(&deadline.to_le_bytes());
            end += 8;
        }
        let frame = u32::try_from(end).ok()?;
        image[end..end + message.frame.len()].copy_from_slice(message.frame);
        end += message.frame.len();
        let deferred = message.deadline_unix_ns.is_some();
        let seed = crc32c_append(header.seed(), &message.seq.to_le_bytes());
        let crc = Slot::crc_of(seed, deferred, false, &image[start..end]);
        let at = capacity - stride * (index + 1);
        image[at..at + 8].copy_from_slice(&message.seq.to_le_bytes());
        image[at + 8..at + 16].copy_from_slice(&Slot::new(frame, deferred, false, crc).0.to_le_bytes());
    }
    let seal = Seal {
        extent: Extent { count: u32::try_from(messages.len()).ok()?, end: u32::try_from(end).ok()? },
        last_id,
        tail: last.seq + 1,
        has_deferred: messages.iter().any(|message| message.deadline_unix_ns.is_some()),
        is_synced: true,
    };
    for (offset, word) in seal.encode(header.seed()) {
        image[offset as usize..offset as usize + 8].copy_from_slice(&word.to_le_bytes());
    }
    Some(image)
}

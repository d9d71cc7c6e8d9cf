//! Reading the file of a segment.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use crate::fault;

use super::{
    format::{Header, LIVE_OFFSET, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES, SLOT_BYTES, Seal},
    mapping::Mapping,
    published::Extent,
};

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Read beyond what a segment says that it holds.
const BEHIND_BYTES: u64 = 16 << 10;

/// The header, and what a full segment says of itself. `None` if the file is not a segment.
///
/// # Errors
/// The file cannot be read, which says nothing about its content.
pub(super) fn head(path: &Path) -> io::Result<Option<(Header, Option<Seal>)>> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes <= u64::from(SEGMENT_HEADER_BYTES + SLOT_BYTES) || u64::from(SEGMENT_BYTES_MAX) < bytes {
        return Ok(None);
    }
    let mut head = [0; SEGMENT_HEADER_BYTES as usize];
    file.read_exact_at(&mut head, 0)?;
    let header = head.first_chunk().and_then(Header::decode).filter(|header| header.capacity == bytes);
    let Some(header) = header else { return Ok(None) };
    let fits = |seal: &Seal| {
        u64::from(seal.extent.end) <= bytes
            && u64::from(seal.extent.count) <= bytes / u64::from(header.slot_bytes())
            && header.base <= seal.tail
    };
    Ok(Some((header, Seal::decode(&head, header.seed()).filter(fits))))
}

/// Seq of the first message of a file; `None` if it is not a segment.
///
/// # Errors
/// As [`head`].
pub(crate) fn base(path: &Path) -> io::Result<Option<u64>> {
    Ok(head(path)?.map(|(header, _)| header.base))
}

/// Reads what is used of a file, and maps it. A block that the disk cannot give is an error here; met first through the
/// mapping, it would end the process (SIGBUS).
///
/// # Errors
/// The file cannot be read or mapped.
pub(super) fn read_in(path: &Path) -> io::Result<Mapping> {
    fault::at("segment-read")?;
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut head = [0; SEGMENT_HEADER_BYTES as usize];
    // What is too short to be a segment is found out by whoever walks it.
    let _ = file.read_at(&mut head, 0)?;
    let live = u64::from_le_bytes(std::array::from_fn(|at| head[LIVE_OFFSET as usize + at]));
    let Extent { count, end } = Extent::unpack(live);
    // As far as it says that it goes, and some messages more that it may not have counted.
    let end = (u64::from(end) + BEHIND_BYTES).min(bytes);
    let slots = (u64::from(count) * 2 * u64::from(SLOT_BYTES) + BEHIND_BYTES).min(bytes);
    read_range(&file, 0, end)?;
    read_range(&file, (bytes - slots).max(end), bytes)?;
    Mapping::open(path)
}

fn read_range(file: &File, mut at: u64, end: u64) -> io::Result<()> {
    let left = usize::try_from(end.saturating_sub(at)).unwrap_or(CHUNK_BYTES);
    let mut chunk = vec![0; CHUNK_BYTES.min(left)];
    while at < end {
        let read = file.read_at(&mut chunk, at)?;
        if read == 0 {
            break;
        }
        at += read as u64;
    }
    Ok(())
}

/// Notes in a file that is not written to any more what it is to say of itself.
///
/// # Errors
/// It cannot be written, and says what it said before.
pub(super) fn write_seal(path: &Path, seal: &Seal, seed: u32) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    seal.encode(seed)
        .iter()
        .try_for_each(|(offset, word)| file.write_all_at(&word.to_le_bytes(), (*offset).into()))
}

//! Reading the file of a segment.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::Path,
};

use super::{
    format::{Header, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES, SLOT_BYTES, Seal},
    mapping::Mapping,
};

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 1 << 20;

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

/// Reads a file and maps it. A block that the disk cannot give is an error here; met first through the mapping, it would
/// end the process (SIGBUS).
///
/// # Errors
/// The file cannot be read or mapped.
pub(super) fn read_in(path: &Path) -> io::Result<Mapping> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    while file.read(&mut chunk)? != 0 {}
    Mapping::open(path)
}

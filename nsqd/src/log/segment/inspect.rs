//! A segment's file as it is, read and not changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    format::{Header, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES, SLOT_BYTES, Seal},
    recovered::{Recovered, Table},
    run::Frame,
};

/// Places of damaged messages that are told one by one, at most.
const PLACES_MAX: usize = 1000;

/// What a file holds.
#[derive(Debug)]
pub struct Inspected {
    path: PathBuf,
    image: Vec<u8>,
    header: Header,
    is_sealed: bool,
    found: Recovered,
}

/// What a file is.
#[derive(Debug)]
pub enum Inspection {
    /// A segment.
    Segment(Inspected),
    /// Made ahead and never begun: it holds nothing.
    Blank,
    /// Not a segment, or one whose header is damaged.
    Damaged,
}

/// A message of a segment.
#[derive(Debug, Clone, Copy)]
pub struct InspectedMessage<'a> {
    /// Its number in the topic.
    pub seq: u64,
    /// Unix time in ns, if it was published with a delay.
    pub deadline_unix_ns: Option<u64>,
    /// As stored.
    pub frame: Frame<'a>,
}

impl Inspected {
    /// Reads a file and checks all of it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> io::Result<Inspection> {
        let image = fs::read(path)?;
        if image.is_empty() || image.get(..8) == Some(&[0; 8]) {
            return Ok(Inspection::Blank);
        }
        let fits = (SEGMENT_HEADER_BYTES + SLOT_BYTES) as usize <= image.len()
            && image.len() <= SEGMENT_BYTES_MAX as usize;
        let header = image
            .first_chunk()
            .and_then(Header::decode)
            .filter(|header| header.capacity == image.len() as u64);
        let (true, Some(header), Some(head)) = (fits, header, image.first_chunk()) else {
            return Ok(Inspection::Damaged);
        };
        let seal = Seal::decode(head, header.seed()).filter(|seal| {
            u64::from(seal.extent.end) <= header.capacity
                && u64::from(seal.extent.count) * u64::from(header.slot_bytes()) <= header.capacity
        });
        let found = Recovered::walk(&image, &header, seal.as_ref());
        Ok(Inspection::Segment(Self {
            path: path.to_owned(),
            image,
            header,
            is_sealed: seal.is_some(),
            found,
        }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.image.len() as u64
    }

    /// Seq of the first message.
    pub fn base(&self) -> u64 {
        self.header.base
    }

    /// Seq behind the last message.
    pub fn tail(&self) -> u64 {
        self.found.seal(&self.header, false).tail
    }

    /// Whether it was compacted.
    pub fn is_sparse(&self) -> bool {
        self.header.is_sparse
    }

    /// Whether it is full; otherwise it was written to when its process ended.
    pub fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Messages that cannot be read.
    pub fn damaged(&self) -> u32 {
        self.found.damaged.count()
    }

    /// Offset of the slot of each damaged message, and its seq where that is known; the first thousand.
    pub fn damaged_places(&self) -> Vec<(u64, Option<u64>)> {
        let indices = self.found.damaged.ranges().iter().cloned().flatten().take(PLACES_MAX);
        let place = |index: u32| {
            let slot = self
                .header
                .capacity
                .saturating_sub(u64::from(self.header.slot_bytes()) * u64::from(index + 1));
            (slot, (!self.header.is_sparse).then(|| self.header.base + u64::from(index)))
        };
        indices.map(place).collect()
    }

    /// The messages that are whole, in order.
    pub fn messages(&self) -> impl Iterator<Item = InspectedMessage<'_>> {
        let table = Table { image: &self.image, header: &self.header };
        let dense = (0..self.found.extent.count).filter(|index| self.found.damaged.from(*index).is_none());
        let dense =
            dense.map(|index| (index, index)).take(if self.header.is_sparse { 0 } else { usize::MAX });
        let places = self.found.places.iter().copied().chain(dense);
        places.filter_map(move |(delta, index)| {
            let found = table.message(index)?;
            let bytes = self.image.get(found.bytes.start as usize..found.bytes.end as usize)?;
            let (deadline_unix_ns, frame) = if found.slot.is_deferred() {
                let (deadline, frame) = bytes.split_first_chunk()?;
                (Some(u64::from_le_bytes(*deadline)), frame)
            } else {
                (None, bytes)
            };
            let (frame, _) = Frame::split(frame)?;
            Some(InspectedMessage { seq: self.header.base + u64::from(delta), deadline_unix_ns, frame })
        })
    }
}

//! Access to a mapping by one writer and many readers. The only unsafe code of the project.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    format::{Header, LIVE_OFFSET, SEALED_OFFSET, SEGMENT_HEADER_BYTES, SLOT_BYTES, Seal, Slot},
    mapping::Mapping,
    published::{Extent, Published},
};

/// A mapping and how far it is readable.
#[derive(Debug)]
pub(super) struct Region {
    mapping: Mapping,
    capacity: u32,
    /// From slot to slot; more than a slot where seqs stand between.
    slot_stride: u32,
    published: Published,
}

// SAFETY: the mapping is memory of its own that no thread-local state refers to.
unsafe impl Send for Region {}
// SAFETY: shared access reads published bytes only, which nobody stores to (rules 1 to 3 of the module).
unsafe impl Sync for Region {}

/// The right to store into one region. There is one for each region, and it is not `Clone`.
#[derive(Debug)]
pub(super) struct WriteToken {
    /// Address of the region's mapping, so that a token of another region is noticed.
    region: *const u8,
    /// What is stored so far, published or not.
    staged: Extent,
}

// SAFETY: the pointer is compared, never followed.
unsafe impl Send for WriteToken {}

impl Region {
    /// Begins a new use of `mapping`. What it held before is gone.
    ///
    /// A process that is killed in here leaves a file without a valid header.
    pub(super) fn begin(mapping: Mapping, header: &Header) -> (Self, WriteToken) {
        let capacity = u32::try_from(mapping.len()).expect("a segment is at most SEGMENT_BYTES_MAX bytes");
        assert!(SEGMENT_HEADER_BYTES + SLOT_BYTES < capacity, "a segment has room for its header");
        let empty = Extent { count: 0, end: SEGMENT_HEADER_BYTES };
        let published = Published::new(empty);
        let region = Self { mapping, capacity, slot_stride: SLOT_BYTES, published };
        let words = header.encode();
        region.word(0).store(0, Ordering::Release);
        region.word(SEALED_OFFSET).store(0, Ordering::Release);
        region.word(LIVE_OFFSET).store(empty.pack(), Ordering::Release);
        // The magic last: only a whole header is a header.
        for (index, bytes) in words.as_chunks::<8>().0.iter().enumerate().rev() {
            let offset = u32::try_from(index * 8).expect("a header has 64 bytes");
            region.word(offset).store(u64::from_le_bytes(*bytes).to_le(), Ordering::Release);
        }
        let token = WriteToken { region: region.mapping.as_ptr(), staged: empty };
        (region, token)
    }

    /// Takes over a mapping that holds messages up to `extent`; nothing more will be stored into it.
    pub(super) fn open(mapping: Mapping, header: &Header, extent: Extent) -> Self {
        let capacity = u32::try_from(mapping.len()).expect("checked by the caller");
        let slot_stride = header.slot_bytes();
        assert!(extent.end <= capacity && extent.count <= capacity / slot_stride, "checked by the caller");
        Self { mapping, capacity, slot_stride, published: Published::new(extent) }
    }

    /// Holds nothing.
    pub(super) fn empty(mapping: Mapping) -> Self {
        let published = Published::new(Extent { count: 0, end: 0 });
        Self { mapping, capacity: 0, slot_stride: SLOT_BYTES, published }
    }

    /// The mapping, once nobody reads the region any more.
    pub(super) fn into_mapping(self) -> Mapping {
        self.mapping
    }

    pub(super) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    #[inline]
    pub(super) fn published(&self) -> Extent {
        self.published.load()
    }

    /// Published bytes.
    #[inline]
    pub(super) fn bytes(&self, start: u32, end: u32) -> &[u8] {
        assert!(start <= end && end <= self.published.load().end, "only published bytes are read");
        // SAFETY: the published end never exceeds the mapping.
        let first = unsafe { self.mapping.as_ptr().add(start as usize) };
        // SAFETY: below the published end nothing is stored again while the region exists (rules 2 and 3).
        unsafe { std::slice::from_raw_parts(first, (end - start) as usize) }
    }

    /// Slot of a published message.
    #[inline]
    pub(super) fn slot(&self, index: u32) -> Slot {
        assert!(index < self.published.load().count, "only published slots are read");
        let offset = self.capacity - self.slot_stride * index - SLOT_BYTES;
        // SAFETY: inside the mapping, since the published count fits it.
        let slot = unsafe { self.mapping.as_ptr().add(offset as usize) };
        // SAFETY: published slots are whole and immutable.
        let word = unsafe { slot.cast::<u64>().read_unaligned() };
        Slot(u64::from_le(word))
    }

    /// Bytes that are left between the frames and the slots.
    #[inline]
    pub(super) fn free_bytes(&self, token: &WriteToken) -> u32 {
        (self.capacity - SLOT_BYTES * token.staged.count) - token.staged.end
    }

    /// Stores bytes behind the last frame, unpublished. Room for them and one slot must be there.
    #[inline]
    pub(super) fn stage(&self, token: &mut WriteToken, bytes: &[u8]) {
        assert!(std::ptr::eq(token.region, self.mapping.as_ptr()), "the token is this region's");
        assert!(bytes.len() + SLOT_BYTES as usize <= self.free_bytes(token) as usize, "the caller made room");
        let at = token.staged.end as usize;
        // SAFETY: inside the mapping by the check above.
        let free = unsafe { self.mapping.as_mut_ptr().add(at) };
        // SAFETY: room for `bytes` by the check above; beyond the published end, where only the holder of the token
        // looks, and it is borrowed exclusively; `bytes` cannot overlap with memory that nobody can borrow.
        unsafe { free.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        token.staged.end += u32::try_from(bytes.len()).expect("less than the capacity");
    }

    /// Bytes from `start` to the last staged one.
    #[inline]
    pub(super) fn staged<'a>(&'a self, token: &'a WriteToken, start: u32) -> &'a [u8] {
        assert!(std::ptr::eq(token.region, self.mapping.as_ptr()), "the token is this region's");
        assert!(start <= token.staged.end, "only what was staged is read");
        let bytes = (token.staged.end - start) as usize;
        // SAFETY: staged bytes are inside the mapping.
        let first = unsafe { self.mapping.as_ptr().add(start as usize) };
        // SAFETY: they were stored, and storing more needs the token, which is borrowed.
        unsafe { std::slice::from_raw_parts(first, bytes) }
    }

    /// Stores the slot of the frame that was staged last, unpublished.
    #[inline]
    pub(super) fn stage_slot(&self, token: &mut WriteToken, slot: Slot) {
        assert!(std::ptr::eq(token.region, self.mapping.as_ptr()), "the token is this region's");
        assert!(SLOT_BYTES <= self.free_bytes(token), "the caller made room");
        let offset = (self.capacity - SLOT_BYTES * (token.staged.count + 1)) as usize;
        // SAFETY: inside the mapping and behind the frames by the check above.
        let free = unsafe { self.mapping.as_mut_ptr().add(offset) };
        // SAFETY: beyond the published count, where only the holder of the token looks.
        unsafe { free.cast::<u64>().write_unaligned(slot.0.to_le()) };
        token.staged.count += 1;
    }

    /// Makes all that was staged readable, at once.
    #[inline]
    pub(super) fn publish(&self, token: &mut WriteToken) {
        assert!(std::ptr::eq(token.region, self.mapping.as_ptr()), "the token is this region's");
        self.published.advance(token.staged);
        // The copy for recovery: a killed process leaves either the old count or the new one.
        self.word(LIVE_OFFSET).store(token.staged.pack().to_le(), Ordering::Release);
    }

    /// What is stored so far, published or not.
    #[inline]
    pub(super) fn staged_extent(token: &WriteToken) -> Extent {
        token.staged
    }

    /// Notes in the file that no more is published, which without the token is so.
    #[expect(clippy::needless_pass_by_value, reason = "the token ends here")]
    pub(super) fn seal(&self, token: WriteToken, seal: &Seal, seed: u32) {
        assert!(std::ptr::eq(token.region, self.mapping.as_ptr()), "the token is this region's");
        self.write_seal(seal, seed);
    }

    /// Stores what a full segment says of itself. Readers have the extent from elsewhere.
    pub(super) fn write_seal(&self, seal: &Seal, seed: u32) {
        for (offset, word) in seal.encode(seed) {
            self.word(offset).store(word.to_le(), Ordering::Release);
        }
    }

    /// A word of the header.
    fn word(&self, offset: u32) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset < SEGMENT_HEADER_BYTES, "a word of the header");
        // SAFETY: inside the mapping, which is larger than a header.
        let word = unsafe { self.mapping.as_mut_ptr().add(offset as usize) };
        // SAFETY: mappings are page aligned and the offset is a multiple of 8; every access to the header of a
        // region goes through such an atomic.
        unsafe { AtomicU64::from_ptr(word.cast()) }
    }
}

/// The whole of a mapping that is not yet shared, for recovery.
pub(super) fn whole(mapping: &mut Mapping) -> &[u8] {
    // SAFETY: the mapping is borrowed exclusively, so that no region stores into it meanwhile.
    unsafe { std::slice::from_raw_parts(mapping.as_ptr(), mapping.len()) }
}

/// Seals a file as recovery found it, so that the next start need not walk it.
pub(super) fn seal_recovered(mapping: &mut Mapping, seal: &Seal, seed: u32) {
    assert!(SEGMENT_HEADER_BYTES as usize <= mapping.len(), "checked by the caller");
    for (offset, value) in seal.encode(seed) {
        // SAFETY: inside the mapping by the check above.
        let word = unsafe { mapping.as_mut_ptr().add(offset as usize) };
        // SAFETY: aligned as in `Region::word`, and borrowed exclusively.
        unsafe { AtomicU64::from_ptr(word.cast()) }.store(value.to_le(), Ordering::Release);
    }
}

//! Memory of a segment: a file mapped shared, or anonymous memory for ephemeral topics.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use memmap2::{Advice, MmapMut, MmapOptions, MmapRaw, UncheckedAdvice};
use rustix::fs::{FallocateFlags, fallocate};

use crate::fault;

/// Of every machine that this runs on the page is this large or a multiple of it; where it is larger, the kernel
/// refuses an odd range, which costs time only.
const PAGE_BYTES: usize = 4096;

/// Mapped memory. The file descriptor is closed after mapping, so that open files do not bound the number of topics.
#[derive(Debug)]
pub(super) struct Mapping {
    raw: MmapRaw,
    path: Option<Arc<Path>>,
}

impl Mapping {
    /// A new file of `bytes` bytes, all of them allocated on the disk, mode 0600.
    ///
    /// # Errors
    /// No room, no permission, too many mappings. No file is left behind.
    pub(super) fn create(path: &Path, bytes: u32) -> io::Result<Self> {
        fault::at("segment-create")?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Self::allocate(&file, path, bytes).inspect_err(|_| {
            // The error that matters is the one that is returned; a file that stays is taken for an empty
            // segment at the next start, and removed then.
            let _ = std::fs::remove_file(path);
        })
    }

    fn allocate(file: &File, path: &Path, bytes: u32) -> io::Result<Self> {
        // All blocks now: a store into a hole of a full disk would kill the process with SIGBUS.
        fault::at("segment-allocate")?;
        fallocate(file, FallocateFlags::empty(), 0, u64::from(bytes))?;
        fault::at("segment-map")?;
        let raw = MmapOptions::new().len(bytes as usize).map_raw(file)?;
        // Otherwise the first fault reads ahead, which for a new file is to fill it with zeros: of the cost of a topic
        // with one message it was four fifths.
        raw.advise(Advice::Random)?;
        Ok(Self { raw, path: Some(path.into()) })
    }

    /// Maps an existing file in its whole length.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let raw = MmapOptions::new().map_raw(&file)?;
        Ok(Self { raw, path: Some(path.into()) })
    }

    /// Memory without a file.
    pub(super) fn anonymous(bytes: u32) -> io::Result<Self> {
        Ok(Self { raw: MmapMut::map_anon(bytes as usize)?.into(), path: None })
    }

    pub(super) fn as_ptr(&self) -> *const u8 {
        self.raw.as_ptr()
    }

    pub(super) fn as_mut_ptr(&self) -> *mut u8 {
        self.raw.as_mut_ptr()
    }

    pub(super) fn len(&self) -> usize {
        self.raw.len()
    }

    pub(super) fn path(&self) -> Option<&Arc<Path>> {
        self.path.as_ref()
    }

    /// Makes the pages of a range writable ahead of their use. Only a hint: an error costs page faults later.
    pub(super) fn populate_write(&self, offset: usize, bytes: usize) {
        let bytes = bytes.min(self.len().saturating_sub(offset));
        let _ = self.raw.advise_range(Advice::PopulateWrite, offset, bytes);
    }

    /// Brings the pages of a range into memory ahead of their use. Only a hint.
    pub(super) fn populate_read(&self, offset: usize, bytes: usize) {
        let bytes = bytes.min(self.len().saturating_sub(offset));
        let _ = self.raw.advise_range(Advice::WillNeed, offset, bytes);
        let _ = self.raw.advise_range(Advice::PopulateRead, offset, bytes);
    }

    /// Waits until everything is on the disk (`msync`, which for a file mapping is `fdatasync` of the range).
    ///
    /// Up to `written` nothing is stored any more.
    pub(super) fn sync(&self, written: usize) -> io::Result<()> {
        if self.path.is_none() {
            return Ok(());
        }
        fault::at("segment-sync")?;
        // The kernel takes write access from each page that it writes, and tells the other processors so page by
        // page: measured as a quarter of the cost of publishing. Taken from all at once it is told once.
        self.forget_pages(written);
        self.raw.flush_range(0, self.len())
    }

    /// Drops the page table entries of the first `bytes` bytes of a file mapping, but not of what is made ready behind.
    /// The data stay in the page cache, and come back when touched.
    fn forget_pages(&self, bytes: usize) {
        let whole_pages = bytes / PAGE_BYTES * PAGE_BYTES;
        if whole_pages == 0 {
            return;
        }
        // SAFETY: the mapping is shared and of a file, so that what was stored is in the file's pages, and every
        // later access finds it there. Anonymous memory would be lost; the caller has excluded it.
        let forgotten = unsafe { self.raw.unchecked_advise_range(UncheckedAdvice::DontNeed, 0, whole_pages) };
        // Only a matter of speed.
        let _ = forgotten;
    }
}

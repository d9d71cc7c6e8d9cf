//! A segment of a log: what is known of it without its memory, and its memory once somebody reads it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use parking_lot::Mutex;
use protocol::MessageId;

use super::{
    file,
    format::{Header, SLOT_BYTES, Seal},
    loaded::Loaded,
    mapping::Mapping,
    recovered::Recovered,
    region::{self, Region},
    run::{Budget, Next, Run},
    salvage,
};

/// Why a file is not taken as a segment.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// It cannot be opened or mapped; that says nothing about its content.
    #[error("cannot map {path}")]
    Map {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// Its header does not check.
    #[error("{path} has no valid segment header")]
    Header {
        /// The file.
        path: PathBuf,
    },
}

/// How the files of a log are looked at when it is opened. What is read later is always checked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The last stop was orderly: only files that do not say what they hold are walked.
    Growing,
    /// It was not: also full ones that may not have been on the disk.
    Unsynced,
    /// All.
    All,
}

/// A file that was opened, and what was done to it.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The segment, not in memory.
    pub(crate) segment: Segment,
    /// Messages of a publish that was never acknowledged, cut off.
    pub(crate) cut: u32,
}

/// Messages of a log from `base` to `tail`. Cheap to share; readers never wait.
#[derive(Debug)]
pub struct Segment {
    header: Header,
    path: Option<Arc<Path>>,
    /// What the file says of itself, or recovery made it say; `None` of a segment that was begun by this process.
    found: Option<Seal>,
    loaded: OnceLock<Loaded>,
    loading: Mutex<()>,
    is_sealed: AtomicBool,
    is_synced: AtomicBool,
    has_failed: AtomicBool,
    /// Messages that were found damaged so far.
    damaged: AtomicU32,
}

impl Segment {
    /// A segment that is about to be written.
    pub(super) fn begun(region: Region, header: Header) -> Self {
        let path = region.mapping().path().cloned();
        let loaded = OnceLock::from(Loaded::begun(region, header.base));
        Self {
            header,
            path,
            found: None,
            loaded,
            loading: Mutex::new(()),
            is_sealed: AtomicBool::new(false),
            is_synced: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            damaged: AtomicU32::new(0),
        }
    }

    /// Finds out what a file holds, without keeping it in memory.
    ///
    /// # Errors
    /// [`SegmentError::Map`] if the file cannot be read or mapped, [`SegmentError::Header`] if it is not a segment.
    pub(crate) fn open(path: &Path, check: Check) -> Result<Opened, SegmentError> {
        let map = |cause| SegmentError::Map { path: path.to_owned(), cause };
        let no_header = || SegmentError::Header { path: path.to_owned() };
        let (header, mut seal) = file::head(path).map_err(map)?.ok_or_else(no_header)?;
        let is_trusted = |seal: &Seal| match check {
            Check::Growing => true,
            Check::Unsynced => seal.is_synced,
            Check::All => false,
        };
        let (mut damaged, mut cut) = (0, 0);
        if !seal.as_ref().is_some_and(is_trusted) {
            let mut mapping = file::read_in(path).map_err(map)?;
            let found = Recovered::walk(region::whole(&mut mapping), &header, seal.as_ref());
            (damaged, cut) = (found.damaged.count(), found.cut);
            if seal.is_none() {
                let made = found.seal(&header, false);
                region::seal_recovered(&mut mapping, &made, header.seed());
                seal = Some(made);
            }
        }
        let segment = Self {
            header,
            path: Some(path.into()),
            found: seal,
            loaded: OnceLock::new(),
            loading: Mutex::new(()),
            is_sealed: AtomicBool::new(true),
            is_synced: AtomicBool::new(seal.is_some_and(|seal| seal.is_synced)),
            has_failed: AtomicBool::new(false),
            damaged: AtomicU32::new(damaged),
        };
        Ok(Opened { segment, cut })
    }

    /// Brings the segment into memory, and checks all of it. Costs nothing if it is there already; otherwise it waits
    /// for the disk.
    ///
    /// # Errors
    /// No file descriptor, no memory map, no file: it can be tried again. Damage is no error.
    pub fn load(&self) -> io::Result<()> {
        if self.loaded.get().is_some() {
            return Ok(());
        }
        let _loading = self.loading.lock();
        if self.loaded.get().is_some() {
            return Ok(());
        }
        let (Some(path), Some(seal)) = (&self.path, &self.found) else { return Ok(()) };
        let mut mapping = match file::read_in(path) {
            Err(cause) if salvage::is_bad_block(&cause) => {
                salvage::salvage(path)?;
                file::read_in(path)?
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return self.load_nothing(seal),
            read => read?,
        };
        let image = region::whole(&mut mapping);
        let mut header = self.header;
        if image.len() as u64 != header.capacity
            || image.first_chunk().and_then(Header::decode) != Some(header)
        {
            // Somebody changed the file meanwhile: with another salt each of its messages fails its check.
            header.salt = !header.salt;
        }
        let found = Recovered::walk(image, &header, Some(seal));
        self.damaged.store(found.damaged.count(), Ordering::Relaxed);
        let mut extent = found.extent;
        if !header.is_sparse {
            // Less than the file has, where the next one begins earlier.
            extent.count = u32::try_from(seal.tail - header.base).unwrap_or(0).min(extent.count);
        }
        let region = Region::open(mapping, &header, extent);
        // Nobody else sets it while the lock is held.
        let _ = self.loaded.set(Loaded::found(region, &header, found));
        Ok(())
    }

    /// The file is gone, and its messages with it.
    fn load_nothing(&self, seal: &Seal) -> io::Result<()> {
        self.damaged.store(seal.extent.count, Ordering::Relaxed);
        let _ = self.loaded.set(Loaded::nothing(self.header.base)?);
        Ok(())
    }

    /// Whether it is in memory.
    pub fn is_loaded(&self) -> bool {
        self.loaded.get().is_some()
    }

    /// The memory of a segment that this process began.
    #[inline]
    pub(super) fn written(&self) -> &Region {
        &self.loaded.get().expect("a segment that is begun is in memory").region
    }

    pub(super) fn set_irregular(&self) {
        if let Some(loaded) = self.loaded.get() {
            loaded.set_irregular();
        }
    }

    /// The memory, to be written anew.
    pub(super) fn into_mapping(self) -> Option<Mapping> {
        match (self.loaded.into_inner(), &self.path) {
            (Some(loaded), _) => Some(loaded.region.into_mapping()),
            (None, Some(path)) => Mapping::open(path).ok(),
            (None, None) => None,
        }
    }

    /// Seq of the first message.
    pub fn base(&self) -> u64 {
        self.header.base
    }

    /// Seq behind the last readable message.
    #[inline]
    pub fn tail(&self) -> u64 {
        match &self.found {
            None => self.header.base + u64::from(self.written().published().count),
            Some(seal) => seal.tail,
        }
    }

    /// Whether its seqs have gaps, since it was compacted.
    pub fn is_sparse(&self) -> bool {
        self.header.is_sparse
    }

    /// The seqs of a sparse segment, if it can be read; `None` of any other.
    pub(crate) fn seqs(&self) -> Option<impl Iterator<Item = u64>> {
        if !self.header.is_sparse {
            return None;
        }
        self.load().ok()?;
        Some(self.loaded.get()?.seqs())
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.tail() <= self.base()
    }

    /// Never reads at or behind `tail`, where another segment begins.
    pub(crate) fn end_at(&mut self, tail: u64) {
        if let Some(seal) = &mut self.found {
            seal.tail = seal.tail.min(tail);
        }
    }

    /// The highest message id that is known to have been given out up to the end of this segment.
    pub fn highest_id(&self) -> u64 {
        let last = match (&self.found, self.loaded.get()) {
            (Some(seal), _) => seal.last_id,
            (None, Some(loaded)) => loaded.last_id(),
            (None, None) => 0,
        };
        self.header.id_floor.max(last)
    }

    /// When it was begun, unix time in ns.
    pub fn created_unix_ns(&self) -> u64 {
        self.header.created_unix_ns
    }

    /// Bytes of the file.
    pub fn capacity(&self) -> u32 {
        u32::try_from(self.header.capacity).unwrap_or(u32::MAX)
    }

    /// Bytes of frames and slots.
    pub fn used_bytes(&self) -> u32 {
        let extent = match &self.found {
            Some(seal) => seal.extent,
            None => self.written().published(),
        };
        extent.end.saturating_add(extent.count.saturating_mul(self.header.slot_bytes()))
    }

    /// The file; `None` for anonymous memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Messages that were found damaged so far.
    pub fn damaged(&self) -> u32 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// What follows at `seq`, which is not below the base.
    #[inline]
    pub fn next(self: &Arc<Self>, seq: u64, budget: Budget) -> Next {
        match self.loaded.get() {
            Some(loaded) => loaded.next(self, seq, budget),
            None => Next::NotLoaded,
        }
    }

    /// The bytes of a run of this segment.
    #[inline]
    pub(super) fn run_bytes(&self, run: &Run) -> &[u8] {
        self.loaded.get().expect("a run is of a segment in memory").region.bytes(run.start, run.end)
    }

    /// Counts the messages with seqs in `from..to` whose deadline is after `now_unix_ns`. A segment that has none need
    /// not be in memory.
    ///
    /// # Errors
    /// As [`Segment::load`].
    pub fn deferred_between(&self, from: u64, to: u64, now_unix_ns: u64) -> io::Result<u64> {
        if self.found.as_ref().is_some_and(|seal| !seal.has_deferred) {
            return Ok(0);
        }
        self.load()?;
        Ok(self.loaded.get().map_or(0, |loaded| loaded.deferred_between(from, to, now_unix_ns)))
    }

    /// The seq of the message with this id, if this segment has it and is in memory, as it is once it was delivered.
    pub fn find(&self, id: MessageId) -> Option<u64> {
        self.loaded.get()?.find(id)
    }

    /// Seq and time of the first message that was published at `unix_ns` or after it, if it is in memory.
    pub(crate) fn first_at(&self, unix_ns: i64) -> Option<(u64, i64)> {
        self.loaded.get()?.first_at(unix_ns)
    }

    /// Faults pages in ahead of the writer, slots included.
    pub fn populate_write(&self, offset: u32, bytes: u32) {
        let Some(Loaded { region, .. }) = self.loaded.get() else { return };
        region.mapping().populate_write(offset as usize, bytes as usize);
        // The slots of so many bytes, supposing messages of 64 bytes and more.
        let slots = (bytes / 8).max(4096) as usize;
        let behind = SLOT_BYTES as usize * region.published().count as usize + slots;
        region.mapping().populate_write((self.capacity() as usize).saturating_sub(behind), slots);
    }

    /// Brings pages into memory ahead of a reader that lags.
    pub fn populate_read(&self, seq: u64, bytes: u32) {
        if let Some(loaded) = self.loaded.get() {
            loaded.region.mapping().populate_read(loaded.offset_of(seq) as usize, bytes as usize);
        }
    }

    /// Waits until all that is published is on the disk.
    ///
    /// # Errors
    /// A failed sync is final: what the page cache says afterwards proves nothing.
    pub fn sync(&self) -> io::Result<()> {
        let Some(Loaded { region, .. }) = self.loaded.get() else { return Ok(()) };
        region.mapping().sync(region.published().end as usize)
    }

    /// Notes that a sync of it has failed: it must not be written to again, nor said to be on the disk.
    pub(crate) fn note_failed(&self) {
        self.has_failed.store(true, Ordering::Release);
    }

    /// Whether a sync of it has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Notes that all of it is on the disk, if it is full: the next start need not check it.
    pub fn note_synced(&self) {
        let Some(path) = &self.path else { return };
        let is_growing = !self.is_sealed.load(Ordering::Acquire);
        // Damage is looked at, and reported, at each start.
        if is_growing
            || self.has_failed()
            || self.damaged() != 0
            || self.is_synced.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let seed = self.header.seed();
        match (self.found, self.loaded.get()) {
            (Some(seal), _) => {
                // Where it cannot be written, the next start checks the file again.
                let _ = file::write_seal(path, &Seal { is_synced: true, ..seal }, seed);
            }
            (None, Some(loaded)) => loaded.region.write_seal(&self.seal(true), seed),
            (None, None) => {}
        }
    }

    /// What a segment that this process has written is to say of itself once it is full.
    pub(super) fn seal(&self, is_synced: bool) -> Seal {
        let loaded = self.loaded.get().expect("a segment that is begun is in memory");
        self.is_sealed.store(true, Ordering::Release);
        Seal {
            extent: loaded.region.published(),
            last_id: loaded.last_id(),
            tail: self.tail(),
            has_deferred: loaded.is_irregular(),
            is_synced,
        }
    }
}

//! Opening the folder of a topic.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{error, info, warn};

use super::{
    error::OpenError,
    limits::Limits,
    log::{Found, Log, Place},
    segment::{Check, Opened, Segment, SegmentError, salvage},
    storage::Storage,
};

/// How often a long start says how far it is.
const PROGRESS: Duration = Duration::from_secs(2);

/// How a topic's log is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Whose thread works for it.
    pub storage: Storage,
    /// Largest segment, in bytes; a larger command gets a segment of its own.
    pub segment_bytes_max: u32,
    /// Part of every message id.
    pub node_id: protocol::NodeId,
    /// What it may keep and take.
    pub limits: Limits,
    /// Which files are walked at once. What is read later is checked when it is read.
    pub check: Check,
}

impl OpenOptions {
    /// Without limits, after an orderly stop.
    pub fn new(storage: Storage, segment_bytes_max: u32, node_id: protocol::NodeId) -> Self {
        Self { storage, segment_bytes_max, node_id, limits: Limits::default(), check: Check::Growing }
    }
}

/// What cannot be read of a log. The rest is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// What of it.
    pub kind: DamageKind,
}

/// What of a segment is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageKind {
    /// The header: the file was set aside under this name, and holds whatever it held.
    Header(PathBuf),
    /// Some blocks cannot be read: the file was set aside under this name, and what can be read of it was copied.
    Blocks(PathBuf),
    /// So many messages.
    Messages(u32),
    /// Another file holds the same seqs; this one is not used, and not removed.
    Overlap,
}

impl Log {
    /// Opens the log in `folder`, which exists and may be empty. Whatever is whole in it is kept; none of it is in memory.
    ///
    /// # Errors
    /// [`OpenError`] if the folder or a file cannot be read for a reason that is not damage, such as no permission.
    /// Damage is not an error: see [`Log::take_damage`].
    pub fn open(folder: &Path, options: &OpenOptions) -> Result<Arc<Self>, OpenError> {
        let failed = |path: &Path, cause| OpenError::Io { path: path.to_owned(), cause };
        let mut segments: Vec<Segment> = Vec::new();
        let mut damage = Vec::new();
        let mut file_number = 0;
        let mut told = Instant::now();
        for entry in fs::read_dir(folder).map_err(|cause| failed(folder, cause))? {
            if PROGRESS <= told.elapsed() {
                told = Instant::now();
                info!("{}: {} segments opened so far", folder.display(), segments.len());
            }
            let path = entry.map_err(|cause| failed(folder, cause))?.path();
            let Some(number) = segment_number(&path) else { continue };
            file_number = file_number.max(number);
            segments.extend(recover(&path, options.check, &mut damage)?);
        }
        let segments = without_overlaps(segments, &mut damage)?;
        let place = Place::Folder(folder.to_owned());
        let found = Found { segments, file_number, damage };
        Ok(Log::new(place, options, found))
    }
}

fn segment_number(path: &Path) -> Option<u64> {
    let stem = path.extension().is_some_and(|extension| extension == "seg").then(|| path.file_stem())??;
    stem.to_str()?.parse().ok()
}

/// The segment in `path`, unless it holds nothing.
fn recover(path: &Path, check: Check, damage: &mut Vec<Damage>) -> Result<Option<Segment>, OpenError> {
    let failed = |cause| OpenError::Io { path: path.to_owned(), cause };
    let mut note = |kind| damage.push(Damage { path: path.to_owned(), kind });
    let opened = match Segment::open(path, check) {
        Err(SegmentError::Map { cause, .. }) if salvage::is_bad_block(&cause) => {
            let aside = salvage::salvage(path).map_err(failed)?;
            error!(path = %path.display(), kept_as = %aside.display(), "blocks of a segment cannot be read; the rest was copied");
            note(DamageKind::Blocks(aside));
            Segment::open(path, check)
        }
        opened => opened,
    };
    match opened {
        Ok(Opened { segment, cut }) => {
            if cut != 0 {
                warn!(path = %path.display(), messages = cut, "cut the messages of a publish that was never acknowledged");
            }
            if segment.damaged() != 0 {
                error!(path = %path.display(), messages = segment.damaged(), "damaged messages are skipped");
                note(DamageKind::Messages(segment.damaged()));
            }
            if segment.is_empty() {
                fs::remove_file(path).map_err(failed)?;
                return Ok(None);
            }
            Ok(Some(segment))
        }
        Err(SegmentError::Header { .. }) if was_never_begun(path).map_err(failed)? => {
            fs::remove_file(path).map_err(failed)?;
            Ok(None)
        }
        Err(SegmentError::Header { .. }) => {
            let aside = salvage::set_aside(path).map_err(failed)?;
            error!(path = %path.display(), kept_as = %aside.display(), "segment header is damaged; the file is set aside");
            note(DamageKind::Header(aside));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// A segment that was made ahead, or was being recycled when the process was killed, begins with eight zero bytes.
fn was_never_begun(path: &Path) -> io::Result<bool> {
    let mut start = [0xff; 8];
    match File::open(path)?.read_exact(&mut start) {
        Ok(()) => Ok(start == [0; 8]),
        // Killed between creating and allocating.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
        Err(error) => Err(error),
    }
}

/// Each seq is read from one file. Several claim it after a kill in the middle of a compaction, after damage that made a
/// count too high, and where somebody copied files by hand.
fn without_overlaps(
    segments: Vec<Segment>,
    damage: &mut Vec<Damage>,
) -> Result<VecDeque<Arc<Segment>>, OpenError> {
    let (mut sparse, mut dense): (Vec<_>, Vec<_>) = segments.into_iter().partition(Segment::is_sparse);
    sparse.sort_by_key(|segment| (segment.base(), std::cmp::Reverse(segment.tail())));
    dense.sort_by_key(|segment| (segment.base(), segment.tail()));
    let mut kept: Vec<Segment> = Vec::with_capacity(sparse.len() + dense.len());
    for segment in sparse {
        if kept.last().is_some_and(|last| segment.base() < last.tail()) {
            remove_compacted(&segment)?;
        } else {
            kept.push(segment);
        }
    }
    let compacted: Vec<(u64, u64)> = kept.iter().map(|segment| (segment.base(), segment.tail())).collect();
    let mut last: Option<Segment> = None;
    for segment in dense {
        let at = compacted.partition_point(|(_, tail)| *tail <= segment.base());
        if compacted.get(at).is_some_and(|(base, _)| *base < segment.tail()) {
            remove_compacted(&segment)?;
            continue;
        }
        let Some(mut before) = last.take() else {
            last = Some(segment);
            continue;
        };
        let overlaps = segment.base() < before.tail();
        let is_inside = overlaps && segment.tail() <= before.tail() && before.damaged() == 0;
        if is_inside || (overlaps && segment.base() == before.base()) {
            // A copy: the one with more is used.
            let (used, other) = if is_inside { (before, segment) } else { (segment, before) };
            error!(used = ?used.path(), ignored = ?other.path(), "two segments hold the same messages");
            damage
                .extend(other.path().map(|path| Damage { path: path.to_owned(), kind: DamageKind::Overlap }));
            last = Some(used);
            continue;
        }
        // What a damaged segment claims beyond the next one's start may never have been.
        before.end_at(segment.base());
        kept.push(before);
        last = Some(segment);
    }
    kept.extend(last);
    kept.sort_by_key(Segment::base);
    Ok(kept.into_iter().map(Arc::new).collect())
}

/// What a compaction has replaced, and a kill has kept it from removing.
fn remove_compacted(segment: &Segment) -> Result<(), OpenError> {
    let Some(path) = segment.path() else { return Ok(()) };
    fs::remove_file(path).map_err(|cause| OpenError::Io { path: path.to_owned(), cause })
}

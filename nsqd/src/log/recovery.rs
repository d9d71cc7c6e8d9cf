//! Opening the folder of a topic.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::{error, warn};

use super::{
    error::OpenError,
    log::{Found, Log, Place},
    segment::{Segment, SegmentError},
    storage::Storage,
};

/// How a topic's log is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Whose thread works for it.
    pub storage: Storage,
    /// Largest segment, in bytes; a larger command gets a segment of its own.
    pub segment_bytes_max: u32,
    /// Part of every message id.
    pub node_id: protocol::NodeId,
    /// Whether the frames of full segments are checked too.
    pub verify: bool,
}

impl Log {
    /// Opens the log in `folder`, which exists and may be empty. Whatever is whole in it is kept.
    ///
    /// # Errors
    /// [`OpenError`] if the folder or a file cannot be read. Damage is not an error: it is logged, the file set aside
    /// or the message skipped, and all the rest is delivered.
    pub fn open(folder: &Path, options: &OpenOptions) -> Result<Arc<Self>, OpenError> {
        let failed = |path: &Path, cause| OpenError::Io { path: path.to_owned(), cause };
        let mut segments: Vec<Segment> = Vec::new();
        let mut file_number = 0;
        for entry in fs::read_dir(folder).map_err(|cause| failed(folder, cause))? {
            let path = entry.map_err(|cause| failed(folder, cause))?.path();
            let Some(number) = segment_number(&path) else { continue };
            file_number = file_number.max(number);
            segments.extend(recover(&path, options.verify)?);
        }
        segments.sort_by_key(Segment::base);
        let segments = without_overlaps(segments);
        let place = Place::Folder(folder.to_owned());
        let found = Found { segments, file_number };
        Ok(Log::new(place, options.storage.clone(), options.segment_bytes_max, options.node_id, found))
    }
}

fn segment_number(path: &Path) -> Option<u64> {
    let stem = path.extension().is_some_and(|extension| extension == "seg").then(|| path.file_stem())??;
    stem.to_str()?.parse().ok()
}

/// The segment in `path`, unless it holds nothing.
fn recover(path: &Path, verify: bool) -> Result<Option<Segment>, OpenError> {
    let failed = |cause| OpenError::Io { path: path.to_owned(), cause };
    match Segment::recover(path, verify) {
        Ok((segment, cut)) => {
            let path = path.display();
            if cut != 0 {
                warn!(%path, messages = cut, "cut the messages of a publish that was never acknowledged");
            }
            if !segment.damaged().is_empty() {
                error!(%path, messages = segment.damaged().len(), "damaged messages are skipped");
            }
            if segment.count() == 0 {
                fs::remove_file(segment.path().expect("it was opened from a file")).map_err(failed)?;
                return Ok(None);
            }
            Ok(Some(segment))
        }
        Err(SegmentError::Header { .. }) if was_never_begun(path).map_err(failed)? => {
            fs::remove_file(path).map_err(failed)?;
            Ok(None)
        }
        Err(SegmentError::Header { .. }) => {
            let aside = set_aside(path).map_err(failed)?;
            error!(path = %path.display(), kept_as = %aside.display(), "segment header is damaged; the file is set aside");
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

fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = (0..u32::MAX)
        .map(|number| path.with_extension(format!("seg.damaged-{number}")))
        .find(|aside| !aside.exists())
        .expect("some number is free");
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Two files that claim the same seqs come from a copy made by hand: the one with more messages is used.
fn without_overlaps(sorted: Vec<Segment>) -> VecDeque<Arc<Segment>> {
    let mut kept: VecDeque<Arc<Segment>> = VecDeque::with_capacity(sorted.len());
    for segment in sorted {
        let overlaps = kept.back().is_some_and(|last| segment.base() < last.tail());
        if overlaps && let Some(last) = kept.pop_back() {
            let (better, other) = if segment.tail() <= last.tail() {
                (last, Arc::new(segment))
            } else {
                (Arc::new(segment), last)
            };
            error!(used = ?better.path(), ignored = ?other.path(), "two segments hold the same messages");
            kept.push_back(better);
        } else {
            kept.push_back(Arc::new(segment));
        }
    }
    kept
}

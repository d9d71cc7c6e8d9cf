//! Compaction: a segment that is kept by a few of its messages gives its room back.
//!
//! One message that is deferred by days, or that a consumer keeps requeueing, keeps its whole segment. Here what is left
//! of old segments is copied into a sparse one, with seqs, ids, deadlines and attempts as they were, so that no channel
//! notices.

use std::{
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::fault;

use super::{
    log::{Log, Place},
    segment::{Budget, Check, Entry, KEPT_BYTES, Kept, Next, Segment, SegmentError, encode_sparse},
};

/// Younger segments are left alone: most are consumed soon.
const AGE_MIN_NS: u64 = 60 * 1_000_000_000;
/// A segment is worth the work if no more than such a part of it is needed.
const WORTH: u64 = 4;
/// What is copied at a time, and so the largest segment that comes of it.
const COPY_BYTES_MAX: u64 = 16 << 20;
/// Sparse segments below this are joined with their neighbours.
const SMALL_BYTES: u32 = 1 << 20;

/// A segment and the seqs of it that are needed.
struct Candidate {
    segment: Arc<Segment>,
    needed: Vec<u64>,
    bytes: u64,
}

impl Log {
    /// Compacts what is worth it. For the storage thread; waits for the disk.
    ///
    /// `needed` tells which seqs of `base..tail` may still be delivered, rising, or `None` if they are too many or not
    /// yet known. It is asked without a lock of the log.
    ///
    /// # Errors
    /// A file cannot be read or written: the log is as it was.
    pub fn compact(&self, now_unix_ns: u64, needed: impl Fn(u64, u64) -> Option<Vec<u64>>) -> io::Result<()> {
        let Place::Folder(folder) = self.place() else { return Ok(()) };
        let kept_from = self.kept_from(now_unix_ns).unwrap_or(u64::MAX);
        let mut group: Vec<Candidate> = Vec::new();
        for segment in self.full_segments() {
            if kept_from <= segment.base() {
                // Whoever asks for retention may ask for all of it again.
                break;
            }
            let candidate = candidate(segment, now_unix_ns, &needed)?;
            let joins = candidate.as_ref().is_some_and(|candidate| fits(&group, candidate));
            if !joins {
                self.join(folder, &std::mem::take(&mut group))?;
            }
            group.extend(candidate);
        }
        self.join(folder, &group)
    }

    /// Puts one sparse segment in the place of `group`.
    fn join(&self, folder: &Path, group: &[Candidate]) -> io::Result<()> {
        let with_some: Vec<_> = group.iter().filter(|candidate| !candidate.needed.is_empty()).collect();
        let is_worth_it = match with_some[..] {
            [] => false,
            [alone] => !alone.segment.is_sparse() || 2 * alone.bytes < u64::from(alone.segment.capacity()),
            _ => true,
        };
        if !is_worth_it {
            return Ok(());
        }
        let Some(image) = image(group)? else { return Ok(()) };
        let path = self.new_path(folder);
        write(folder, &path, &image)?;
        let joined = match Segment::open(&path, Check::Growing) {
            Ok(opened) => Arc::new(opened.segment),
            Err(SegmentError::Map { cause, .. }) => return Err(cause),
            Err(error @ SegmentError::Header { .. }) => return Err(io::Error::other(error)),
        };
        let old: Vec<_> = group.iter().map(|candidate| Arc::clone(&candidate.segment)).collect();
        if !self.replace(&old, joined) {
            // Part of it was released meanwhile: it is looked at again.
            fs::remove_file(&path)?;
        }
        Ok(())
    }
}

fn candidate(
    segment: Arc<Segment>,
    now_unix_ns: u64,
    needed: impl Fn(u64, u64) -> Option<Vec<u64>>,
) -> io::Result<Option<Candidate>> {
    if now_unix_ns < segment.created_unix_ns().saturating_add(AGE_MIN_NS) {
        return Ok(None);
    }
    let Some(needed) = needed(segment.base(), segment.tail()) else { return Ok(None) };
    if segment.is_sparse() && SMALL_BYTES < segment.capacity() {
        return Ok(None);
    }
    if needed.is_empty() {
        // About to be released; until then it must not come to lie inside what is joined around it.
        return Ok(Some(Candidate { segment, needed, bytes: 0 }));
    }
    segment.load()?;
    let bytes = needed.iter().filter_map(|seq| message(&segment, *seq)).map(|message| message.bytes()).sum();
    let is_worth_it = segment.is_sparse() || WORTH * bytes <= u64::from(segment.capacity());
    Ok(is_worth_it.then_some(Candidate { segment, needed, bytes }))
}

/// Whether `next` may be joined with those before it, between which there is nothing else.
fn fits(group: &[Candidate], next: &Candidate) -> bool {
    let bytes: u64 = group.iter().map(|candidate| candidate.bytes).sum();
    let base = group.first().map_or(next.segment.base(), |first| first.segment.base());
    bytes + next.bytes <= COPY_BYTES_MAX && u32::try_from(next.segment.tail() - base).is_ok()
}

/// A message and whether it waits for a time.
struct Message {
    run: super::segment::Run,
    deadline_unix_ns: Option<u64>,
}

impl Message {
    fn bytes(&self) -> u64 {
        (self.run.bytes().len() + KEPT_BYTES) as u64
    }
}

fn message(segment: &Arc<Segment>, seq: u64) -> Option<Message> {
    match segment.next(seq, Budget { messages: 1, bytes: u32::MAX }) {
        Next::Run(run) => Some(Message { run, deadline_unix_ns: None }),
        Next::Deferred { deadline_unix_ns, run } => {
            Some(Message { run, deadline_unix_ns: Some(deadline_unix_ns) })
        }
        Next::Damaged(_) | Next::Gone(_) | Next::End | Next::NotLoaded => None,
    }
}

/// The file for all that is needed of `group`; `None` if nothing of it can be read.
fn image(group: &[Candidate]) -> io::Result<Option<Vec<u8>>> {
    let mut messages = Vec::new();
    for Candidate { segment, needed, .. } in group {
        segment.load()?;
        messages.extend(needed.iter().filter_map(|seq| Some((*seq, message(segment, *seq)?))));
    }
    let kept: Vec<Kept<'_>> = messages
        .iter()
        .map(|(seq, message)| Kept {
            seq: *seq,
            deadline_unix_ns: message.deadline_unix_ns,
            frame: message.run.bytes(),
        })
        .collect();
    let Some(first) = kept.first() else { return Ok(None) };
    let segments = group.iter().map(|candidate| &candidate.segment);
    let entry = Entry {
        base: first.seq,
        salt: RandomState::new().hash_one(first.seq),
        id_floor: segments.clone().map(|segment| segment.highest_id()).max().unwrap_or(0),
        now_unix_ns: segments.map(|segment| segment.created_unix_ns()).max().unwrap_or(0),
    };
    Ok(encode_sparse(entry, entry.id_floor, &kept))
}

/// Writes a file that is there as a whole or not at all.
fn write(folder: &Path, path: &Path, image: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let result = (|| {
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        fault::at("compaction-write")?;
        io::Write::write_all(&mut &file, image)?;
        file.sync_all()?;
        fault::at("compaction-written")?;
        fs::rename(&temporary, path)?;
        fault::at("compaction-renamed")?;
        File::open(folder)?.sync_all()
    })();
    // What matters is the first error; the file is found and removed at the next start.
    result.inspect_err(|_| drop(fs::remove_file(&temporary)))
}

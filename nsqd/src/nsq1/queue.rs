//! One disk queue of NSQ 1.x: where what was not read begins, and what is there from there on.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use super::{
    files::QueueFiles,
    record::{Found, Records},
};
use crate::log::is_bad_block;

/// What a disk gives or does not give as a whole.
const BLOCK_BYTES: usize = 4096;

/// What the meta file says. Its place to write at is never a limit: after a kill it is too low.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meta {
    depth: i64,
    read_file: u64,
    read_at: usize,
}

impl Meta {
    /// `None` unless it is three lines of five numbers.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let depth = lines.next()?.parse().ok()?;
        let (read_file, read_at) = lines.next()?.split_once(',')?;
        let (write_file, write_at) = lines.next()?.split_once(',')?;
        let (_, _): (u64, u64) = (write_file.parse().ok()?, write_at.parse().ok()?);
        Some(Self { depth, read_file: read_file.parse().ok()?, read_at: read_at.parse().ok()? })
    }
}

/// What was found of a queue.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Depth by the meta file, which may be wrong.
    pub(super) recorded_depth: Option<i64>,
    /// Files that were read, and those that NSQ had delivered.
    pub(super) files: usize,
    pub(super) delivered_files: usize,
    pub(super) records: u64,
    /// Bytes of bodies.
    pub(super) bytes: u64,
    /// Bytes in the middle of files, and at their ends, that are no records.
    pub(super) skipped: usize,
    pub(super) torn: usize,
}

/// Reads what was not delivered. `each` is given the number of the file and a record.
///
/// # Errors
/// A file cannot be read, for another reason than a bad block.
pub(super) fn read(files: &QueueFiles, mut each: impl FnMut(u64, &Found<'_>)) -> io::Result<Report> {
    let text = files.meta.as_ref().and_then(|path| fs::read_to_string(path).ok());
    let meta = text.and_then(|text| Meta::parse(&text));
    let mut report = Report { recorded_depth: meta.map(|meta| meta.depth), ..Report::default() };
    // Without a meta file NSQ would overwrite what is there; its messages count as not delivered.
    let first = meta.map_or(0, |meta| meta.read_file);
    for (number, path) in &files.data {
        if *number < first {
            report.delivered_files += 1;
            continue;
        }
        report.files += 1;
        let bytes = read_file(path)?;
        let from = meta.filter(|meta| meta.read_file == *number).map_or(0, |meta| meta.read_at);
        let mut records = Records::new(&bytes);
        for found in records.by_ref() {
            // A place inside a record is that record's start.
            if from < found.offset + found.record.len() {
                report.records += 1;
                report.bytes += found.record.body.len() as u64;
                each(*number, &found);
            }
        }
        report.skipped += records.skipped;
        report.torn += records.torn;
    }
    Ok(report)
}

/// Records of a file that NSQ has set aside, for the log.
pub(super) fn count_records(path: &Path) -> io::Result<usize> {
    Ok(Records::new(&read_file(path)?).count())
}

/// The bytes of a file; blocks that the disk does not give are zero.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(cause) if is_bad_block(&cause) => {}
        read => return read,
    }
    let file = File::open(path)?;
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?];
    for (at, block) in bytes.chunks_mut(BLOCK_BYTES).enumerate() {
        if let Err(cause) = file.read_exact_at(block, (at * BLOCK_BYTES) as u64) {
            if !is_bad_block(&cause) {
                return Err(cause);
            }
            block.fill(0);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{super::record::tests::encode, *};

    const ID: &[u8; 16] = b"18a2531389669000";

    /// A queue of these files, each of records of 34 bytes, and its meta file.
    fn bodies(meta: Option<&str>, files: &[(u64, &[&str], &[u8])]) -> (Vec<String>, Report) {
        let folder = tempfile::tempdir().unwrap();
        let mut queue = QueueFiles::default();
        for (number, bodies, tail) in files {
            let path = folder.path().join(number.to_string());
            let mut bytes: Vec<u8> =
                bodies.iter().flat_map(|body| encode(5, 0, ID, body.as_bytes())).collect();
            bytes.extend_from_slice(tail);
            fs::write(&path, bytes).unwrap();
            queue.data.insert(*number, path);
        }
        if let Some(meta) = meta {
            let path = folder.path().join("meta");
            fs::write(&path, meta).unwrap();
            queue.meta = Some(path);
        }
        let mut bodies = Vec::new();
        let report = read(&queue, |_, found| {
            bodies.push(String::from_utf8(found.record.body.to_vec()).unwrap());
        });
        (bodies, report.unwrap())
    }

    const FIVE: [&str; 5] = ["m001", "m002", "m003", "m004", "m005"];

    /// Protects: every message that NSQ 1.3 would deliver, and those that it would lose by a stale, missing or broken meta
    /// file; none that it has delivered before an orderly stop.
    #[test]
    fn each_kind_of_damage_loses_nothing() {
        let all: &[(u64, &[&str], &[u8])] = &[(0, &FIVE, &[])];
        for (meta, expected) in [
            (Some("5\n0,0\n0,170\n"), &FIVE[..]),
            // Written position and depth are stale.
            (Some("3\n0,0\n0,102\n"), &FIVE),
            (Some("-2\n0,34\n0,102\n"), &FIVE[1..]),
            (Some("9\n0,0\n3,12\n"), &FIVE),
            // Read to its end: the normal state of an idle queue.
            (Some("0\n0,170\n0,170\n"), &[]),
            (Some("0\n0,400\n0,400\n"), &[]),
            // Inside a record.
            (Some("4\n0,40\n0,170\n"), &FIVE[1..]),
            // The file that was read is gone: a kill between its removal and the sync.
            (Some("5\n7,12\n7,170\n"), &[]),
            (None, &FIVE),
            (Some(""), &FIVE),
            (Some("5\n0,0"), &FIVE),
            (Some("garbage\n0,0\n0,170\n"), &FIVE),
        ] {
            assert_eq!(bodies(meta, all).0, expected, "{meta:?}");
        }
        let torn = encode(5, 0, ID, b"m006");
        let (found, report) = bodies(Some("6\n0,0\n0,204\n"), &[(0, &FIVE, &torn[..20])]);
        assert_eq!((found, report.torn), (FIVE.map(str::to_owned).to_vec(), 20));
    }

    /// Protects: messages in files above the one that the meta file names, which a second kill makes NSQ overwrite.
    #[test]
    fn all_files_from_the_read_one_on_count() {
        let files: &[(u64, &[&str], &[u8])] =
            &[(0, &["old1"], &[]), (1, &["m001", "m002"], &[]), (2, &[], &[]), (1_000_000, &["m003"], &[])];
        let (found, report) = bodies(Some("1\n1,34\n1,68\n"), files);
        assert_eq!(found, ["m002", "m003"]);
        assert_eq!((report.delivered_files, report.files, report.recorded_depth), (1, 3, Some(1)));
        assert_eq!(bodies(Some("1\n2,0\n2,0\n"), files).0, ["m003"]);
        assert_eq!(bodies(None, files).0, ["old1", "m001", "m002", "m003"]);
    }
}

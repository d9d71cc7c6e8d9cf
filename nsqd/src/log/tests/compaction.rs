//! Old segments that are kept by a few of their messages.

use std::{collections::BTreeSet, fs, path::Path};

use proptest::prelude::*;

use super::{NOW, Read, append, open, read_all, unlimited};
use crate::log::{Log, StorageThread};

const SEGMENT_BYTES: u32 = 8 << 10;
/// An hour behind the segments.
const LATER: u64 = NOW.cast_unsigned() + 3_600_000_000_000;

fn needed(seqs: &BTreeSet<u64>) -> impl Fn(u64, u64) -> Option<Vec<u64>> {
    |base, tail| Some(seqs.range(base..tail).copied().collect())
}

/// Bytes of the files of segments.
fn bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let segments = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "seg"));
    segments.map(|file| file.metadata().unwrap().len()).sum()
}

fn read(log: &Log, seqs: &BTreeSet<u64>) -> Vec<Read> {
    let (messages, damaged) = read_all(log, unlimited);
    assert_eq!(damaged, [0; 0]);
    messages.into_iter().filter(|message| seqs.contains(&message.seq)).collect()
}

fn publish(log: &Log, count: u64) {
    for seq in 0..count {
        append(log, &[vec![b'x'; 200]], (seq % 3 == 0).then_some(LATER + seq), NOW);
    }
}

/// Stops the thread, which has removed what it was asked to then.
fn settle(storage: &mut StorageThread) {
    std::mem::replace(storage, StorageThread::start().unwrap()).stop();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Protects: what is compacted is byte for byte, seq for seq what it was, also after a restart and when it is compacted
    /// again, and the last segment is left alone.
    #[test]
    fn compaction_changes_nothing_that_is_needed(
        kept in prop::collection::btree_set(0_u64..400, 0..30), consumed in 0_u64..400, verify: bool,
    ) {
        let mut storage = StorageThread::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path(), &storage.handle(), SEGMENT_BYTES, true);
        publish(&log, 400);
        let before = read(&log, &kept);
        log.compact(LATER, needed(&kept)).unwrap();
        prop_assert_eq!(&read(&log, &kept), &before);
        let left: BTreeSet<u64> = kept.range(consumed..).copied().collect();
        log.compact(LATER, needed(&left)).unwrap();
        log.release(LATER, |base, tail| left.range(base..tail).next().is_some());
        let before = read(&log, &left);
        prop_assert_eq!(before.len(), left.len());
        log.close();
        drop(log);
        settle(&mut storage);
        let log = open(folder.path(), &storage.handle(), SEGMENT_BYTES, verify);
        prop_assert_eq!(read(&log, &left), before);
        prop_assert_eq!(log.tail(), 400);
        storage.stop();
    }
}

/// Protects: a message that is deferred by days does not keep the segments of all that was published meanwhile.
#[test]
fn a_few_messages_do_not_keep_their_segments() {
    let mut storage = StorageThread::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), &storage.handle(), SEGMENT_BYTES, true);
    publish(&log, 3000);
    let kept: BTreeSet<u64> = (0..3000).step_by(150).collect();
    let before = bytes(folder.path());
    log.compact(LATER, needed(&kept)).unwrap();
    log.release(LATER, |base, tail| kept.range(base..tail).next().is_some());
    assert_eq!(read(&log, &kept).len(), 20);
    log.close();
    drop(log);
    settle(&mut storage);
    let after = bytes(folder.path());
    assert!(after * 20 < before, "{after} of {before} bytes are left");
    storage.stop();
}

/// Protects: a kill between writing the sparse segment and removing the old ones.
#[test]
fn an_interrupted_compaction_is_finished_by_the_next_start() {
    let mut storage = StorageThread::start().unwrap();
    let (folder, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(folder.path(), &storage.handle(), SEGMENT_BYTES, true);
    publish(&log, 300);
    let kept: BTreeSet<u64> = [3, 4, 77].into();
    let expected = read(&log, &kept);
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, old.path().join(path.file_name().unwrap())).unwrap();
    }
    log.compact(LATER, needed(&kept)).unwrap();
    log.release(LATER, |base, tail| kept.range(base..tail).next().is_some());
    log.close();
    drop(log);
    settle(&mut storage);
    let compacted = bytes(folder.path());
    for file in fs::read_dir(old.path()).unwrap() {
        let path = file.unwrap().path();
        let back = folder.path().join(path.file_name().unwrap());
        if !back.exists() {
            fs::copy(&path, back).unwrap();
        }
    }
    let log = open(folder.path(), &storage.handle(), SEGMENT_BYTES, true);
    assert_eq!(log.take_damage(), []);
    assert_eq!(read(&log, &kept), expected);
    log.release(LATER, |base, tail| kept.range(base..tail).next().is_some());
    log.close();
    drop(log);
    settle(&mut storage);
    assert!(bytes(folder.path()) <= compacted, "what was replaced is removed");
    storage.stop();
}

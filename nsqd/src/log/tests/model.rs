//! Random operations on a log and on a `Vec`.

use std::sync::Arc;

use proptest::prelude::*;

use super::{NOW, Read, append, node, open, read_all};
use crate::log::{Budget, Log, Next, OpenOptions, Run, StorageThread};

const SEGMENT_BYTES_MAX: u32 = 4096;

#[derive(Debug, Clone)]
enum Op {
    /// Sizes of the bodies, whether they are deferred, and how far the clock moves.
    Append(Vec<usize>, bool, i64),
    /// Segments whose base, hashed with this, is even are needed.
    Release(u64),
    ReleaseAll,
    Read(u32, u32),
    /// Keep a run of this message over what follows.
    Hold(prop::sample::Index),
    LetGo,
    /// Closed in order or not; with all frames checked or not.
    Reopen(bool, bool),
    AdvanceBy(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let sizes = prop_oneof![
        6 => prop::collection::vec(0_usize..300, 1..12),
        2 => prop::collection::vec(0_usize..3000, 1..4),
        1 => prop::collection::vec(4000_usize..20_000, 1..3),
    ];
    let clock = prop_oneof![Just(0_i64), 0_i64..5_000_000_000, -5_000_000_000_i64..0];
    prop_oneof![
        8 => (sizes, prop::bool::weighted(0.2), clock).prop_map(|(sizes, deferred, by)| Op::Append(sizes, deferred, by)),
        2 => any::<u64>().prop_map(Op::Release),
        1 => Just(Op::ReleaseAll),
        2 => (1_u32..20, prop_oneof![0_u32..2000, Just(u32::MAX)]).prop_map(|(messages, bytes)| Op::Read(messages, bytes)),
        1 => any::<prop::sample::Index>().prop_map(Op::Hold),
        1 => Just(Op::LetGo),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(closed, verify)| Op::Reopen(closed, verify)),
        1 => (0_u64..100).prop_map(Op::AdvanceBy),
    ]
}

/// A log and what it should hold.
struct Pair<'a> {
    log: Arc<Log>,
    folder: Option<&'a std::path::Path>,
    storage: Option<StorageThread>,
    now: i64,
    /// Every message ever published; its place is not its seq where seqs were left out.
    published: Vec<Read>,
    /// Seq behind the last one.
    tail: u64,
    /// Ranges of seqs that must be there.
    needed: Vec<(u64, u64)>,
    held: Vec<(Run, Vec<u8>)>,
}

impl Pair<'_> {
    fn apply(&mut self, op: Op) {
        match op {
            Op::Append(sizes, deferred, by) => self.append(&sizes, deferred, by),
            Op::Release(salt) => {
                self.release(|base| (base ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 0);
            }
            Op::ReleaseAll => self.release(|_| false),
            Op::Read(messages, bytes) => self.compare(Budget { messages, bytes }),
            Op::Hold(at) if !self.published.is_empty() => self.hold(at.index(self.published.len())),
            Op::Hold(_) => {}
            Op::LetGo => self.held.clear(),
            Op::Reopen(closed, verify) => self.reopen(closed, verify),
            Op::AdvanceBy(by) => {
                self.tail += by;
                self.log.advance_to(self.tail);
                self.log.advance_to(self.tail / 2);
            }
        }
        assert_eq!(self.log.tail(), self.tail);
        for (run, bytes) in &self.held {
            assert_eq!(run.bytes(), bytes, "a run that is held changed");
        }
    }

    fn append(&mut self, sizes: &[usize], deferred: bool, by: i64) {
        self.now += by;
        let deadline_unix_ns = deferred.then(|| self.now.cast_unsigned() + 1_000_000_000);
        let from = self.tail;
        let bodies: Vec<Vec<u8>> = (from..).zip(sizes).map(|(seq, size)| body(seq, *size)).collect();
        self.tail = append(&self.log, &bodies, deadline_unix_ns, self.now);
        assert_eq!(self.tail, from + bodies.len() as u64);
        let id = protocol::MessageId::from_u64(0);
        let messages = (from..).zip(bodies);
        self.published.extend(messages.map(|(seq, body)| Read {
            seq,
            id,
            timestamp_ns: self.now,
            deadline_unix_ns,
            body,
        }));
        self.needed.push((from, self.tail));
    }

    fn release(&mut self, needs: impl Fn(u64) -> bool) {
        let before = self.log.ranges();
        self.log.release(0, |base, _| needs(base));
        let after = self.log.ranges();
        let last = before.last().map(|range| range.0);
        let expected: Vec<_> =
            before.iter().copied().filter(|(base, _)| needs(*base) || Some(*base) == last).collect();
        assert_eq!(after, expected, "what is needed stays, and the last segment");
        self.needed = after;
    }

    fn hold(&mut self, at: usize) {
        let seq = self.published[at].seq;
        let Some(segment) = self.log.segment_at(seq).filter(|segment| segment.base() <= seq) else { return };
        let budget = Budget { messages: 3, bytes: 500 };
        if let Next::Run(run) | Next::Deferred { run, .. } = segment.next(seq, budget) {
            let bytes = run.bytes().to_vec();
            self.held.push((run, bytes));
        }
    }

    fn reopen(&mut self, closed: bool, verify: bool) {
        let Some(folder) = self.folder else { return };
        let before = self.log.ranges();
        if closed {
            self.log.close();
        }
        // A process that ends takes its readers and its threads with it.
        self.held.clear();
        if let Some(ended) = self.storage.take() {
            ended.stop();
        }
        let storage = self.storage.insert(StorageThread::start().unwrap()).handle();
        self.log = open(folder, &storage, SEGMENT_BYTES_MAX, verify);
        let after = self.log.ranges();
        assert!(before.iter().all(|range| after.contains(range)), "{before:?} became {after:?}");
        assert!(!closed || before == after, "{before:?} became {after:?}");
        self.log.advance_to(self.tail);
    }

    /// Everything that is read is what was published, and all that is needed is read.
    fn compare(&mut self, budget: Budget) {
        let (read, damaged) = read_all(&self.log, || budget);
        assert_eq!(damaged, [0; 0]);
        for message in &read {
            let at = self.published.binary_search_by_key(&message.seq, |published| published.seq).unwrap();
            let published = &mut self.published[at];
            if published.id.to_u64() == Some(0) {
                published.id = message.id;
            }
            assert_eq!(message, published);
            assert_eq!(self.log.find(message.id), Some(message.seq));
        }
        assert!(read.is_sorted_by(|a, b| a.seq < b.seq && a.id < b.id), "ids rise with the seqs");
        let known = self.published.iter().filter(|message| message.id.to_u64() != Some(0));
        assert!(known.is_sorted_by(|a, b| a.id < b.id), "ids rise over releases and restarts");
        let seqs: Vec<u64> = read.iter().map(|message| message.seq).collect();
        for message in &self.published {
            let seq = message.seq;
            if self.needed.iter().any(|(from, to)| *from <= seq && seq < *to) {
                assert!(seqs.binary_search(&seq).is_ok(), "{seq} is lost");
            }
        }
        let now = NOW.cast_unsigned();
        let (from, to) = (self.tail / 3, self.tail);
        let waits = |message: &&Read| {
            (from..to).contains(&message.seq) && message.deadline_unix_ns.is_some_and(|at| now < at)
        };
        assert_eq!(self.log.deferred_between(from, to, now), read.iter().filter(waits).count() as u64);
    }
}

/// Bytes that tell of which message they are.
fn body(seq: u64, size: usize) -> Vec<u8> {
    let mut word = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = std::iter::repeat_with(|| {
        word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(seq | 1);
        (word >> 56) as u8
    });
    next.take(size).collect()
}

fn check(on_files: bool, ops: Vec<Op>) {
    let storage = StorageThread::start().unwrap();
    let folder = on_files.then(|| tempfile::tempdir().unwrap());
    let folder = folder.as_ref().map(tempfile::TempDir::path);
    let log = match folder {
        Some(folder) => open(folder, &storage.handle(), SEGMENT_BYTES_MAX, true),
        None => Log::in_memory(&OpenOptions::new(storage.handle(), SEGMENT_BYTES_MAX, node())),
    };
    let (published, needed, held) = (Vec::new(), Vec::new(), Vec::new());
    let mut pair = Pair { log, folder, storage: Some(storage), now: NOW, published, tail: 0, needed, held };
    for op in ops {
        pair.apply(op);
    }
    pair.compare(Budget { messages: u32::MAX, bytes: u32::MAX });
    pair.reopen(false, true);
    pair.compare(Budget { messages: 7, bytes: 1000 });
    if let Some(storage) = pair.storage.take() {
        storage.stop();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Protects: a log in a folder is the list of what was published, over releases, restarts and recycled files.
    #[test]
    fn a_log_on_files_is_a_list(ops in prop::collection::vec(op(), 1..80)) {
        check(true, ops);
    }

    /// Protects: so is a log in memory.
    #[test]
    fn a_log_in_memory_is_a_list(ops in prop::collection::vec(op(), 1..80)) {
        check(false, ops);
    }
}

/// Protects: a consumed segment is written into again, in place of a new file, but not while somebody reads it.
#[test]
fn consumed_files_are_used_again() {
    let storage = StorageThread::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), &storage.handle(), SEGMENT_BYTES_MAX, true);
    append(&log, &[body(0, 100)], None, NOW);
    let Next::Run(held) = log.segment_at(0).unwrap().next(0, Budget { messages: 1, bytes: 1000 }) else {
        panic!("a message was published");
    };
    let bytes = held.bytes().to_vec();
    let number = |name: std::ffi::OsString| {
        name.into_string().unwrap().trim_end_matches(".seg").parse::<u64>().unwrap()
    };
    let files = || std::fs::read_dir(folder.path()).unwrap();
    let numbers = || files().map(|file| number(file.unwrap().file_name()));
    let first = numbers().min().unwrap();
    for seq in 1..2000 {
        assert_eq!(append(&log, &[body(seq, 100)], None, NOW), seq + 1);
        log.release(0, |_, _| false);
    }
    assert_eq!(held.bytes(), bytes);
    let made = numbers().max().unwrap() - first + 1;
    // 2000 messages of 142 bytes fill 72 segments.
    assert!(made <= 8, "{made} files were made");
    storage.stop();
}

/// Protects: ids and seqs never come back, though nothing of the log is left and the clock was set back. A client
/// that still has an old id in flight would acknowledge another message with it.
#[test]
fn ids_rise_after_everything_was_released_and_the_clock_set_back() {
    let mut storage = StorageThread::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut last = protocol::MessageId::from_u64(0);
    for round in 0..6 {
        let log = open(folder.path(), &storage.handle(), SEGMENT_BYTES_MAX, false);
        log.release(0, |_, _| false);
        if round != 3 {
            let tail = append(&log, &[body(round, 10)], None, NOW - round.cast_signed() * 60_000_000_000);
            let segment = log.segment_at(tail - 1).unwrap();
            let id = protocol::MessageId::from_u64(segment.highest_id());
            assert!(last < id, "round {round}: {last:?} < {id:?}");
            last = id;
        }
        log.release(0, |_, _| false);
        if round != 1 {
            log.close();
        }
        // What was released is removed by this thread, as at the end of a process.
        drop(log);
        std::mem::replace(&mut storage, StorageThread::start().unwrap()).stop();
    }
    storage.stop();
}

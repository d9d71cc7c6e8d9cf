//! Tests of a whole log: against a model, and with damaged files.

mod compaction;
mod damage;
mod model;

use std::path::Path;
use std::sync::Arc;

use protocol::{MessageId, NodeId};

use super::{Budget, Check, Log, Next, OpenOptions, Storage};

/// Some time in 2026.
const NOW: i64 = 1_795_208_882_084_263_724;

/// What is read of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    seq: u64,
    id: MessageId,
    timestamp_ns: i64,
    deadline_unix_ns: Option<u64>,
    body: Vec<u8>,
}

fn node() -> NodeId {
    NodeId::new(5).unwrap()
}

fn open(folder: &Path, storage: &Storage, segment_bytes_max: u32, verify: bool) -> Arc<Log> {
    let check = if verify { Check::All } else { Check::Growing };
    let options = OpenOptions { check, ..OpenOptions::new(storage.clone(), segment_bytes_max, node()) };
    Log::open(folder, &options).unwrap()
}

fn append(log: &Log, bodies: &[Vec<u8>], deadline_unix_ns: Option<u64>, now_unix_ns: i64) -> u64 {
    let bytes = bodies.iter().map(Vec::len).sum();
    log.append(bodies.iter().map(Vec::as_slice), bodies.len(), bytes, deadline_unix_ns, now_unix_ns).unwrap()
}

/// All messages of a log and the seqs that are damaged, in order. `budget` is asked before every step.
fn read_all(log: &Log, mut budget: impl FnMut() -> Budget) -> (Vec<Read>, Vec<u64>) {
    let (mut messages, mut damaged, mut seq) = (Vec::new(), Vec::new(), 0);
    while let Some(segment) = log.segment_at(seq) {
        seq = seq.max(segment.base());
        let budget = budget();
        segment.load().unwrap();
        let (run, deadline_unix_ns) = match segment.next(seq, budget) {
            Next::Run(run) => (run, None),
            Next::Deferred { deadline_unix_ns, run } => (run, Some(deadline_unix_ns)),
            Next::Damaged(count) => {
                assert!(0 < count);
                damaged.extend(seq..seq + u64::from(count));
                seq += u64::from(count);
                continue;
            }
            Next::Gone(count) => {
                assert!(0 < count);
                seq += count;
                continue;
            }
            Next::End => panic!("the segment at {seq} ends before its tail"),
            Next::NotLoaded => panic!("the segment at {seq} is loaded"),
        };
        assert_eq!(run.first(), seq);
        assert!(1 <= run.count() && run.count() <= budget.messages.max(1), "{} messages", run.count());
        assert!(
            run.count() == 1 || run.bytes().len() <= budget.bytes as usize,
            "{} bytes",
            run.bytes().len()
        );
        let before = messages.len();
        for frame in run.frames() {
            let body = frame.body().to_vec();
            messages.push(Read {
                seq,
                id: frame.id(),
                timestamp_ns: frame.timestamp_ns(),
                deadline_unix_ns,
                body,
            });
            seq += 1;
        }
        assert_eq!(messages.len() - before, run.count() as usize, "a run is as many frames as it says");
    }
    (messages, damaged)
}

/// As large as it goes.
fn unlimited() -> Budget {
    Budget { messages: u32::MAX, bytes: u32::MAX }
}

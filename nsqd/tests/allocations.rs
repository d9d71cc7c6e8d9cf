//! Publishing and reading allocate nothing for a message.

use nsqd::log::{Budget, Log, Next, OpenOptions, StorageThread};
use protocol::NodeId;

fn allocations_of(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

/// Protects: the hot path. What is allocated is for a segment, never for a message.
#[test]
fn nothing_is_allocated_for_a_message() {
    const MESSAGES: u64 = 100_000;
    const BATCH: usize = 10;
    let storage = StorageThread::start().unwrap();
    let log = Log::in_memory(&OpenOptions::new(storage.handle(), 4 << 20, NodeId::new(1).unwrap()));
    let body = [b'x'; 100];
    let publishing = allocations_of(|| {
        for _ in 0..MESSAGES / BATCH as u64 {
            let bodies = std::iter::repeat_n(&body[..], BATCH);
            log.append(bodies, BATCH, BATCH * body.len(), None, 1_795_208_882_084_263_724).unwrap();
        }
    });
    let mut bytes = 0;
    let reading = allocations_of(|| {
        let mut seq = 0;
        while let Some(segment) = log.segment_at(seq) {
            let Next::Run(run) = segment.next(seq, Budget { messages: 7, bytes: 1 << 16 }) else {
                panic!("only runs were published");
            };
            bytes += run.frames().map(|frame| frame.body().len()).sum::<usize>();
            seq += u64::from(run.count());
        }
    });
    assert_eq!(log.tail(), MESSAGES);
    assert_eq!(bytes as u64, MESSAGES * body.len() as u64);
    assert_eq!(reading, 0);
    let segments = log.ranges().len() as u64;
    assert!(publishing <= 8 * segments + 16, "{publishing} allocations for {segments} segments");
    storage.stop();
}

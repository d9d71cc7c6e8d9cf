//! A channel that comes back from a checkpoint to a log that went on without it.

use std::sync::Arc;

use protocol::{ChannelName, NodeId};

use super::{
    channel::{Channel, Setup},
    checkpoint::Checkpoint,
    fan_out::FanOut,
    state::{Counts, Deferred, Pending},
    window::Window,
};
use crate::{
    log::{Log, StorageThread},
    timers::Timers,
};

/// Protects: the depth that operators see after a crash. Segments whose messages were all finished after the last
/// checkpoint are gone, and their messages were counted as waiting until a consumer came by.
#[test]
fn what_is_gone_from_the_log_is_not_counted_after_a_restart() {
    let storage = StorageThread::start().unwrap();
    let log = Log::in_memory(storage.handle(), 4096, NodeId::new(1).unwrap());
    for _ in 0..100 {
        log.append([&[b'x'; 150][..]].into_iter(), 1, 150, None, 1).unwrap();
    }
    let ranges = log.ranges();
    let (kept, gone) = (ranges[2], ranges[1]);
    log.release(|base, _| base == kept.0);
    let last = *ranges.last().unwrap();
    assert_eq!(log.ranges(), [kept, last]);
    assert_eq!(log.gaps(0), [(0, kept.0), (kept.1, last.0)]);
    assert_eq!(log.gaps(kept.0 + 1), [(kept.1, last.0)]);

    let fan_out = Arc::new(FanOut::held_at(0));
    fan_out.follow();
    let setup = Setup {
        name: ChannelName::parse(b"c").unwrap(),
        log: Arc::clone(&log),
        fan_out,
        timers: Arc::new(Timers::default()),
        number: 0,
        path: None,
        bound: None,
    };
    // One of the messages that are gone was requeued, one deferred, one in flight; all ahead of the cursor waits.
    let checkpoint = Checkpoint {
        paused: false,
        window: Window::new(gone.0),
        cursor: gone.0 + 3,
        skipped: vec![(kept.0 + 1, kept.0 + 3), (last.0 - 1, last.0 + 1)],
        requeued: vec![Pending { seq: gone.0, attempts: 4 }],
        deferred: vec![Deferred { deadline_unix_ns: u64::MAX, seq: gone.0 + 1, attempts: 2 }],
    };
    let channel = Channel::restore(setup, checkpoint, false);
    let depth = (kept.1 - kept.0 - 2) + (last.1 - last.0 - 1);
    assert_eq!(channel.snapshot(2).counts, Counts { depth, deferred: 0, in_flight: 0 });
    storage.stop();
}

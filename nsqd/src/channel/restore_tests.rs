//! A channel that comes back from a checkpoint to a log that went on without it.

use std::sync::Arc;

use protocol::{ChannelName, NodeId};

use super::{
    channel::{Channel, Setup, Taken},
    checkpoint::Checkpoint,
    fan_out::FanOut,
    state::{Counts, Deferred, Pending},
    window::Window,
};
use crate::{
    client::Client,
    log::{Budget, Log, OpenOptions, StorageThread},
    timers::Timers,
};

fn setup(log: &Arc<Log>, timers: &Arc<Timers>) -> Setup {
    let fan_out = Arc::new(FanOut::held_at(0));
    fan_out.follow();
    Setup {
        name: ChannelName::parse(b"c").unwrap(),
        log: Arc::clone(log),
        fan_out,
        timers: Arc::clone(timers),
        number: 0,
        path: None,
        bound: None,
        prefers_near: false,
        latency_window_ns: None,
    }
}

/// Protects: the depth that operators see after a crash. Segments whose messages were all finished after the last
/// checkpoint are gone, and their messages were counted as waiting until a consumer came by.
#[test]
fn what_is_gone_from_the_log_is_not_counted_after_a_restart() {
    let storage = StorageThread::start().unwrap();
    let log = Log::in_memory(&OpenOptions::new(storage.handle(), 4096, NodeId::new(1).unwrap()));
    for _ in 0..100 {
        log.append([&[b'x'; 150][..]].into_iter(), 1, 150, None, 1).unwrap();
    }
    let ranges = log.ranges();
    let (kept, gone) = (ranges[2], ranges[1]);
    log.release(0, |base, _| base == kept.0);
    let last = *ranges.last().unwrap();
    assert_eq!(log.ranges(), [kept, last]);
    assert_eq!(log.gaps(0), [(0, kept.0), (kept.1, last.0)]);
    assert_eq!(log.gaps(kept.0 + 1), [(kept.1, last.0)]);

    let setup = setup(&log, &Arc::new(Timers::default()));
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

/// Protects: a consumer that comes during a pause, after a restart. What had been deferred before was not delivered when
/// the pause was over and the time had come, until something else happened to the channel.
#[test]
fn a_deferred_message_comes_after_a_restart_and_a_pause() {
    let storage = StorageThread::start().unwrap();
    let log = Log::in_memory(&OpenOptions::new(storage.handle(), 4096, NodeId::new(1).unwrap()));
    log.append([&b"x"[..]].into_iter(), 1, 1, None, 1).unwrap();
    let checkpoint = Checkpoint {
        paused: true,
        window: Window::new(0),
        cursor: 1,
        skipped: Vec::new(),
        requeued: Vec::new(),
        deferred: vec![Deferred { deadline_unix_ns: 10, seq: 0, attempts: 1 }],
    };
    let timers = Arc::new(Timers::default());
    let channel = Channel::restore(setup(&log, &timers), checkpoint, true);
    let client = Client::new(0, String::new(), "", 0);
    let epoch = channel.join(&client, 0).unwrap();
    let take = |now| {
        let budget = Budget { messages: 1, bytes: u32::MAX };
        channel.take(&client, epoch, budget, now, &mut Vec::new())
    };
    assert_eq!(take(5), Taken::InLine);
    assert!(channel.set_paused(false));
    let (due, _) = timers.take_due(10);
    assert_eq!(due.len(), 1, "a timer is set");
    due[0].on_deadline(10);
    assert!(client.take_woken());
    assert_eq!(take(10), Taken::Messages(1));
    storage.stop();
}

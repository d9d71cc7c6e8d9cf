//! When which channel has a deferred message due. One entry a channel, one task for all: an idle daemon does not wake.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{channel::Channel, clock};

/// The longest the task sleeps before it looks at the wall clock again: deadlines are wall time, which may be set.
const SLEEP_MAX: Duration = Duration::from_mins(1);

/// Deadlines of channels.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// By deadline (unix ns) and the channel's number.
    due: Mutex<BTreeMap<(u64, u64), Weak<Channel>>>,
    earlier: Notify,
}

impl Timers {
    /// Replaces the deadline of a channel, `before`, by `deadline`.
    pub(crate) fn arm(&self, channel: &Weak<Channel>, number: u64, before: Option<u64>, deadline: u64) {
        let mut due = self.due.lock();
        if let Some(before) = before {
            due.remove(&(before, number));
        }
        due.insert((deadline, number), channel.clone());
        let is_first = due.first_key_value().is_some_and(|(key, _)| *key == (deadline, number));
        drop(due);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Channels that have something due, and the deadline of the next that has not.
    pub(crate) fn take_due(&self, now_unix_ns: u64) -> (Vec<Arc<Channel>>, Option<u64>) {
        let mut due = self.due.lock();
        let later = due.split_off(&(now_unix_ns + 1, 0));
        let next = later.first_key_value().map(|(key, _)| key.0);
        let now = std::mem::replace(&mut *due, later);
        drop(due);
        (now.into_values().filter_map(|channel| channel.upgrade()).collect(), next)
    }

    /// Requeues deferred messages when they are due, for ever.
    pub(crate) async fn run(&self) {
        loop {
            let now = clock::unix_ns();
            let (channels, next) = self.take_due(now);
            for channel in channels {
                channel.on_deadline(now);
            }
            let sleep =
                next.map_or(SLEEP_MAX, |next| Duration::from_nanos(next.saturating_sub(now)).min(SLEEP_MAX));
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                () = self.earlier.notified() => {}
            }
        }
    }
}

//! What all parts of a consumer share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Counts,
    link::Link,
    pacing::{Event, MemberId, Outcome, Pacing, Rdy},
    queue::Queue,
};
use crate::{Config, config::format_duration, label::Label};

/// The shared state of a consumer.
///
/// Order of locks: `pace`, then a link's or the queue's.
#[derive(Debug)]
pub(super) struct Hub {
    config: Arc<Config>,
    label: Label,
    epoch: Instant,
    queue: Queue,
    pace: Mutex<Pace>,
    // Copy of `Pacing::is_calm`, so that a success costs no lock.
    is_calm: AtomicBool,
    received: AtomicU64,
    // The shortest that nsqds have told.
    msg_timeouts_ms: [AtomicU64; 2],
    /// Something for the pacer: a pause has begun, or a connection is gone.
    news: Notify,
    stopping: CancellationToken,
    forced: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Pace {
    pacing: Pacing,
    links: Vec<Arc<Link>>,
    next_id: u64,
    is_stopping: bool,
    // Of connections that are gone.
    finished: u64,
    requeued: u64,
}

impl Hub {
    pub(super) fn new(config: Arc<Config>, label: Label) -> Arc<Self> {
        let pacing = Pacing::new(&config, fastrand::u64(..));
        let pace =
            Pace { pacing, links: Vec::new(), next_id: 0, is_stopping: false, finished: 0, requeued: 0 };
        Arc::new(Self {
            queue: Queue::new(config.max_in_flight as usize),
            config,
            label,
            epoch: Instant::now(),
            pace: Mutex::new(pace),
            is_calm: AtomicBool::new(true),
            received: AtomicU64::new(0),
            msg_timeouts_ms: [const { AtomicU64::new(u64::MAX) }; 2],
            news: Notify::new(),
            stopping: CancellationToken::new(),
            forced: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn label(&self) -> &Label {
        &self.label
    }

    pub(super) fn epoch(&self) -> Instant {
        self.epoch
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Cancelled when the consumer begins to stop.
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Cancelled when connections are to close in any case.
    pub(super) fn forced(&self) -> &CancellationToken {
        &self.forced
    }

    /// Waits for a pause that begins or a connection that is gone.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    // Connections.

    /// An nsqd has told how long it waits for messages; 0 for not.
    pub(super) fn note_msg_timeouts(&self, told: [u64; 2]) {
        for (shortest, told) in self.msg_timeouts_ms.iter().zip(told).filter(|(_, told)| *told != 0) {
            shortest.fetch_min(told, Ordering::Relaxed);
        }
    }

    /// The shortest of what was told.
    pub(super) fn msg_timeouts(&self) -> [Option<Duration>; 2] {
        let shortest = self.msg_timeouts_ms.each_ref().map(|shortest| shortest.load(Ordering::Relaxed));
        shortest.map(|ms| (ms != u64::MAX).then(|| Duration::from_millis(ms)))
    }

    /// A subscribed connection; `None` if the consumer stops.
    pub(super) fn join(self: &Arc<Self>, address: &str, max_rdy_count: u32) -> Option<Arc<Link>> {
        let mut pace = self.pace.lock();
        if pace.is_stopping {
            return None;
        }
        let id = MemberId(pace.next_id);
        pace.next_id += 1;
        let link = Link::new(id, address, Arc::clone(self));
        pace.links.push(Arc::clone(&link));
        self.queue.begin_source();
        pace.change(|pacing, now, out| {
            pacing.join(id, max_rdy_count, now, out);
            None
        });
        Some(link)
    }

    /// A connection is gone; how many are left.
    pub(super) fn leave(&self, link: &Link) -> usize {
        let mut pace = self.pace.lock();
        let (finished, requeued) = link.done();
        pace.finished += finished;
        pace.requeued += requeued;
        pace.links.retain(|other| other.id() != link.id());
        pace.change(|pacing, now, out| {
            pacing.leave(link.id(), now, out);
            None
        });
        let left = pace.links.len();
        drop(pace);
        self.news.notify_one();
        left
    }

    pub(super) fn count_received(&self, count: u64) {
        self.received.fetch_add(count, Ordering::Relaxed);
    }

    // Pacing.

    /// A message was finished or requeued.
    #[inline]
    pub(super) fn take(&self, outcome: Outcome) {
        // Successes are all there is, as long as nothing fails.
        if outcome == Outcome::Failure || !self.is_calm.load(Ordering::Relaxed) {
            self.take_slowly(outcome);
        }
    }

    #[cold]
    fn take_slowly(&self, outcome: Outcome) {
        let event = self.pace(|pacing, now, out| pacing.take(outcome, now, out));
        if matches!(event, Some(Event::BackingOff { .. })) {
            self.news.notify_one();
        }
    }

    /// Ends a pause whose time is over.
    pub(super) fn resume(&self) {
        self.pace(Pacing::resume);
    }

    /// Passes turns on.
    pub(super) fn redistribute(&self) {
        let mut pace = self.pace.lock();
        let times: Vec<_> = pace.links.iter().map(|link| (link.id(), link.last_message())).collect();
        let last_message = |id| times.iter().find(|(other, _)| *other == id).and_then(|(_, at)| *at);
        pace.change(|pacing, now, out| {
            pacing.redistribute(now, last_message, out);
            None
        });
    }

    /// When [`Hub::resume`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pace.lock().pacing.deadline()
    }

    pub(super) fn set_max_in_flight(&self, max_in_flight: u32) {
        self.queue.raise_capacity(max_in_flight as usize);
        self.pace(|pacing, now, out| {
            pacing.set_max_in_flight(max_in_flight, now, out);
            None
        });
    }

    pub(super) fn max_in_flight(&self) -> u32 {
        self.pace.lock().pacing.max_in_flight()
    }

    pub(super) fn is_starved(&self) -> bool {
        self.pace.lock().links.iter().any(|link| link.is_starved())
    }

    pub(super) fn counts(&self) -> Counts {
        let pace = self.pace.lock();
        let mut counts = Counts {
            received: self.received.load(Ordering::Relaxed),
            finished: pace.finished,
            requeued: pace.requeued,
            connections: pace.links.len(),
        };
        for (finished, requeued) in pace.links.iter().map(|link| link.done()) {
            counts.finished += finished;
            counts.requeued += requeued;
        }
        counts
    }

    /// Changes the pacing, sends what that changes, and tells the operator.
    fn pace(&self, act: impl FnOnce(&mut Pacing, Instant, &mut Vec<Rdy>) -> Option<Event>) -> Option<Event> {
        let mut pace = self.pace.lock();
        let event = pace.change(act);
        self.is_calm.store(pace.pacing.is_calm(), Ordering::Relaxed);
        let resumed = match event {
            Some(Event::Resuming(id)) => pace.links.iter().find(|link| link.id() == id).cloned(),
            _ => None,
        };
        drop(pace);
        if let Some(event) = event {
            self.tell(event, resumed.as_deref());
        }
        event
    }

    fn tell(&self, event: Event, resumed: Option<&Link>) {
        let label = &self.label;
        match event {
            Event::BackingOff { length, level } => {
                let length = format_duration(length);
                tracing::warn!(
                    "{label} backing off for {length} (backoff level {level}), setting all to RDY 0"
                );
            }
            Event::Resuming(_) => {
                let address = resumed.map_or("", Link::address);
                tracing::warn!("{label} ({address}) backoff timeout expired, sending RDY 1");
            }
            Event::NoConnection => {
                tracing::warn!("{label} no connection available to resume");
                tracing::warn!("{label} backing off for 1s");
            }
            Event::Exiting { count } => {
                tracing::warn!("{label} exiting backoff, returning all to RDY {count}");
            }
        }
    }

    // The end.

    /// Begins to stop: CLS to all. `false` if it has begun before.
    pub(super) fn stop(&self) -> bool {
        let mut pace = self.pace.lock();
        if std::mem::replace(&mut pace.is_stopping, true) {
            return false;
        }
        tracing::info!("{} stopping...", self.label);
        pace.links.iter().for_each(|link| link.cls());
        self.queue.stop();
        drop(pace);
        self.stopping.cancel();
        self.tasks.close();
        true
    }

    /// Whether no connection is left.
    pub(super) fn is_alone(&self) -> bool {
        self.pace.lock().links.is_empty()
    }
}

impl Pace {
    /// Changes the pacing, and sends what that changes.
    fn change(
        &mut self,
        act: impl FnOnce(&mut Pacing, Instant, &mut Vec<Rdy>) -> Option<Event>,
    ) -> Option<Event> {
        let mut out = Vec::new();
        let event = act(&mut self.pacing, Instant::now(), &mut out);
        for Rdy { member, count } in out {
            if let Some(link) = self.links.iter().find(|link| link.id() == member) {
                link.set_rdy(count);
            }
        }
        event
    }
}

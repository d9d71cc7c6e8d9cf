//! What a connection shares with its messages.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::BytesMut;
use parking_lot::Mutex;
use protocol::MessageId;
use tokio::sync::Notify;

use super::{
    Requeue,
    hub::Hub,
    outbox::{Outbox, Taken},
    pacing::{MemberId, Outcome},
};

/// A connection as its messages, the pacer and handles see it. They reach it from any thread.
///
/// Its lock is held for appending or taking bytes, and never together with another one.
#[derive(Debug)]
pub(super) struct Link {
    id: MemberId,
    address: String,
    hub: Arc<Hub>,
    outbox: Mutex<Outbox>,
    wake: Notify,
    is_closed: AtomicBool,
    rdy: AtomicU32,
    // Since the hub's epoch; 0 for none.
    last_message_ms: AtomicU64,
}

impl Link {
    pub(super) fn new(id: MemberId, address: &str, hub: Arc<Hub>) -> Arc<Self> {
        Arc::new(Self {
            id,
            address: address.to_owned(),
            hub,
            outbox: Mutex::new(Outbox::new()),
            wake: Notify::new(),
            is_closed: AtomicBool::new(false),
            rdy: AtomicU32::new(0),
            last_message_ms: AtomicU64::new(0),
        })
    }

    pub(super) fn id(&self) -> MemberId {
        self.id
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    // What messages do.

    #[inline]
    pub(super) fn finish(&self, id: MessageId) {
        if self.change(|outbox| outbox.finish(id)) {
            self.hub.take(Outcome::Success);
        }
    }

    pub(super) fn requeue(&self, id: MessageId, attempts: u16, how: Requeue) {
        let delay = how.delay(attempts, self.hub.config());
        if self.change(|outbox| outbox.requeue(id, delay.as_millis())) {
            self.hub.take(if how.is_failure() { Outcome::Failure } else { Outcome::Neutral });
        }
    }

    /// Sends a message back that nobody has seen.
    pub(super) fn give_back(&self, id: MessageId) {
        self.change(|outbox| outbox.requeue(id, 0));
    }

    pub(super) fn touch(&self, id: MessageId) {
        self.change(|outbox| outbox.touch(id));
    }

    // What the consumer does.

    pub(super) fn set_rdy(&self, count: u32) {
        self.rdy.store(count, Ordering::Relaxed);
        self.change(|outbox| {
            outbox.set_rdy(count);
            true
        });
    }

    pub(super) fn cls(&self) {
        self.change(|outbox| {
            outbox.cls();
            true
        });
    }

    /// Whether 85 % of its RDY are in flight.
    pub(super) fn is_starved(&self) -> bool {
        let outbox = self.outbox.lock();
        let (in_flight, is_open) = (u64::from(outbox.in_flight()), outbox.is_open());
        drop(outbox);
        let rdy = u64::from(self.rdy.load(Ordering::Relaxed));
        is_open && 0 < in_flight && rdy * 85 / 100 <= in_flight
    }

    /// When the last message came.
    pub(super) fn last_message(&self) -> Option<Instant> {
        let milliseconds = self.last_message_ms.load(Ordering::Relaxed);
        (milliseconds != 0).then(|| self.hub.epoch() + Duration::from_millis(milliseconds))
    }

    /// Messages finished, and messages requeued.
    pub(super) fn done(&self) -> (u64, u64) {
        self.outbox.lock().done()
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    // What the connection does.

    /// So many messages came in one read.
    pub(super) fn receive(&self, count: u32) {
        self.outbox.lock().receive(count);
        let since = self.hub.epoch().elapsed().as_millis().max(1);
        self.last_message_ms.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn nop(&self) {
        self.change(|outbox| {
            outbox.nop();
            true
        });
    }

    /// No more messages come; whether that is new.
    pub(super) fn drain(&self) -> bool {
        self.change(Outbox::drain)
    }

    /// Whether no more messages come and all are finished.
    pub(super) fn is_finished(&self) -> bool {
        self.outbox.lock().is_finished()
    }

    /// The connection is gone; whether messages could come until now.
    pub(super) fn close(&self) -> bool {
        let was_open = self.outbox.lock().close();
        // Behind it: who sees the flag may drop messages, and that has no effect any more.
        self.is_closed.store(true, Ordering::Release);
        was_open
    }

    /// See [`Outbox::take`].
    pub(super) fn take(&self, out: &mut BytesMut) -> Taken {
        self.outbox.lock().take(out)
    }

    /// Waits for something to write.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Does `act` under the lock, and wakes the writer if it did something.
    #[inline]
    fn change(&self, act: impl FnOnce(&mut Outbox) -> bool) -> bool {
        let mut outbox = self.outbox.lock();
        let has_changed = act(&mut outbox);
        let needs_waking = has_changed && outbox.needs_waking();
        drop(outbox);
        if needs_waking {
            self.wake.notify_one();
        }
        has_changed
    }
}

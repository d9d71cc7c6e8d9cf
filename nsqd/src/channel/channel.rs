//! A channel: its queueing state behind a lock, and the consumers that stand in line.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, AtomicUsize, Ordering, fence},
    },
};

use parking_lot::Mutex;
use protocol::{ChannelName, MessageId};

use super::{
    fan_out::FanOut,
    latency::Latency,
    state::{Parcel, Pending, State},
};
use crate::{
    client::Client,
    clock,
    log::{Budget, Log, Segment},
    timers::Timers,
};

/// Why a consumer gets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// So many messages were added to the parcels; they are in flight.
    Messages(u32),
    /// Nothing waits, or the channel is paused: the consumer stands in line and will be woken.
    InLine,
    /// The channel was emptied since this epoch: what was in flight no longer is. The new epoch.
    Emptied(u32),
    /// The channel is deleted.
    Gone,
}

/// Why a consumer cannot join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinError {
    /// The channel is being deleted.
    Exiting,
    /// It has as many consumers as are allowed.
    Full,
}

/// Deliveries to consumers anywhere, in the region, and in the zone of this nsqd.
pub(crate) type Delivered = [u64; 3];

/// What a channel is made of.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) name: ChannelName,
    pub(crate) log: Arc<Log>,
    pub(crate) fan_out: Arc<FanOut>,
    pub(crate) timers: Arc<Timers>,
    /// Differs for each channel of the process.
    pub(crate) number: u64,
    /// Where its checkpoint is kept; `None` for what does not outlive the process.
    pub(crate) path: Option<PathBuf>,
    /// At most so many messages wait; `None` for no bound.
    pub(crate) bound: Option<u64>,
    /// Whether consumers near by are woken first.
    pub(crate) prefers_near: bool,
    /// The time that latency percentiles cover, if they are wanted.
    pub(crate) latency_window_ns: Option<u64>,
}

/// A named cursor over a topic's log, and its consumers.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(super) me: Weak<Channel>,
    pub(super) setup: Setup,
    pub(super) line: AtomicUsize,
    /// Copy of the epoch, to be read without the lock.
    pub(super) epoch: AtomicU32,
    /// Copy of the number of dead messages.
    pub(super) dead: AtomicUsize,
    /// Held while the checkpoint is written. Locked before `inner`, if both are.
    pub(super) saving: Mutex<()>,
    pub(super) inner: Mutex<Inner>,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub(super) struct Inner {
    pub(super) state: State,
    pub(super) paused: bool,
    pub(super) exiting: bool,
    /// Rises when the channel is emptied.
    pub(super) epoch: u32,
    pub(super) consumers: Vec<Arc<Client>>,
    /// Ready consumers for whom there was nothing, oldest first.
    pub(super) line: VecDeque<Arc<Client>>,
    /// Ids and nearness of those that were woken and have not come yet, where it counts who is near.
    pub(super) called: Vec<(u64, u8)>,
    /// Deadline that the timers know.
    pub(super) armed: Option<u64>,
    /// Fan-out when the process started, or the channel was made: messages are counted from there.
    pub(super) counted_from: u64,
    pub(super) requeue_count: u64,
    pub(super) timeout_count: u64,
    pub(super) delivered: Delivered,
    pub(super) changed: bool,
    /// The storage thread brings a segment into memory for it.
    pub(super) is_loading: bool,
    /// Tail of the segment under the low-water mark, when it was last looked at.
    pub(super) low_segment_tail: u64,
    pub(super) latency: Latency,
}

impl Channel {
    /// A channel that begins at `start`.
    pub(crate) fn new(setup: Setup, start: u64) -> Arc<Self> {
        let state = State::new(start, setup.bound);
        Self::with_state(setup, state, false, start, true)
    }

    pub(super) fn with_state(
        setup: Setup,
        state: State,
        paused: bool,
        counted_from: u64,
        changed: bool,
    ) -> Arc<Self> {
        let inner = Inner {
            state,
            paused,
            exiting: false,
            epoch: 0,
            consumers: Vec::new(),
            line: VecDeque::new(),
            called: Vec::new(),
            armed: None,
            counted_from,
            requeue_count: 0,
            timeout_count: 0,
            delivered: Delivered::default(),
            changed,
            is_loading: false,
            low_segment_tail: 0,
            latency: Latency::new(setup.latency_window_ns),
        };
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            setup,
            line: AtomicUsize::new(0),
            epoch: AtomicU32::new(0),
            dead: AtomicUsize::new(0),
            saving: Mutex::default(),
            inner: Mutex::new(inner),
        })
    }

    pub(crate) fn name(&self) -> &ChannelName {
        &self.setup.name
    }

    pub(super) fn fan_out(&self) -> u64 {
        self.setup.fan_out.get(&self.setup.log)
    }

    /// Adds a consumer, and returns the epoch that it begins with.
    ///
    /// # Errors
    /// [`JoinError`]; the consumer is not added.
    pub(crate) fn join(&self, client: &Arc<Client>, consumers_max: usize) -> Result<u32, JoinError> {
        let mut inner = self.inner.lock();
        if inner.exiting {
            return Err(JoinError::Exiting);
        }
        if consumers_max != 0 && consumers_max <= inner.consumers.len() {
            return Err(JoinError::Full);
        }
        inner.consumers.push(Arc::clone(client));
        Ok(inner.epoch)
    }

    /// Removes a consumer. What it had in flight is delivered again, at once. Returns how many consumers are left.
    pub(crate) fn leave(
        &self,
        client: &Client,
        epoch: u32,
        in_flight: impl Iterator<Item = Pending>,
    ) -> usize {
        let mut inner = self.inner.lock();
        inner.consumers.retain(|consumer| consumer.id != client.id);
        self.answer_call(&mut inner, client);
        self.leave_line(&mut inner, client);
        if inner.epoch == epoch && !inner.exiting {
            for message in in_flight {
                inner.state.requeue(message, None);
            }
            inner.changed = true;
            self.note_dead(&inner);
        }
        let left = inner.consumers.len();
        if left == 0 && self.setup.name.is_ephemeral() {
            // Nobody may join what is about to be removed.
            inner.exiting = true;
        }
        self.wake_line(inner);
        left
    }

    /// Takes messages for a consumer that is ready, or puts it in line.
    pub(crate) fn take(
        &self,
        client: &Arc<Client>,
        epoch: u32,
        budget: Budget,
        now_unix_ns: u64,
        parcels: &mut Vec<Parcel>,
    ) -> Taken {
        let mut inner = self.inner.lock();
        self.answer_call(&mut inner, client);
        if inner.exiting {
            return Taken::Gone;
        }
        if inner.epoch != epoch {
            return Taken::Emptied(inner.epoch);
        }
        loop {
            let fan_out = self.fan_out();
            let mut taken = 0;
            if self.setup.prefers_near && inner.state.has_waiting(fan_out) {
                if inner.is_nearer_called(client) {
                    // Who was woken wakes the next in line when it has taken what it wants.
                    self.join_line(&mut inner, client);
                    return Taken::InLine;
                }
                if inner.is_nearer_in_line(client) {
                    self.join_line(&mut inner, client);
                    self.wake_line(inner);
                    return Taken::InLine;
                }
            }
            if !inner.paused {
                // Leave their share to the others that wait.
                let waiting = inner.state.waiting(fan_out);
                let share = waiting.div_ceil(inner.line.len() as u64 + 1).max(1);
                let messages = budget.messages.min(u32::try_from(share).unwrap_or(u32::MAX));
                let budget = Budget { messages, ..budget };
                taken = inner.state.take(&self.setup.log, fan_out, budget, now_unix_ns, parcels);
                self.arm(&mut inner);
                inner.changed = true;
            }
            if taken != 0 {
                inner.delivered[client.locality() as usize] += u64::from(taken);
                self.leave_line(&mut inner, client);
                self.wake_line(inner);
                return Taken::Messages(taken);
            }
            if let Some(segment) = inner.state.take_unloaded()
                && !self.ask_for(&mut inner, &segment)
            {
                continue;
            }
            self.join_line(&mut inner, client);
            // Pairs with the fence of a publisher: either it sees the line, or this sees its message.
            fence(Ordering::SeqCst);
            if inner.paused || self.fan_out() == fan_out {
                return Taken::InLine;
            }
        }
    }

    /// Has a segment brought into memory. `false` if it is there now.
    #[cold]
    pub(super) fn ask_for(&self, inner: &mut Inner, segment: &Arc<Segment>) -> bool {
        if inner.is_loading {
            return true;
        }
        let me = self.me.clone();
        let then = move || {
            if let Some(channel) = me.upgrade() {
                let mut inner = channel.inner.lock();
                inner.is_loading = false;
                channel.enforce_locked(&mut inner, clock::unix_ns());
                channel.wake_line(inner);
            }
        };
        inner.is_loading = self.setup.log.load(segment, then);
        // So much is asked of the storage thread that it is quicker to read here. A failure is met again there.
        inner.is_loading || self.setup.log.load_now(segment).is_err()
    }

    pub(super) fn arm(&self, inner: &mut Inner) {
        if let Some(due) = inner.state.next_due()
            && inner.armed.is_none_or(|armed| due < armed)
        {
            self.setup.timers.arm(&self.me, self.setup.number, inner.armed, due);
            inner.armed = Some(due);
        }
    }

    /// A deferred message may be due.
    pub(crate) fn on_deadline(&self, now_unix_ns: u64) {
        let mut inner = self.inner.lock();
        inner.armed = None;
        inner.state.promote(now_unix_ns);
        self.enforce_locked(&mut inner, now_unix_ns);
        self.arm(&mut inner);
        self.wake_line(inner);
    }

    /// Acknowledges messages in flight. `true` if a segment may have become free.
    ///
    /// `published_unix_ns`: when those were published that a consumer has finished.
    pub(crate) fn finish(
        &self,
        epoch: u32,
        seqs: &[u64],
        published_unix_ns: &[u64],
        now_unix_ns: u64,
    ) -> bool {
        let mut inner = self.inner.lock();
        if inner.epoch != epoch || inner.exiting {
            return false;
        }
        inner.state.finish(seqs);
        inner.latency.record(published_unix_ns, now_unix_ns);
        inner.changed = true;
        let low = inner.state.window().low_water();
        if low < inner.low_segment_tail || low == self.setup.log.tail() {
            return false;
        }
        let first = inner.low_segment_tail == 0;
        inner.low_segment_tail = self.setup.log.segment_at(low).map_or(low, |segment| segment.tail());
        !first
    }

    /// Puts messages in flight back: to the tail at once, or to their deadline. `false` if they no longer are in
    /// flight, since the channel was emptied.
    pub(crate) fn requeue(&self, epoch: u32, message: Pending, deadline_unix_ns: Option<u64>) -> bool {
        let mut inner = self.inner.lock();
        if inner.epoch != epoch || inner.exiting {
            return false;
        }
        inner.state.requeue(message, deadline_unix_ns);
        inner.requeue_count += 1;
        inner.changed = true;
        self.note_dead(&inner);
        self.arm(&mut inner);
        self.wake_line(inner);
        true
    }

    /// Puts messages back whose consumer was too slow.
    pub(crate) fn time_out(&self, epoch: u32, messages: &[Pending]) {
        let mut inner = self.inner.lock();
        if inner.epoch != epoch || inner.exiting {
            return;
        }
        for message in messages {
            inner.state.requeue(*message, None);
        }
        inner.timeout_count += messages.len() as u64;
        inner.changed = true;
        self.note_dead(&inner);
        self.wake_line(inner);
    }

    /// The present epoch.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether a message is in flight to any consumer. For the text of an error.
    pub(crate) fn is_in_flight(&self, id: MessageId) -> bool {
        let Some(seq) = self.setup.log.find(id) else { return false };
        self.inner.lock().state.is_in_flight(seq)
    }

    /// Drops all messages: waiting, in flight and deferred.
    pub(crate) fn empty(&self) {
        self.move_cursor(State::empty);
    }

    /// Goes on at `seq`, or at the fan-out if that is lower: what is behind it is delivered, again or not; what was in flight,
    /// requeued or deferred is forgotten.
    pub(crate) fn seek(&self, seq: u64) {
        // What is not kept between there and the tail is no depth. A bounded channel looks at what arrives, and has seen
        // nothing of it.
        let gaps = if self.setup.bound.is_none() { self.setup.log.gaps(seq) } else { Vec::new() };
        self.move_cursor(|state, fan_out| {
            state.seek(seq.min(fan_out));
            for (from, to) in gaps {
                state.skip(from.min(fan_out), to.min(fan_out));
            }
        });
    }

    fn move_cursor(&self, act: impl FnOnce(&mut State, u64)) {
        let mut inner = self.inner.lock();
        let fan_out = self.fan_out();
        act(&mut inner.state, fan_out);
        inner.low_segment_tail = 0;
        inner.epoch = inner.epoch.wrapping_add(1);
        self.epoch.store(inner.epoch, Ordering::Release);
        inner.changed = true;
        for consumer in &inner.consumers {
            consumer.in_flight_count.store(0, Ordering::Relaxed);
        }
        let consumers = inner.consumers.clone();
        drop(inner);
        // They have room again, and learn of the epoch.
        for consumer in &consumers {
            consumer.wake();
        }
    }

    /// Stops or resumes deliveries. Returns whether that changed anything.
    pub(crate) fn set_paused(&self, paused: bool) -> bool {
        let mut inner = self.inner.lock();
        let changed = std::mem::replace(&mut inner.paused, paused) != paused;
        inner.changed |= changed;
        // Takes arm no timer during a pause, and what was deferred before a restart has none yet.
        self.arm(&mut inner);
        self.wake_line(inner);
        changed
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.inner.lock().paused
    }

    /// Deletes the channel: its consumers are disconnected, its messages forgotten. No checkpoint is written any more.
    pub(crate) fn exit(&self) {
        let mut inner = self.inner.lock();
        inner.exiting = true;
        let line = std::mem::take(&mut inner.line);
        self.line.store(0, Ordering::SeqCst);
        self.setup.fan_out.waiting.fetch_sub(line.len(), Ordering::SeqCst);
        let consumers = std::mem::take(&mut inner.consumers);
        drop(inner);
        for consumer in &consumers {
            // Its place in line is gone with the line.
            consumer.is_waiting.store(false, Ordering::Relaxed);
            consumer.close();
        }
        // One that is being written would bring the channel back, or get into the folder of a topic that takes the name
        // of a deleted one.
        drop(self.saving.lock());
    }

    /// Never delivers what is ahead of the cursor in `from..to`.
    pub(crate) fn skip(&self, from: u64, to: u64) {
        let mut inner = self.inner.lock();
        inner.state.skip(from, to);
        inner.changed = true;
    }

    /// Looks at arrivals, so that a bounded channel holds no more of the log than it may.
    pub(crate) fn settle(&self) {
        if self.setup.bound.is_some() {
            let fan_out = self.fan_out();
            self.inner.lock().state.settle(fan_out);
        }
    }

    /// See [`State::outstanding`].
    pub(crate) fn outstanding(&self, from: u64, to: u64, max: usize) -> Option<Vec<u64>> {
        self.inner.lock().state.outstanding(from, to, max)
    }

    /// Whether any message of `from..to` may still be delivered.
    pub(crate) fn needs(&self, from: u64, to: u64) -> bool {
        self.inner.lock().state.needs(from, to)
    }
}

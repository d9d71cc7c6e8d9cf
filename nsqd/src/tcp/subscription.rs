//! A consumer's side of a connection: what it may get, has, and has answered for.

use std::sync::{Arc, atomic::Ordering};

use protocol::{ATTEMPTS_OFFSET, MessageFailure, MessageId};

use super::{
    in_flight::{Delivered, InFlight, TouchLimits},
    output::Output,
};
use crate::{
    channel::{Channel, Parcel, Pending, Taken},
    client::Client,
    clock,
    log::Budget,
    topic::Topic,
};

/// Bytes taken for one consumer at a time: enough for large writes, little enough that a slow one holds little.
const TAKE_BYTES_MAX: u32 = 256 << 10;

/// The one subscription of a connection.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) topic: Arc<Topic>,
    pub(super) channel: Arc<Channel>,
    client: Arc<Client>,
    epoch: u32,
    in_flight: InFlight,
    /// Finished, and not yet told to the channel.
    finished: Vec<u64>,
    /// When these were published, save those that nobody has seen.
    published_unix_ns: Vec<u64>,
    ready: u32,
    limits: TouchLimits,
    sample_rate: Option<u8>,
    parcels: Vec<Parcel>,
    late: Vec<Pending>,
    random: u64,
}

impl Subscription {
    pub(super) fn new(
        topic: Arc<Topic>,
        channel: Arc<Channel>,
        client: Arc<Client>,
        epoch: u32,
        limits: TouchLimits,
        sample_rate: Option<u8>,
    ) -> Self {
        // Any seed but 0 serves; connections should differ.
        let random = client.id.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self {
            topic,
            channel,
            client,
            epoch,
            in_flight: InFlight::default(),
            finished: Vec::new(),
            published_unix_ns: Vec::new(),
            ready: 0,
            limits,
            sample_rate,
            parcels: Vec::new(),
            late: Vec::new(),
            random,
        }
    }

    /// Sets RDY.
    pub(super) fn set_ready(&mut self, count: u32) {
        self.ready = count;
        self.client.ready_count.store(count, Ordering::Relaxed);
        if self.room() == 0 {
            self.channel.not_ready(&self.client);
        }
    }

    /// Messages that the consumer would take now.
    fn room(&self) -> u32 {
        self.ready.saturating_sub(u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX))
    }

    /// Learns whether the channel was emptied: nothing is in flight then.
    pub(super) fn look_at_epoch(&mut self) {
        let epoch = self.channel.epoch();
        if epoch != self.epoch {
            self.epoch = epoch;
            self.in_flight.clear();
            self.finished.clear();
            self.published_unix_ns.clear();
        }
    }

    /// FIN. The channel learns of it with [`Subscription::flush`].
    ///
    /// # Errors
    /// The message is not in flight here.
    #[inline]
    pub(super) fn finish(&mut self, id: MessageId) -> Result<(), MessageFailure> {
        match self.in_flight.remove(id) {
            Some(delivered) => {
                self.finished.push(delivered.message.seq);
                self.published_unix_ns.push(delivered.published_unix_ns);
                Ok(())
            }
            None => Err(self.failure(id)),
        }
    }

    #[cold]
    fn failure(&mut self, id: MessageId) -> MessageFailure {
        self.flush();
        if self.channel.is_in_flight(id) { MessageFailure::NotOwned } else { MessageFailure::NotInFlight }
    }

    /// REQ, at once or for a deadline.
    ///
    /// # Errors
    /// The message is not in flight here.
    pub(super) fn requeue(
        &mut self,
        id: MessageId,
        deadline_unix_ns: Option<u64>,
    ) -> Result<(), MessageFailure> {
        let Delivered { message, .. } = self.in_flight.remove(id).ok_or_else(|| self.failure(id))?;
        if self.channel.requeue(self.epoch, message, deadline_unix_ns) {
            self.client.requeue_count.fetch_add(1, Ordering::Relaxed);
            self.topic.note_change();
            self.topic.bury(&self.channel);
        }
        self.count_in_flight();
        Ok(())
    }

    /// TOUCH.
    ///
    /// # Errors
    /// The message is not in flight here.
    pub(super) fn touch(&mut self, id: MessageId, now_ns: u64) -> Result<(), MessageFailure> {
        if self.in_flight.touch(id, now_ns, self.limits) { Ok(()) } else { Err(self.failure(id)) }
    }

    /// Tells the channel what was finished, all under one lock.
    pub(super) fn flush(&mut self) {
        if self.finished.is_empty() {
            return;
        }
        let now_unix_ns = clock::unix_ns();
        let is_segment_done =
            self.channel.finish(self.epoch, &self.finished, &self.published_unix_ns, now_unix_ns);
        self.client.finish_count.fetch_add(self.finished.len() as u64, Ordering::Relaxed);
        self.finished.clear();
        self.published_unix_ns.clear();
        self.count_in_flight();
        self.topic.note_change();
        if is_segment_done {
            self.topic.release();
        }
    }

    fn count_in_flight(&self) {
        self.client.in_flight_count.store(self.in_flight.len() as u64, Ordering::Relaxed);
    }

    /// Takes what the consumer has room for. `false` if there is nothing to be had now.
    pub(super) fn deliver(&mut self, output: &mut Output, now_ns: u64, now_unix_ns: u64) -> bool {
        let messages = self.room();
        if messages == 0 {
            return false;
        }
        let budget = Budget { messages, bytes: TAKE_BYTES_MAX };
        match self.channel.take(&self.client, self.epoch, budget, now_unix_ns, &mut self.parcels) {
            Taken::Messages(count) => {
                self.client.message_count.fetch_add(u64::from(count), Ordering::Relaxed);
                let mut parcels = std::mem::take(&mut self.parcels);
                for parcel in parcels.drain(..) {
                    self.hand_over(parcel, output, now_ns);
                }
                self.parcels = parcels;
                self.count_in_flight();
                self.flush();
                true
            }
            Taken::Emptied(_) => {
                self.look_at_epoch();
                self.count_in_flight();
                true
            }
            // A deleted channel closes its clients, which is seen elsewhere.
            Taken::InLine | Taken::Gone => false,
        }
    }

    fn hand_over(&mut self, parcel: Parcel, output: &mut Output, now_ns: u64) {
        let Parcel { run, attempts } = parcel;
        for (frame, seq) in run.frames().zip(run.first()..) {
            let delivered = Delivered {
                message: Pending { seq, attempts },
                published_unix_ns: frame.timestamp_ns().unsigned_abs(),
            };
            self.in_flight.add(frame.id(), delivered, now_ns, self.limits);
        }
        if let Some(rate) = self.sample_rate {
            for frame in run.frames() {
                if self.is_sampled(rate) {
                    put_frame(output, frame.bytes(), attempts);
                } else if let Some(unseen) = self.in_flight.remove(frame.id()) {
                    self.finished.push(unseen.message.seq);
                }
            }
        } else if attempts == 1 {
            output.push(run);
        } else {
            run.frames().for_each(|frame| put_frame(output, frame.bytes(), attempts));
        }
    }

    /// True for `rate` percent of the calls (xorshift64, Marsaglia 2003).
    fn is_sampled(&mut self, rate: u8) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100 < u64::from(rate)
    }

    /// When the next message in flight is late.
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        self.in_flight.next_deadline_ns()
    }

    /// Gives messages back whose time is over.
    pub(super) fn expire(&mut self, now_ns: u64) {
        self.look_at_epoch();
        self.in_flight.expire(now_ns, &mut self.late);
        if !self.late.is_empty() {
            self.channel.time_out(self.epoch, &self.late);
            self.late.clear();
            self.count_in_flight();
            self.topic.note_change();
            self.topic.bury(&self.channel);
        }
    }

    /// The consumer was woken and wants nothing: the next in line may.
    pub(super) fn pass_on(&self) {
        if self.room() == 0 {
            self.channel.pass_on(&self.client);
        }
    }

    /// Ends the subscription. What is in flight is delivered to others at once. Returns how many consumers are left.
    pub(super) fn leave(&mut self) -> usize {
        self.flush();
        let left = self.channel.leave(&self.client, self.epoch, self.in_flight.messages());
        self.in_flight.clear();
        self.topic.note_change();
        self.topic.bury(&self.channel);
        left
    }
}

/// A copy of a frame that tells the number of this delivery. What is stored is the number of the first one, which is not
/// 1 where deliveries were made elsewhere before.
fn put_frame(output: &mut Output, frame: &[u8], attempts: u16) {
    let out = output.small();
    let at = out.len() + ATTEMPTS_OFFSET;
    out.extend_from_slice(frame);
    let first = u16::from_be_bytes([out[at], out[at + 1]]);
    let attempts = first.saturating_add(attempts.saturating_sub(1));
    out[at..at + 2].copy_from_slice(&attempts.to_be_bytes());
}

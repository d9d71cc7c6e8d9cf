//! Consuming: one thread a connection, all FINs of a read in one write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::BytesMut;
use hdrhistogram::Histogram;
use protocol::{CLOSE_WAIT, Command, Frame, HEARTBEAT};

use crate::checksum::Tally;
use crate::connection::{Connection, Filled};
use crate::report::{latency_histogram, nanoseconds};
use crate::run::Run;
use crate::template::intended_ns;

// How soon an idle consumer sees that another one of its channel took the last message.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const NOT_YET_KNOWN: u64 = u64::MAX;

/// When a channel is through.
#[derive(Debug)]
pub(crate) struct Goal {
    // Messages each channel must get; known from the start or once publishing has ended.
    messages: AtomicU64,
    deadline: Option<Instant>,
    stall_timeout: Duration,
}

impl Goal {
    /// A goal of `messages` for each channel, if they are known already.
    pub(crate) fn new(messages: Option<u64>, deadline: Option<Instant>, stall_timeout: Duration) -> Self {
        Self { messages: AtomicU64::new(messages.unwrap_or(NOT_YET_KNOWN)), deadline, stall_timeout }
    }

    /// Says how many messages there are.
    pub(crate) fn set_messages(&self, messages: u64) {
        self.messages.store(messages, Ordering::Release);
    }

    fn messages(&self) -> u64 {
        self.messages.load(Ordering::Acquire)
    }
}

/// A consumer of one channel.
#[derive(Debug)]
pub(crate) struct Consumer<'a> {
    pub(crate) connection: Connection,
    pub(crate) rdy: u32,
    /// Messages finished on this channel by all its consumers.
    pub(crate) channel_done: &'a AtomicU64,
    pub(crate) goal: &'a Goal,
    /// The zero of the times that bodies carry, where latency is measured.
    pub(crate) time_zero: Option<Instant>,
}

/// What a consumer got.
#[derive(Debug)]
pub(crate) struct Consumed {
    /// The numbers in the bodies.
    pub(crate) tally: Tally,
    /// Deliveries that were not the first of their message.
    pub(crate) redelivered: u64,
    /// Of all bodies.
    pub(crate) body_bytes: u64,
    /// From the intended send to the arrival.
    pub(crate) latency: Histogram<u64>,
    /// When the last messages came.
    pub(crate) ended: Option<Instant>,
    // FINs and NOPs to send with the next write.
    answers: BytesMut,
}

impl Consumed {
    fn new() -> Self {
        Self {
            tally: Tally::default(),
            redelivered: 0,
            body_bytes: 0,
            latency: latency_histogram(),
            ended: None,
            answers: BytesMut::new(),
        }
    }

    /// Joins what another consumer got.
    pub(crate) fn merge(&mut self, other: Self) {
        self.tally.merge(other.tally);
        self.redelivered += other.redelivered;
        self.body_bytes += other.body_bytes;
        self.latency += other.latency;
        self.ended = self.ended.max(other.ended);
    }

    /// Takes all whole frames that were read.
    fn take_frames(&mut self, connection: &mut Connection, time_zero: Option<Instant>) -> Result<bool> {
        let arrived_ns = time_zero.map(|zero| nanoseconds(zero.elapsed()));
        let mut close_wait = false;
        while let Some(frame) = connection.next_frame()? {
            match frame {
                Frame::Message { header, body } => {
                    Command::Fin { id: header.id }.encode(&mut self.answers);
                    self.tally.add(body);
                    self.body_bytes += body.len() as u64;
                    self.redelivered += u64::from(header.attempts > 1);
                    if let (Some(arrived), Some(intended)) = (arrived_ns, intended_ns(body)) {
                        self.latency.saturating_record(arrived.saturating_sub(intended));
                    }
                }
                Frame::Response(HEARTBEAT) => Command::Nop.encode(&mut self.answers),
                Frame::Response(CLOSE_WAIT) => close_wait = true,
                Frame::Response(other) => {
                    bail!("unexpected answer to a consumer: {:?}", String::from_utf8_lossy(other));
                }
                Frame::Error(_) => bail!("error frames end in next_frame"),
            }
        }
        Ok(close_wait)
    }

    fn send_answers(&mut self, connection: &mut Connection) -> Result<()> {
        if !self.answers.is_empty() {
            connection.send(&self.answers)?;
            self.answers.clear();
        }
        Ok(())
    }
}

impl Consumer<'_> {
    /// Consumes until the channel is through, then closes in order: the server has then seen every FIN.
    pub(crate) fn consume(mut self, run: &Run) -> Result<Consumed> {
        self.connection.set_read_timeout(LOOK_INTERVAL)?;
        self.connection.ready(self.rdy)?;
        let mut consumed = Consumed::new();
        let mut seen = (0, Instant::now());
        loop {
            let messages = self.goal.messages();
            let done = self.channel_done.load(Ordering::Relaxed);
            if run.has_failed() {
                // The cause is told elsewhere; a closing that fails too would hide it.
                return Ok(consumed);
            }
            if done >= messages {
                break;
            }
            if self.connection.fill()? == Filled::TimedOut {
                self.check_stall(&mut seen, done, messages)?;
            } else {
                self.take_read(&mut consumed, run)?;
            }
            // Read after the message count: on a deadline there may be no other end.
            if self.goal.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
        }
        self.close(&mut consumed)?;
        Ok(consumed)
    }

    fn take_read(&mut self, consumed: &mut Consumed, run: &Run) -> Result<()> {
        let before = consumed.tally.count;
        consumed.take_frames(&mut self.connection, self.time_zero)?;
        consumed.send_answers(&mut self.connection)?;
        let taken = consumed.tally.count - before;
        if taken > 0 {
            consumed.ended = Some(Instant::now());
            self.channel_done.fetch_add(taken, Ordering::Relaxed);
            run.add_done(taken);
        }
        Ok(())
    }

    fn check_stall(&self, seen: &mut (u64, Instant), done: u64, messages: u64) -> Result<()> {
        if done != seen.0 || messages == NOT_YET_KNOWN {
            *seen = (done, Instant::now());
        } else if seen.1.elapsed() >= self.goal.stall_timeout {
            bail!(
                "short count: {done} of {messages} messages came on a channel, then none for {:.1?}",
                seen.1.elapsed()
            );
        }
        Ok(())
    }

    /// CLS and wait for its answer. Messages still come before it; duplicates would show among them.
    fn close(&mut self, consumed: &mut Consumed) -> Result<()> {
        self.connection.set_read_timeout(self.goal.stall_timeout)?;
        self.connection.command(&Command::Cls)?;
        loop {
            if consumed.take_frames(&mut self.connection, None)? {
                return consumed.send_answers(&mut self.connection);
            }
            consumed.send_answers(&mut self.connection)?;
            if self.connection.fill()? == Filled::TimedOut {
                bail!("no answer to CLS");
            }
        }
    }
}

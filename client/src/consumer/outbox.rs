//! Commands of one connection that wait to be written.

use std::fmt::Write;

use bytes::BytesMut;
use protocol::{Command, MessageId};

/// Beyond so many bytes that wait, TOUCH is left out: the connection is stuck, and about to be given up. FIN and REQ are bounded by
/// what is in flight.
const TOUCHED_BYTES_MAX: usize = 256 << 10;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Messages come.
    Open,
    /// No more come; what is in flight can be finished.
    Draining,
    /// It is gone.
    Closed,
}

/// What there is to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// The bytes that were taken.
    Bytes,
    /// Nothing now.
    Nothing,
    /// Nothing any more.
    End,
}

/// Commands that wait to be written, and what is in flight. Plain state, behind the link's lock.
#[derive(Debug)]
pub(super) struct Outbox {
    bytes: BytesMut,
    // Of these the last one counts, or one is enough.
    rdy: Option<u32>,
    has_nop: bool,
    has_cls: bool,
    phase: Phase,
    in_flight: u32,
    finished: u64,
    requeued: u64,
    is_woken: bool,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            bytes: BytesMut::new(),
            rdy: None,
            has_nop: false,
            has_cls: false,
            phase: Phase::Open,
            in_flight: 0,
            finished: 0,
            requeued: 0,
            is_woken: false,
        }
    }

    /// So many messages came.
    pub(super) fn receive(&mut self, count: u32) {
        self.in_flight += count;
    }

    /// FIN; `false` if the connection is gone.
    #[inline]
    pub(super) fn finish(&mut self, id: MessageId) -> bool {
        if self.phase == Phase::Closed {
            return false;
        }
        Command::Fin { id }.encode(&mut self.bytes);
        self.in_flight -= 1;
        self.finished += 1;
        true
    }

    /// REQ; `false` if the connection is gone.
    pub(super) fn requeue(&mut self, id: MessageId, delay_ms: u128) -> bool {
        if self.phase == Phase::Closed {
            return false;
        }
        self.bytes.extend_from_slice(b"REQ ");
        self.bytes.extend_from_slice(id.as_bytes());
        writeln!(self.bytes, " {delay_ms}").expect("a buffer takes everything");
        self.in_flight -= 1;
        self.requeued += 1;
        true
    }

    /// TOUCH; `false` if it is not sent.
    pub(super) fn touch(&mut self, id: MessageId) -> bool {
        if self.phase == Phase::Closed || TOUCHED_BYTES_MAX < self.bytes.len() {
            return false;
        }
        Command::Touch { id }.encode(&mut self.bytes);
        true
    }

    pub(super) fn set_rdy(&mut self, count: u32) {
        self.rdy = Some(count);
    }

    pub(super) fn nop(&mut self) {
        self.has_nop = true;
    }

    /// CLS: nsqd sends no more, and says when.
    pub(super) fn cls(&mut self) {
        self.has_cls = true;
    }

    /// No more messages come; whether that is new.
    pub(super) fn drain(&mut self) -> bool {
        let was_open = self.phase == Phase::Open;
        if was_open {
            self.phase = Phase::Draining;
        }
        was_open
    }

    /// The connection is gone; whether messages could come until now.
    pub(super) fn close(&mut self) -> bool {
        let was_open = self.phase == Phase::Open;
        self.phase = Phase::Closed;
        self.bytes = BytesMut::new();
        self.in_flight = 0;
        was_open
    }

    /// Whether the writer is to be woken; once until it takes what is there.
    #[inline]
    pub(super) fn needs_waking(&mut self) -> bool {
        !std::mem::replace(&mut self.is_woken, true)
    }

    /// Moves all that waits into `out`, which is empty. RDY and CLS go first, so that what is requeued behind them does not come
    /// back at once.
    pub(super) fn take(&mut self, out: &mut BytesMut) -> Taken {
        self.is_woken = false;
        if let Some(count) = self.rdy.take() {
            Command::Rdy { count }.encode(out);
        }
        if std::mem::take(&mut self.has_cls) {
            Command::Cls.encode(out);
        }
        if std::mem::take(&mut self.has_nop) {
            Command::Nop.encode(out);
        }
        if out.is_empty() {
            std::mem::swap(&mut self.bytes, out);
        } else {
            out.extend_from_slice(&self.bytes);
            self.bytes.clear();
        }
        match (out.is_empty(), self.is_finished()) {
            (false, _) => Taken::Bytes,
            (true, true) => Taken::End,
            (true, false) => Taken::Nothing,
        }
    }

    /// Whether no more messages come and all are finished.
    pub(super) fn is_finished(&self) -> bool {
        self.phase == Phase::Closed || self.phase == Phase::Draining && self.in_flight == 0
    }

    /// Messages that are neither finished nor requeued.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether messages may still come.
    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Messages finished, and messages requeued.
    pub(super) fn done(&self) -> (u64, u64) {
        (self.finished, self.requeued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MessageId = MessageId(*b"0123456789abcdef");

    fn taken(outbox: &mut Outbox) -> (Taken, String) {
        let mut out = BytesMut::new();
        let taken = outbox.take(&mut out);
        (taken, String::from_utf8(out.to_vec()).unwrap())
    }

    fn bytes(text: &str) -> (Taken, String) {
        (Taken::Bytes, text.to_owned())
    }

    #[test]
    fn what_is_done_is_written_in_order() {
        let mut outbox = Outbox::new();
        outbox.receive(3);
        assert!(outbox.finish(ID) && outbox.touch(ID) && outbox.requeue(ID, 1500));
        outbox.set_rdy(5);
        outbox.set_rdy(6);
        outbox.nop();
        let id = "0123456789abcdef";
        assert_eq!(taken(&mut outbox), bytes(&format!("RDY 6\nNOP\nFIN {id}\nTOUCH {id}\nREQ {id} 1500\n")));
        assert_eq!(taken(&mut outbox), (Taken::Nothing, String::new()));
        assert_eq!((outbox.in_flight(), outbox.done()), (1, (1, 1)));
    }

    #[test]
    fn the_writer_is_woken_once_for_many() {
        let mut outbox = Outbox::new();
        assert!(outbox.needs_waking() && !outbox.needs_waking());
        let _ = taken(&mut outbox);
        assert!(outbox.needs_waking());
    }

    #[test]
    fn a_draining_connection_ends_with_its_last_message() {
        let mut outbox = Outbox::new();
        outbox.receive(1);
        outbox.cls();
        assert_eq!(taken(&mut outbox), bytes("CLS\n"));
        assert!(outbox.drain() && !outbox.drain());
        assert_eq!(taken(&mut outbox).0, Taken::Nothing);
        assert!(outbox.finish(ID));
        assert_eq!(taken(&mut outbox).0, Taken::Bytes);
        assert_eq!(taken(&mut outbox).0, Taken::End);
        assert!(!outbox.close(), "it was not open any more");
    }

    #[test]
    fn a_closed_connection_takes_nothing() {
        let mut outbox = Outbox::new();
        outbox.receive(3);
        assert!(outbox.close());
        assert!(!outbox.finish(ID) && !outbox.requeue(ID, 0) && !outbox.touch(ID));
        assert_eq!((outbox.in_flight(), outbox.done()), (0, (0, 0)));
    }

    #[test]
    fn touches_are_bounded() {
        let mut outbox = Outbox::new();
        let sent = (0..100_000).filter(|_| outbox.touch(ID)).count();
        assert!(sent * 23 <= TOUCHED_BYTES_MAX + 23);
        outbox.receive(1);
        assert!(outbox.finish(ID), "the end of a message has its place in any case");
    }
}

//! Publishes on one connection: what is to be written, and who waits for an answer.

use std::collections::VecDeque;

use bytes::BytesMut;
use protocol::Command;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::publication::Publication;
use crate::ConnectError;

/// What a publish learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// OK.
    Published,
    /// Refused in these words.
    Refused(String),
    /// It was written, and the connection was lost.
    Lost(String),
    /// It was not executed, and may be sent again.
    NotSent,
    /// There was no connection to send it on.
    NotConnected(ConnectError),
}

/// Somebody who waits for an answer.
#[derive(Debug)]
pub(super) struct Waiter {
    answer: oneshot::Sender<Answer>,
    // Held until the answer is there, also when nobody waits for it any more: the bytes are under way all the same.
    _permit: OwnedSemaphorePermit,
}

impl Waiter {
    pub(super) fn tell(self, answer: Answer) {
        // Whoever has given up waiting does not want to know.
        let _ = self.answer.send(answer);
    }
}

/// Publishes in the order of their answers. Plain state, behind the lane's lock.
///
/// Invariant: `written <= waiting.len()`; the bytes of the first `written` are with the writer or beyond.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: BytesMut,
    waiting: VecDeque<Waiter>,
    written: usize,
    has_nop: bool,
    is_ended: bool,
    is_woken: bool,
}

impl Line {
    /// Takes a publish, or gives its permit back if the connection has ended.
    pub(super) fn push(
        &mut self,
        publication: &Publication<'_>,
        permit: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Answer>, OwnedSemaphorePermit> {
        if self.is_ended {
            return Err(permit);
        }
        publication.encode(&mut self.bytes);
        let (answer, answered) = oneshot::channel();
        self.waiting.push_back(Waiter { answer, _permit: permit });
        Ok(answered)
    }

    pub(super) fn nop(&mut self) {
        self.has_nop = true;
    }

    /// Moves what is to be written into `out`, which is empty. From now on its fate is unknown until it is answered.
    pub(super) fn take(&mut self, out: &mut BytesMut) {
        self.is_woken = false;
        std::mem::swap(&mut self.bytes, out);
        self.written = self.waiting.len();
        if std::mem::take(&mut self.has_nop) {
            Command::Nop.encode(out);
        }
    }

    /// Whoever waits for the next answer; `None` if nothing was asked.
    pub(super) fn answered(&mut self) -> Option<Waiter> {
        self.written = self.written.checked_sub(1)?;
        self.waiting.pop_front()
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether it takes no more.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Takes no more. Returns those whose bytes were written, and those whose were not.
    pub(super) fn end(&mut self) -> (VecDeque<Waiter>, VecDeque<Waiter>) {
        self.is_ended = true;
        self.bytes = BytesMut::new();
        let unwritten = self.waiting.split_off(std::mem::take(&mut self.written));
        (std::mem::take(&mut self.waiting), unwritten)
    }

    /// Whether the writer is to be woken; once until it takes what is there.
    pub(super) fn needs_waking(&mut self) -> bool {
        !std::mem::replace(&mut self.is_woken, true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use tokio::sync::Semaphore;

    use super::*;

    fn push(line: &mut Line) -> Option<oneshot::Receiver<Answer>> {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let body = Bytes::from_static(b"x");
        line.push(&Publication::Pub { topic: "t", body: &body }, permit).ok()
    }

    #[test]
    fn answers_come_to_those_who_asked_in_order() {
        let mut line = Line::default();
        let (mut first, mut second) = (push(&mut line).unwrap(), push(&mut line).unwrap());
        assert!(line.answered().is_none(), "nothing was sent: an answer now is nobody's");
        let mut out = BytesMut::new();
        line.take(&mut out);
        assert_eq!(out, b"PUB t\n\0\0\0\x01xPUB t\n\0\0\0\x01x".as_slice());
        line.answered().unwrap().tell(Answer::Published);
        line.answered().unwrap().tell(Answer::Refused("E".to_owned()));
        assert_eq!(first.try_recv(), Ok(Answer::Published));
        assert_eq!(second.try_recv(), Ok(Answer::Refused("E".to_owned())));
        assert!(line.answered().is_none() && line.is_empty());
    }

    #[test]
    fn the_end_tells_what_was_written_from_what_was_not() {
        let mut line = Line::default();
        let _first = push(&mut line);
        line.take(&mut BytesMut::new());
        let (_second, _third) = (push(&mut line), push(&mut line));
        let (written, unwritten) = line.end();
        assert_eq!((written.len(), unwritten.len()), (1, 2));
        assert!(push(&mut line).is_none());
    }
}

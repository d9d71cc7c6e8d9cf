//! What waits to be written to a socket: responses as bytes, messages as runs of the log.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::AsyncWrite;

use crate::log::Run;

/// Slices in one write.
const SLICES_MAX: usize = 16;
/// An idle connection keeps at most so much of a buffer.
const KEPT_BYTES_MAX: usize = 512;

/// Bytes on their way out. Responses may overtake messages, but never cut one in two.
#[derive(Debug, Default)]
pub(super) struct Output {
    small: BytesMut,
    small_written: usize,
    runs: VecDeque<Run>,
    /// Of the first run.
    run_written: usize,
}

impl Output {
    /// Where responses, heartbeats and copied messages go.
    pub(super) fn small(&mut self) -> &mut BytesMut {
        &mut self.small
    }

    /// Takes back what follows the first `length` bytes of the responses, none of which was written.
    pub(super) fn cut(&mut self, length: usize) {
        self.small.truncate(length.max(self.small_written));
    }

    /// Bytes of responses that wait.
    pub(super) fn small_bytes(&self) -> usize {
        self.small.len() - self.small_written
    }

    /// Adds messages, straight from the log.
    pub(super) fn push(&mut self, run: Run) {
        self.runs.push_back(run);
    }

    /// Whether messages wait.
    pub(super) fn has_runs(&self) -> bool {
        !self.runs.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.small_bytes() == 0 && self.runs.is_empty()
    }

    /// Forgets the messages of which nothing was written yet.
    pub(super) fn cancel_runs(&mut self) {
        self.runs.truncate(usize::from(self.run_written != 0));
    }

    /// Gives memory back that is not used.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() && KEPT_BYTES_MAX < self.small.capacity() {
            self.small = BytesMut::new();
        }
    }

    /// Writes once. Returns the number of bytes, not 0 unless there is nothing to write.
    pub(super) fn poll_write(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let written = if self.runs.is_empty() {
            ready!(stream.as_mut().poll_write(context, &self.small[self.small_written..]))?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = self.slices(&mut slices);
            ready!(stream.as_mut().poll_write_vectored(context, &slices[..count]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    /// A run that was begun goes first, then responses, then the other runs.
    fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let small = &self.small[self.small_written..];
        let mut count = 0;
        let mut push = |bytes: &'a [u8]| {
            if !bytes.is_empty() && count < SLICES_MAX {
                slices[count] = IoSlice::new(bytes);
                count += 1;
            }
        };
        let mut runs = self.runs.iter();
        if self.run_written != 0
            && let Some(begun) = runs.next()
        {
            push(&begun.bytes()[self.run_written..]);
        }
        push(small);
        runs.take(SLICES_MAX).for_each(|run| push(run.bytes()));
        count
    }

    fn advance(&mut self, mut written: usize) {
        if self.run_written != 0 {
            self.advance_run(&mut written);
        }
        let small = self.small_bytes().min(written);
        self.small_written += small;
        written -= small;
        if self.small_bytes() == 0 {
            self.small.clear();
            self.small_written = 0;
        }
        while written != 0 {
            self.advance_run(&mut written);
        }
    }

    fn advance_run(&mut self, written: &mut usize) {
        let Some(run) = self.runs.front() else { return *written = 0 };
        let left = run.bytes().len() - self.run_written;
        if *written < left {
            self.run_written += *written;
            *written = 0;
        } else {
            *written -= left;
            self.run_written = 0;
            self.runs.pop_front();
        }
    }
}

//! What was read from a socket and not yet consumed.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that one read may bring.
const READ_BYTES: usize = 256 << 10;
/// A longer rest than this stays where it is, and the next read goes behind it.
const CARRY_BYTES_MAX: usize = 16 << 10;

thread_local! {
    /// One buffer for all connections of a worker: an idle connection holds none, and this one is always in the cache.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES + CARRY_BYTES_MAX].into());
}

/// The part of a command that has arrived.
#[derive(Debug, Default)]
pub(super) struct Input {
    rest: Vec<u8>,
}

/// What a read brought.
#[derive(Debug)]
pub(super) enum Read<T> {
    /// Nothing more will come.
    End,
    /// Bytes, and what the consumer of them said.
    Bytes(T),
}

impl Input {
    /// The bytes that wait for more.
    pub(super) fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Gives the bytes that wait for more away.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }

    /// Reads once, and hands all that is there to `consume`, which returns how much of it it is done with.
    pub(super) fn poll_read<T>(
        &mut self,
        stream: Pin<&mut impl AsyncRead>,
        context: &mut Context<'_>,
        consume: impl FnOnce(&[u8]) -> (usize, T),
    ) -> Poll<io::Result<Read<T>>> {
        if CARRY_BYTES_MAX < self.rest.len() {
            return self.poll_read_behind(stream, context, consume);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let carried = self.rest.len();
            let mut buffer = ReadBuf::new(&mut scratch[carried..]);
            ready!(stream.poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(Read::End));
            }
            scratch[..carried].copy_from_slice(&self.rest);
            let all = &scratch[..carried + read];
            let (consumed, result) = consume(all);
            self.keep(&all[consumed..]);
            Poll::Ready(Ok(Read::Bytes(result)))
        })
    }

    /// The body of a large command grows in place, as its bytes come.
    fn poll_read_behind<T>(
        &mut self,
        stream: Pin<&mut impl AsyncRead>,
        context: &mut Context<'_>,
        consume: impl FnOnce(&[u8]) -> (usize, T),
    ) -> Poll<io::Result<Read<T>>> {
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(stream.poll_read(context, &mut buffer))?;
            self.rest.extend_from_slice(buffer.filled());
            Poll::Ready(io::Result::Ok(buffer.filled().len()))
        });
        if ready!(read)? == 0 {
            return Poll::Ready(Ok(Read::End));
        }
        Poll::Ready(Ok(Read::Bytes(self.consume(consume))))
    }

    /// Hands the bytes that are there to `consume` without reading.
    pub(super) fn consume<T>(&mut self, consume: impl FnOnce(&[u8]) -> (usize, T)) -> T {
        let rest = std::mem::take(&mut self.rest);
        let (consumed, result) = consume(&rest);
        if consumed == 0 {
            self.rest = rest;
        } else {
            self.keep(&rest[consumed..]);
        }
        result
    }

    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            self.rest = Vec::new();
        } else {
            self.rest.clear();
            self.rest.extend_from_slice(rest);
        }
    }
}

//! The stream that hyper reads and writes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    framing::Framing,
    progress::{Phase, Progress},
};

/// How long a peer may take to end its side.
const LINGER: Duration = Duration::from_secs(1);
/// What it sends meanwhile is thrown away, up to so many bytes.
const LINGER_BYTES_MAX: usize = 16 << 20;

/// Begins with what was read already, and tells what it waits for. At its end it waits until the peer has ended, too: a
/// socket that is closed with unread bytes in it is reset, and the answer may be lost.
#[derive(Debug)]
pub(super) struct Patient<'a, S> {
    stream: S,
    /// What was read before, from `given` on.
    before: Vec<u8>,
    given: usize,
    framing: Framing,
    notes: &'a Notes,
    /// Nobody waits any more once the daemon stops.
    stop: CancellationToken,
    is_shut: bool,
    timer: Option<Pin<Box<Sleep>>>,
    thrown_away: usize,
}

/// What a stream tells those who answer.
#[derive(Debug)]
pub struct Notes {
    /// Where the connection stands.
    pub progress: Progress,
    /// See [`Framing::ambiguous_head`]; 0 for none.
    ambiguous_head: AtomicU64,
}

impl Default for Notes {
    fn default() -> Self {
        Self::new()
    }
}

impl Notes {
    /// Of a connection that has just begun.
    pub fn new() -> Self {
        Self { progress: Progress::new(), ambiguous_head: AtomicU64::new(0) }
    }

    /// Whether the request of this number, counted from 1, has two lengths.
    pub(super) fn is_ambiguous(&self, request: u64) -> bool {
        self.ambiguous_head.load(Ordering::Relaxed) == request
    }
}

impl<'a, S> Patient<'a, S> {
    pub(super) fn new(stream: S, before: Vec<u8>, notes: &'a Notes, stop: CancellationToken) -> Self {
        Self {
            stream,
            before,
            given: 0,
            framing: Framing::default(),
            notes,
            stop,
            is_shut: false,
            timer: None,
            thrown_away: 0,
        }
    }

    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let rest = self.before.get(self.given..).unwrap_or_default();
        let taken = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..taken).unwrap_or_default());
        self.given += taken;
        if self.given == self.before.len() {
            self.before = Vec::new();
            self.given = 0;
        }
    }

    fn note_read(&mut self, bytes: &[u8]) {
        self.framing.advance(bytes);
        let phase = if self.framing.is_in_head() { Phase::Head } else { Phase::Idle };
        self.notes.progress.set_unless_answering(phase);
        if let Some(head) = self.framing.ambiguous_head() {
            self.notes.ambiguous_head.store(head, Ordering::Relaxed);
        }
    }

    fn note_write<T>(&self, written: Poll<T>) -> Poll<T> {
        self.notes.progress.note_write(written.is_ready());
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self;
        let filled = buffer.filled().len();
        if me.before.is_empty() {
            ready!(Pin::new(&mut me.stream).poll_read(context, buffer))?;
        } else {
            me.give(buffer);
        }
        me.note_read(buffer.filled().get(filled..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_write(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.note_write(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if !me.is_shut {
            ready!(Pin::new(&mut me.stream).poll_shutdown(context))?;
            me.is_shut = true;
        }
        if me.stop.is_cancelled() {
            return Poll::Ready(Ok(()));
        }
        let timer = me.timer.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut nowhere = [0; 4 << 10];
        while me.thrown_away < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut nowhere);
            match Pin::new(&mut me.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => me.thrown_away += buffer.filled().len(),
                Poll::Ready(_) => break,
                Poll::Pending => return timer.as_mut().poll(context).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::{Instant, advance},
    };

    use super::*;

    async fn read(stream: &mut Patient<'_, impl AsyncRead + Unpin>, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        stream.read_exact(&mut read).await.unwrap();
        read
    }

    /// Protects: what was read before comes first, whole; and what follows it belongs to it.
    #[tokio::test(start_paused = true)]
    async fn a_head_goes_on_where_it_was_begun() {
        let notes = Notes::new();
        let (mut peer, stream) = duplex(100);
        let mut stream = Patient::new(stream, b"GET / HT".to_vec(), &notes, CancellationToken::new());
        assert_eq!(read(&mut stream, 3).await, b"GET");
        peer.write_all(b"TP/1.1\r\n").await.unwrap();
        assert_eq!(read(&mut stream, 13).await, b" / HTTP/1.1\r\n");
        let begun = Instant::now();
        advance(Duration::from_secs(4)).await;
        peer.write_all(b"A: b\r\n").await.unwrap();
        assert_eq!(read(&mut stream, 6).await, b"A: b\r\n");
        notes.progress.expired().await;
        assert_eq!(begun.elapsed().as_secs(), 10);
    }

    /// Protects: the request with two lengths is known by its number.
    #[tokio::test]
    async fn an_ambiguous_request_is_noted() {
        let notes = Notes::new();
        let head = "POST / HTTP/1.1\r\nContent-Length: 1\r\n";
        let before = format!("{head}\r\nx{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        let bytes = before.len();
        let (_peer, stream) = duplex(1);
        read(&mut Patient::new(stream, before, &notes, CancellationToken::new()), bytes).await;
        assert!(!notes.is_ambiguous(1) && notes.is_ambiguous(2) && !notes.is_ambiguous(3));
    }
}

//! A stream that lets its peer read the last answer.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

/// How long a peer may take to end its side.
const LINGER: Duration = Duration::from_secs(1);
/// What it sends meanwhile is thrown away, up to so many bytes.
const LINGER_BYTES_MAX: usize = 16 << 20;

/// Waits at its end until the peer has ended, too: a socket that is closed with unread bytes in it is reset, and the
/// answer may be lost.
#[derive(Debug)]
pub(super) struct Lingering<S> {
    stream: S,
    /// Nobody waits any more once the daemon stops.
    stop: CancellationToken,
    is_shut: bool,
    timer: Option<Pin<Box<Sleep>>>,
    thrown_away: usize,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, stop: CancellationToken) -> Self {
        Self { stream, stop, is_shut: false, timer: None, thrown_away: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
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

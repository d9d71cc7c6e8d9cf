//! A socket, and the layers that IDENTIFY puts on it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use daemon::tls::{HandshakeError, Peer, ServerTls};
use protocol::{Compressed, Compression};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a handshake may take in all.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// A stream as upper layers see it.
pub(crate) trait Layer: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Layer for S {}

/// What a connection reads and writes.
pub(super) enum Stream<S> {
    /// The socket itself: what is written is out.
    Plain(S),
    /// TLS, compression, or both: what is written is out after a flush.
    Layered(Box<dyn Layer>),
}

impl<S: Layer + 'static> Stream<S> {
    /// Whether what was written needs a flush.
    pub(super) fn is_layered(&self) -> bool {
        matches!(self, Self::Layered(_))
    }

    /// Puts TLS on the socket. `read` was read of it already.
    ///
    /// # Errors
    /// Why, and the socket, with which the client can be told so.
    pub(super) async fn with_tls(
        self,
        tls: &ServerTls,
        read: Vec<u8>,
    ) -> Result<(Self, Peer), HandshakeError<Self>> {
        let deadline = Some(Box::pin(sleep(HANDSHAKE_TIMEOUT)));
        match tls.accept(Resumed { read, given: 0, deadline, inner: self }).await {
            Ok((mut stream, peer)) => {
                stream.get_mut().0.deadline = None;
                Ok((Self::Layered(Box::new(stream)), peer))
            }
            Err(HandshakeError { cause, stream }) => Err(HandshakeError { cause, stream: stream.inner }),
        }
    }

    /// Compresses what follows. `read` was read already.
    pub(super) fn with_compression(self, compression: Compression, read: Vec<u8>) -> Self {
        let resumed = Resumed { read, given: 0, deadline: None, inner: self };
        Self::Layered(Box::new(Compressed::new(resumed, compression)))
    }
}

impl<S: Layer> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Layered(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl<S: Layer> AsyncWrite for Stream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Layered(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Layered(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Layered(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Layered(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Layered(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// A stream some bytes of which were read before it got its upper layer.
struct Resumed<S> {
    read: Vec<u8>,
    /// Of them, those that the layer has.
    given: usize,
    /// Reads fail from then on.
    deadline: Option<Pin<Box<Sleep>>>,
    inner: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Resumed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let rest = &me.read[me.given..];
        if !rest.is_empty() {
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            me.given += count;
            if me.given == me.read.len() {
                (me.read, me.given) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut me.inner).poll_read(context, buffer);
        if read.is_pending()
            && let Some(deadline) = &mut me.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Resumed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

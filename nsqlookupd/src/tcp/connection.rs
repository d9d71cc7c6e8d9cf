//! The task of one connection: its socket, its deadlines, and when to read and write.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use bytes::BytesMut;
use protocol::{LOOKUP_MAGIC, LookupError, put_lookup_answer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::session::{Session, Step};
use crate::{clock, lookupd::Lookupd};

/// How long a new connection may take to say which protocol it speaks.
pub(super) const MAGIC_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a peer may take no byte of its answers. An nsqd gives up after 1 s.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what a peer still sends is read before the socket is closed: unread input would turn the close into a reset,
/// which can destroy the error on its way.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes that one read may bring. What they are answered by is written before the next read; the shortest command, with
/// 5 bytes, has an answer of 6, so that this bounds the answers, too.
const READ_BYTES: usize = 16 << 10;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The peer closed it.
    Peer,
    /// The peer does not read.
    Stuck,
    /// A command was wrong; the error is written.
    Error,
    /// The socket failed.
    Socket,
    /// The daemon stops.
    Daemon,
}

impl End {
    fn reason(self) -> &'static str {
        match self {
            Self::Peer => "closed by the peer",
            Self::Stuck => "the peer does not read",
            Self::Error => "a command was refused",
            Self::Socket => "the connection broke",
            Self::Daemon => "the daemon stops",
        }
    }
}

/// Serves one nsqd until it leaves, is wrong, or `stop` is cancelled. With `needs_tls`, all that it is told is that.
pub(super) async fn serve<S>(
    lookupd: Arc<Lookupd>,
    mut stream: S,
    address: String,
    needs_tls: bool,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut magic = [0; 4];
    let read = tokio::select! {
        read = timeout(MAGIC_TIMEOUT, stream.read_exact(&mut magic)) => read,
        () = stop.cancelled() => return,
    };
    if !matches!(read, Ok(Ok(_))) {
        // A probe that connects and closes is nobody's business.
        debug!(client = %address, "closed before the protocol magic");
        return;
    }
    info!("TCP: new client({address})");
    info!("CLIENT({address}): desired protocol magic '{}'", String::from_utf8_lossy(&magic));
    let refusal = if magic != LOOKUP_MAGIC {
        Some(LookupError::BadMagic)
    } else if needs_tls {
        Some(LookupError::TlsRequired)
    } else {
        None
    };
    if let Some(refusal) = refusal {
        let mut output = answer(&refusal);
        // The peer is wrong and may be gone: nothing more can be done for it.
        if write(&mut stream, &mut output).await.is_ok() {
            linger(stream).await;
        }
        return;
    }
    let mut session = Session::new(lookupd, address);
    let end = tokio::select! {
        end = talk(&mut stream, &mut session) => end,
        () = stop.cancelled() => End::Daemon,
    };
    info!("PROTOCOL(V1): [{}] exiting ioloop", session.address());
    session.end();
    info!("client({}) disconnected: {}", session.address(), end.reason());
    drop(session);
    if end == End::Error {
        linger(stream).await;
    }
}

/// What one connection too many is told.
pub(crate) fn too_many_connections() -> BytesMut {
    answer(&LookupError::TooManyConnections)
}

fn answer(error: &LookupError) -> BytesMut {
    let mut output = BytesMut::new();
    put_lookup_answer(&mut output, &error.to_bytes());
    output
}

/// Commands and answers, a batch after the other. A connection that waits holds no buffer.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, session: &mut Session) -> End {
    let mut rest = Vec::new();
    loop {
        let mut output = BytesMut::new();
        let Ok(turn) = turn(stream, &mut rest, session, &mut output).await else { return End::Socket };
        if let Err(end) = write(stream, &mut output).await {
            return end;
        }
        match turn {
            None => return End::Peer,
            Some(Step::Close) => return End::Error,
            Some(Step::Read) => {}
        }
    }
}

/// Reads once, and executes all commands that are whole by then. `None` at the end of the input.
async fn turn<S: AsyncRead + Unpin>(
    stream: &mut S,
    rest: &mut Vec<u8>,
    session: &mut Session,
    output: &mut BytesMut,
) -> io::Result<Option<Step>> {
    poll_fn(|context| {
        // On the stack of this poll alone.
        let mut buffer = [0; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(execute(buffer.filled(), rest, session, output)))
    })
    .await
}

/// Executes what was read behind the `rest` of before.
fn execute(read: &[u8], rest: &mut Vec<u8>, session: &mut Session, output: &mut BytesMut) -> Option<Step> {
    if read.is_empty() {
        return match session.cut(rest, output) {
            Step::Close => Some(Step::Close),
            Step::Read => None,
        };
    }
    let now = clock::now();
    if rest.is_empty() {
        let (consumed, step) = session.execute(read, now, output);
        rest.extend_from_slice(&read[consumed..]);
        return Some(step);
    }
    rest.extend_from_slice(read);
    let (consumed, step) = session.execute(rest, now, output);
    if consumed == rest.len() {
        *rest = Vec::new();
    } else {
        rest.drain(..consumed);
    }
    Some(step)
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, output: &mut BytesMut) -> Result<(), End> {
    while !output.is_empty() {
        match timeout(WRITE_TIMEOUT, stream.write_buf(output)).await {
            Ok(Ok(0) | Err(_)) => return Err(End::Socket),
            Ok(Ok(_)) => {}
            Err(_) => return Err(End::Stuck),
        }
    }
    // TLS keeps what the socket did not take.
    match timeout(WRITE_TIMEOUT, stream.flush()).await {
        Ok(flushed) => flushed.map_err(|_| End::Socket),
        Err(_) => Err(End::Stuck),
    }
}

/// Lets the peer see the end, and reads what still comes, to nowhere.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let drained = timeout(LINGER, async {
        stream.shutdown().await?;
        // On the heap: an array would be part of every connection.
        let mut nowhere = vec![0; 4096];
        while stream.read(&mut nowhere).await? != 0 {}
        io::Result::Ok(())
    });
    // It is over in any case.
    let _ = drained.await;
}

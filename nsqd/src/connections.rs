//! From an accepted connection to the task that serves it.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use daemon::tls::ServerTls;
use protocol::{ProtocolError, put_error};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use crate::{
    clock, http,
    listen::{self, Accepted},
    nsqd::Nsqd,
    tcp,
    workers::Workers,
};

/// How long connections may take to end when the daemon stops.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long a handshake of HTTPS may take in all.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// What a handshake begins with.
const HANDSHAKE_RECORD: u8 = 22;
/// What the reference says to those who forget the S of HTTPS.
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The connections of one protocol.
pub(crate) struct Connections<'a> {
    workers: &'a Workers,
    nsqd: Arc<Nsqd>,
    tasks: TaskTracker,
    stop: CancellationToken,
    max: usize,
    /// When the last refusal was logged, in seconds.
    refused: AtomicU64,
}

impl<'a> Connections<'a> {
    /// At most `max` at a time.
    pub(crate) fn new(workers: &'a Workers, nsqd: &Arc<Nsqd>, max: usize) -> Self {
        Self {
            workers,
            nsqd: Arc::clone(nsqd),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            max,
            refused: AtomicU64::new(0),
        }
    }

    /// Serves a client of the V2 protocol.
    pub(crate) fn tcp(&self, accepted: Accepted) {
        if self.is_full("TCP") {
            let mut frame = BytesMut::new();
            put_error(&mut frame, &ProtocolError::TooManyConnections);
            accepted.farewell(&frame);
            return;
        }
        let (nsqd, stop, peer) = (Arc::clone(&self.nsqd), self.stop.clone(), accepted.peer());
        let settings = Arc::clone(&nsqd.tcp);
        self.workers.spawn(&self.tasks, async move {
            match accepted {
                Accepted::Tcp(stream, _) => {
                    let Ok(stream) = listen::into_tcp(stream) else { return };
                    tcp::serve(nsqd, settings, stream, peer, stop).await;
                }
                Accepted::Unix(stream) => {
                    let Ok(stream) = listen::into_unix(stream) else { return };
                    tcp::serve(nsqd, settings, stream, peer, stop).await;
                }
            }
        });
    }

    /// Serves a client of plain HTTP.
    pub(crate) fn http(&self, accepted: Accepted) {
        if self.is_full("HTTP") {
            accepted.farewell(BUSY);
            return;
        }
        let (nsqd, stop, (peer, _)) = (Arc::clone(&self.nsqd), self.stop.clone(), accepted.peer());
        self.workers.spawn(&self.tasks, async move {
            match accepted {
                Accepted::Tcp(stream, _) => {
                    let Ok(stream) = listen::into_tcp(stream) else { return };
                    http::serve(nsqd, stream, peer, false, stop).await;
                }
                Accepted::Unix(stream) => {
                    let Ok(stream) = listen::into_unix(stream) else { return };
                    http::serve(nsqd, stream, peer, false, stop).await;
                }
            }
        });
    }

    /// Serves a client of HTTPS.
    pub(crate) fn https(&self, accepted: Accepted, tls: &Arc<ServerTls>) {
        if self.is_full("HTTPS") {
            // Nothing that a client of TLS would understand.
            return;
        }
        let (nsqd, stop, (peer, _)) = (Arc::clone(&self.nsqd), self.stop.clone(), accepted.peer());
        let tls = Arc::clone(tls);
        self.workers.spawn(&self.tasks, async move {
            let Accepted::Tcp(stream, _) = accepted else { return };
            let Ok(stream) = listen::into_tcp(stream) else { return };
            let handshake = timeout(HANDSHAKE_TIMEOUT, Box::pin(handshake(stream, &tls)));
            let stream = tokio::select! {
                stream = handshake => stream,
                () = stop.cancelled() => return,
            };
            match stream {
                Ok(Ok(stream)) => http::serve(nsqd, stream, peer, true, stop).await,
                Ok(Err(cause)) => debug!(client = peer, %cause, "no TLS handshake"),
                Err(_) => debug!(client = peer, "no TLS handshake in time"),
            }
        });
    }

    fn is_full(&self, what: &str) -> bool {
        let is_full = self.max <= self.tasks.len();
        if is_full {
            let now = clock::mono_ns() / 1_000_000_000 + 1;
            if self.refused.swap(now, Ordering::Relaxed) != now {
                warn!("{what}: there are {} connections, which is the limit: others are refused", self.max);
            }
        }
        is_full
    }

    /// Ends all connections, each behind what it is doing.
    pub(crate) async fn finish(&self, what: &str) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(STOP_GRACE, self.tasks.wait()).await.is_err() {
            warn!("{what}: {} connections did not end in time", self.tasks.len());
        }
    }
}

async fn handshake(
    mut stream: TcpStream,
    tls: &ServerTls,
) -> io::Result<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static> {
    let mut first = [0];
    if stream.peek(&mut first).await? != 0 && first != [HANDSHAKE_RECORD] {
        stream.write_all(NOT_TLS).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("plain HTTP on the HTTPS listener"));
    }
    match tls.accept(stream).await {
        Ok((stream, _)) => Ok(stream),
        Err(error) => Err(error.cause),
    }
}

/// Raises the limit of open files as far as the system lets, and returns how many connections are allowed of each
/// protocol: `asked`, or, for 0, half of those files.
pub(crate) fn limit(asked: u64) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // What is refused stays as it was.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let files = if raised { maximum } else { current }.unwrap_or(u64::MAX);
    let max = if asked == 0 { files / 2 } else { asked };
    usize::try_from(max).unwrap_or(usize::MAX)
}

impl Accepted {
    /// Says something to a client that is not served, if that can be done at once, and ends the connection.
    fn farewell(self, words: &[u8]) {
        // It is turned away in any case.
        let _ = match self {
            Self::Tcp(mut stream, _) => stream.write(words),
            Self::Unix(mut stream) => stream.write(words),
        };
    }
}

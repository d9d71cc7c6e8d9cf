//! From an accepted connection to the task that serves it.

use std::sync::Arc;

use bytes::BytesMut;
use daemon::{
    connections,
    listen::{self, Accepted},
    tls::ServerTls,
    workers::Workers,
};
use protocol::{ProtocolError, put_error};
use tracing::debug;

use crate::{http, nsqd::Nsqd, tcp};

/// The connections of one protocol.
pub(crate) struct Connections<'a> {
    connections: connections::Connections<'a>,
    nsqd: Arc<Nsqd>,
}

impl<'a> Connections<'a> {
    /// At most `max` at a time.
    pub(crate) fn new(workers: &'a Workers, nsqd: &Arc<Nsqd>, max: usize) -> Self {
        Self { connections: connections::Connections::new(workers, max), nsqd: Arc::clone(nsqd) }
    }

    /// Serves a client of the V2 protocol.
    pub(crate) fn tcp(&self, accepted: Accepted) {
        if self.connections.is_full("TCP") {
            let mut frame = BytesMut::new();
            put_error(&mut frame, &ProtocolError::TooManyConnections);
            accepted.farewell(&frame);
            return;
        }
        let (nsqd, stop, peer) = (Arc::clone(&self.nsqd), self.connections.stop(), accepted.peer());
        let settings = Arc::clone(&nsqd.tcp);
        self.connections.spawn(async move {
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
        if self.connections.is_full("HTTP") {
            accepted.farewell(daemon::http::BUSY);
            return;
        }
        let (nsqd, stop, (peer, _)) = (Arc::clone(&self.nsqd), self.connections.stop(), accepted.peer());
        self.connections.spawn(async move {
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
        if self.connections.is_full("HTTPS") {
            // Nothing that a client of TLS would understand.
            return;
        }
        let (nsqd, stop, (peer, _)) = (Arc::clone(&self.nsqd), self.connections.stop(), accepted.peer());
        let tls = Arc::clone(tls);
        self.connections.spawn(async move {
            let Accepted::Tcp(stream, _) = accepted else { return };
            let Ok(stream) = listen::into_tcp(stream) else { return };
            let stream = tokio::select! {
                stream = tls.accept_https(stream) => stream,
                () = stop.cancelled() => return,
            };
            match stream {
                Ok(stream) => http::serve(nsqd, stream, peer, true, stop).await,
                Err(cause) => debug!(client = peer, %cause, "no TLS handshake"),
            }
        });
    }

    /// Ends all connections, each behind what it is doing.
    pub(crate) async fn finish(&self, what: &str) {
        self.connections.finish(what).await;
    }
}

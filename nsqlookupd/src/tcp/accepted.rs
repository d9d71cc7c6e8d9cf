//! From an accepted connection to the protocol: in clear, or over TLS, on the same port.

use std::{io, sync::Arc};

use daemon::tls::{HANDSHAKE_RECORD, Required, ServerStream, ServerTls};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::connection::{self, MAGIC_TIMEOUT};
use crate::lookupd::Lookupd;

/// What a connection turned out to be.
enum Opened {
    Plain(TcpStream),
    Secure(Box<ServerStream<TcpStream>>),
}

/// Serves one nsqd until it leaves, is wrong, or `stop` is cancelled.
pub(crate) async fn serve(
    lookupd: Arc<Lookupd>,
    stream: TcpStream,
    address: String,
    stop: CancellationToken,
) {
    let Some(tls) = lookupd.tls.clone() else {
        return connection::serve(lookupd, stream, address, false, stop).await;
    };
    let opened = tokio::select! {
        opened = timeout(MAGIC_TIMEOUT, Box::pin(open(stream, &tls))) => opened,
        () = stop.cancelled() => return,
    };
    let needs_tls = lookupd.tls_required != Required::No;
    match opened {
        Ok(Ok(Opened::Plain(stream))) => {
            connection::serve(lookupd, stream, address, needs_tls, stop).await;
        }
        Ok(Ok(Opened::Secure(stream))) => connection::serve(lookupd, stream, address, false, stop).await,
        Ok(Err(cause)) => debug!(client = %address, %cause, "no TLS handshake"),
        Err(_) => debug!(client = %address, "silent, or no TLS handshake in time"),
    }
}

/// Tells TLS by its first byte, which no protocol magic begins with.
async fn open(stream: TcpStream, tls: &ServerTls) -> io::Result<Opened> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 || first != [HANDSHAKE_RECORD] {
        return Ok(Opened::Plain(stream));
    }
    match tls.accept(stream).await {
        Ok((stream, _)) => Ok(Opened::Secure(Box::new(stream))),
        Err(error) => Err(error.cause),
    }
}

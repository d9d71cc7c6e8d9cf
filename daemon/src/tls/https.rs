//! The handshake of HTTPS on an accepted connection.

use std::{io, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_rustls::server::TlsStream;

use super::server::ServerTls;

/// How long a handshake may take in all.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// What the reference says to those who forget the S of HTTPS.
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// The first byte of a TLS connection.
///
/// Source: `ContentType.handshake`, RFC 8446 § 5.1.
pub const HANDSHAKE_RECORD: u8 = 22;

impl ServerTls {
    /// Makes the handshake, within 5 s. Who speaks plain HTTP is told so.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn accept_https(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let handshake = Box::pin(self.handshake(stream));
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time");
        timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(late)?
    }

    async fn handshake(&self, mut stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut first = [0];
        if stream.peek(&mut first).await? != 0 && first != [HANDSHAKE_RECORD] {
            stream.write_all(NOT_TLS).await?;
            stream.shutdown().await?;
            return Err(io::Error::other("plain HTTP on the HTTPS listener"));
        }
        match self.accept(stream).await {
            Ok((stream, _)) => Ok(stream),
            Err(error) => Err(error.cause),
        }
    }
}

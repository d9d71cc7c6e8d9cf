//! Writing with a time limit.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::timeout,
};

/// Writes all of `bytes` and flushes.
///
/// # Errors
/// What the stream says, or that it took nothing for `limit`.
pub(crate) async fn write_all<W: AsyncWrite + Unpin>(
    stream: &mut W,
    bytes: &[u8],
    limit: Duration,
) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match timeout(limit, stream.write(rest)).await {
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "write: i/o timeout")),
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count?..).unwrap_or_default(),
        }
    }
    match timeout(limit, stream.flush()).await {
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "write: i/o timeout")),
        Ok(flushed) => flushed,
    }
}

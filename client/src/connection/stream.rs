//! Whatever a connection runs over.

use tokio::io::{AsyncRead, AsyncWrite};

/// A socket, or layers on one.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(crate) type BoxedStream = Box<dyn Stream>;

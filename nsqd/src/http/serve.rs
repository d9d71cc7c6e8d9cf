//! HTTP/1 on one connection.

use std::sync::Arc;

use daemon::{
    http::{self, Answer, Notes, respond},
    tls::Required,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{express::Express, route};
use crate::nsqd::Nsqd;

/// Serves requests until the client leaves; after `stop`, the one that is being answered is the last.
pub(crate) async fn serve<S>(
    nsqd: Arc<Nsqd>,
    mut stream: S,
    peer: String,
    is_secure: bool,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let notes = Notes::new();
    let is_refused = !is_secure && nsqd.start.options.tls.required == Required::Yes;
    let served = async {
        let mut left = Vec::new();
        if !is_refused {
            match Express::new(&nsqd, &mut stream, &notes.progress).run(&stop).await {
                Ok(Some(bytes)) => left = bytes,
                Ok(None) => {
                    // It may be gone already.
                    let _ = stream.shutdown().await;
                    return;
                }
                Err(error) => {
                    debug!(client = %peer, %error, "HTTP connection ended");
                    return;
                }
            }
        }
        let (nsqd, stop) = (&nsqd, &stop);
        let answer = move |request| async move {
            if is_refused {
                let response = respond::tls_required(nsqd.ports.https);
                return Answer { response, is_logged: false };
            }
            route::answer(nsqd, request, stop).await
        };
        // In a box of its own: most connections never come here.
        Box::pin(http::serve(stream, left, &peer, &notes, stop, answer)).await;
    };
    tokio::select! {
        biased;
        () = served => {}
        () = notes.progress.expired() => debug!(client = %peer, "HTTP connection took too long"),
    }
}

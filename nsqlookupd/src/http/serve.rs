//! HTTP/1 on one connection.

use std::sync::Arc;

use daemon::{
    http::{self, Answer, Notes, respond},
    tls::Required,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::route;
use crate::lookupd::Lookupd;

/// Serves requests until the client leaves; after `stop`, the one that is being answered is the last.
pub(crate) async fn serve<S>(
    lookupd: Arc<Lookupd>,
    stream: S,
    peer: String,
    is_secure: bool,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let notes = Notes::new();
    let lookupd = &lookupd;
    let is_refused = !is_secure && lookupd.tls_required == Required::Yes;
    let answer = move |request| async move {
        if is_refused {
            let response = respond::tls_required(lookupd.https_port.into());
            return Answer { response, is_logged: false };
        }
        route::answer(lookupd, request).await
    };
    tokio::select! {
        biased;
        () = http::serve(stream, Vec::new(), &peer, &notes, &stop, answer) => {}
        () = notes.progress.expired() => debug!(client = %peer, "HTTP connection took too long"),
    }
}

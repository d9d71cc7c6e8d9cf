//! HTTP/1 on one connection.

use std::{net::SocketAddr, sync::Arc};

use daemon::http::{self, Notes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{route, streaming::Leash};
use crate::admin::Admin;

/// Serves requests until the client leaves; after `stop`, the one that is being answered is the last.
pub(crate) async fn serve<S>(admin: Arc<Admin>, stream: S, peer: SocketAddr, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let notes = Notes::new();
    let admin = &admin;
    let leash = Leash { stop: stop.clone(), cut: CancellationToken::new() };
    let cut = leash.cut.clone();
    let leash = &leash;
    let answer = move |request| route::answer(admin, peer, leash, request);
    let name = peer.to_string();
    tokio::select! {
        biased;
        () = http::serve(stream, Vec::new(), &name, &notes, &stop, answer) => {}
        () = cut.cancelled() => debug!(client = %peer, "HTTP connection does not keep up"),
        () = notes.progress.expired() => debug!(client = %peer, "HTTP connection took too long"),
    }
}

//! `/api/stream`: what is on somebody's screen, as it changes.

use std::sync::Arc;

use daemon::http::{
    Body,
    query::Query,
    respond::{Refusal, Response},
};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Admin,
    live::{EVENTS_MAX, End, View, feed},
};

/// What ends an answer that has no end.
#[derive(Debug)]
pub(super) struct Leash {
    /// The daemon stops.
    pub(super) stop: CancellationToken,
    /// Ends the connection at once, whatever waits to be sent.
    pub(super) cut: CancellationToken,
}

/// Server-sent events of a view.
///
/// # Errors
/// `INVALID_VIEW`
pub(super) fn stream(admin: &Arc<Admin>, leash: &Leash, query: &Query) -> Result<Response, Refusal> {
    let view = View::parse(query).ok_or_else(|| Refusal::bad("INVALID_VIEW"))?;
    let (tx, rx) = mpsc::channel(EVENTS_MAX);
    let (admin, stop, cut) = (Arc::clone(admin), leash.stop.clone(), leash.cut.clone());
    // Ends with the connection, whose body is the other end of the queue.
    tokio::spawn(async move {
        let end = tokio::select! {
            biased;
            () = stop.cancelled() => End::Gone,
            () = tx.closed() => End::Gone,
            end = feed(&admin.live, &view, &tx) => end,
        };
        if end == End::Slow {
            cut.cancel();
        }
    });
    let mut response = Response::new(Body::pieces(rx));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would collect it otherwise.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

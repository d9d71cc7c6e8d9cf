//! HTTP/1 on one connection.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration, time::Instant};

use daemon::tls::Required;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::{
    lingering::Lingering,
    respond::{self, Response},
    route,
};
use crate::nsqd::Nsqd;

/// From the first byte awaited to the end of the headers; an idle keep-alive connection ends by it too.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(90);
/// Bytes of a request's head, at most.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// Serves requests until the client leaves; after `stop`, the one that is being answered is the last.
pub(crate) async fn serve<S>(
    nsqd: Arc<Nsqd>,
    stream: S,
    peer: String,
    is_secure: bool,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let is_refused = !is_secure && nsqd.start.options.tls.required == Required::Yes;
    let service = service_fn(async |request| {
        if is_refused {
            return Ok(respond::tls_required(nsqd.ports.https));
        }
        respond(&nsqd, &peer, request, &stop).await
    });
    // No `pipeline_flush`: with it, hyper does not send its answer to what is not HTTP.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .title_case_headers(true)
        .half_close(true)
        .serve_connection(TokioIo::new(Lingering::new(stream, stop.clone())), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(client = %peer, %error, "HTTP connection ended");
    }
}

async fn respond(
    nsqd: &Arc<Nsqd>,
    peer: &str,
    request: Request<Incoming>,
    stop: &CancellationToken,
) -> Result<Response, Infallible> {
    // Copied only if it may be logged: publishing is not.
    let line = (!matches!(request.uri().path(), "/pub" | "/mpub"))
        .then(|| (request.method().clone(), request.uri().clone(), Instant::now()));
    let answer = route::answer(nsqd, request, stop).await;
    if answer.is_logged
        && let Some((method, uri, begun)) = line
    {
        let uri = uri.path_and_query().map_or("/", |uri| uri.as_str());
        let took = daemon::duration::format(begun.elapsed());
        info!("{} {method} {uri} ({peer}) {took}", answer.response.status().as_u16());
    }
    Ok(answer.response)
}

//! HTTP/1 on one connection.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use daemon::tls::Required;
use hyper::{
    Method, Request, StatusCode, Version,
    body::Incoming,
    header::{CONNECTION, HOST, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::{
    express::Express,
    patient::{Notes, Patient},
    progress::Phase,
    respond::{self, Response},
    route,
};
use crate::nsqd::Nsqd;

/// Bytes of a request's head, at most.
const HEAD_BYTES_MAX: usize = 256 << 10;

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
        let stream = Patient::new(stream, left, &notes, stop.clone());
        // In a box of its own: most connections never come here.
        Box::pin(by_hyper(&nsqd, stream, &peer, is_refused, &notes, &stop)).await;
    };
    tokio::select! {
        biased;
        () = served => {}
        () = notes.progress.expired() => debug!(client = %peer, "HTTP connection took too long"),
    }
}

async fn by_hyper<S>(
    nsqd: &Arc<Nsqd>,
    stream: Patient<'_, S>,
    peer: &str,
    is_refused: bool,
    notes: &Notes,
    stop: &CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let requests = AtomicU64::new(0);
    let service = service_fn(async |request| {
        let number = requests.fetch_add(1, Ordering::Relaxed) + 1;
        notes.progress.set(Phase::Answer);
        let response = if is_malformed(&request) || notes.is_ambiguous(number) {
            Ok(malformed())
        } else if is_refused {
            Ok(respond::tls_required(nsqd.ports.https))
        } else {
            respond(nsqd, peer, request, stop).await
        };
        notes.progress.set_answered();
        response
    });
    // No `pipeline_flush`: with it, hyper does not send its answer to what is not HTTP.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .title_case_headers(true)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
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

/// Without the name of a host, or with several. What else is wrong with heads, hyper refuses.
fn is_malformed(request: &Request<Incoming>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    let needs_host = request.version() == Version::HTTP_11 && *request.method() != Method::CONNECT;
    1 < hosts || hosts == 0 && needs_host
}

/// What hyper answers to what it cannot read.
fn malformed() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
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

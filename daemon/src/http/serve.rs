//! Requests on one connection.

use std::{
    convert::Infallible,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use hyper::{
    Method, Request, StatusCode, Version,
    body::Incoming,
    header::{CONNECTION, HOST, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::{
    patient::{Notes, Patient},
    progress::Phase,
    respond::Response,
};

/// Bytes of a request's head, at most.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// An answer, and whether the request is worth a line in the log.
#[derive(Debug)]
pub struct Answer {
    /// What is sent.
    pub response: Response,
    /// Whether it is told.
    pub is_logged: bool,
}

/// Serves requests, the first of which may begin with what was `read` already, until the client leaves or takes too long;
/// after `stop`, the one that is being answered is the last. `notes` are the connection's own.
pub async fn serve<S, F>(
    stream: S,
    read: Vec<u8>,
    peer: &str,
    notes: &Notes,
    stop: &CancellationToken,
    answer: impl Fn(Request<Incoming>) -> F,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Answer>,
{
    let answer = &answer;
    let requests = AtomicU64::new(0);
    let requests = &requests;
    let service = service_fn(move |request| async move {
        let number = requests.fetch_add(1, Ordering::Relaxed) + 1;
        notes.progress.set(Phase::Answer);
        let mut response = if is_malformed(&request) || notes.is_ambiguous(number) {
            malformed()
        } else {
            respond(peer, request, answer).await
        };
        if response.body().is_in_pieces() {
            // It is being answered until its end. Who does not take what is there is let go, as always.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        } else {
            notes.progress.set_answered();
        }
        Ok::<_, Infallible>(response)
    });
    let stream = Patient::new(stream, read, notes, stop.clone());
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

async fn respond<F: Future<Output = Answer>>(
    peer: &str,
    request: Request<Incoming>,
    answer: impl Fn(Request<Incoming>) -> F,
) -> Response {
    let (method, uri, begun) = (request.method().clone(), request.uri().clone(), Instant::now());
    let Answer { response, is_logged } = answer(request).await;
    if is_logged {
        let uri = uri.path_and_query().map_or("/", |uri| uri.as_str());
        let took = crate::duration::format(begun.elapsed());
        info!("{} {method} {uri} ({peer}) {took}", response.status().as_u16());
    }
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        sync::mpsc,
    };

    use super::{super::pieces::Body, *};

    /// Protects: each piece is out before the next is there, an endless answer is no idle connection, and who leaves is
    /// noticed.
    #[tokio::test(start_paused = true)]
    async fn an_answer_may_come_in_pieces() {
        let (mut peer, stream) = duplex(1000);
        let (tx, rx) = mpsc::channel(1);
        let rx = parking_lot::Mutex::new(Some(rx));
        let served = tokio::spawn(async move {
            let (notes, stop) = (Notes::new(), CancellationToken::new());
            let answer = |_| {
                let body = Body::pieces(rx.lock().take().expect("one request"));
                async move { Answer { response: Response::new(body), is_logged: false } }
            };
            tokio::select! {
                biased;
                () = serve(stream, Vec::new(), "peer", &notes, &stop, answer) => {}
                () = notes.progress.expired() => {}
            }
        });
        peer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut seen = String::new();
        for piece in ["first", "second", "third"] {
            tx.send(Bytes::from(piece)).await.unwrap();
            while !seen.contains(piece) {
                seen.push(char::from(peer.read_u8().await.unwrap()));
            }
            tokio::time::advance(Duration::from_mins(10)).await;
        }
        assert!(seen.contains("Connection: close"), "{seen}");
        assert!(!served.is_finished());
        drop(peer);
        while tx.send(Bytes::from("nobody listens")).await.is_ok() {}
        served.await.unwrap();
    }
}

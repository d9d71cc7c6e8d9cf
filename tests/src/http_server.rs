//! An HTTP server that says what a test tells it to: an authorization server, an nsqlookupd's other half.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::{Identity, within};

/// The server, which ends when this is dropped.
pub struct HttpServer {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    answer: Mutex<(u16, String)>,
    requests: Mutex<Vec<Request>>,
    count: watch::Sender<usize>,
    /// Answers wait while this is true.
    is_held: watch::Sender<bool>,
}

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET /auth?… HTTP/1.1`.
    pub line: String,
    /// The lines below it, in lower case.
    pub headers: Vec<String>,
    /// What follows.
    pub body: String,
}

impl HttpServer {
    /// Starts a server that, as an authorization server, allows everything for an hour.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// As [`HttpServer::start`], over HTTPS.
    pub async fn start_tls(identity: &Identity) -> Self {
        let chain = vec![CertificateDer::from_pem_file(&identity.cert).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(&identity.key).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("there are versions").with_no_client_auth();
        let config = builder.with_single_cert(chain, key).expect("they fit");
        Self::start_with(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            answer: Mutex::new((200, Self::grant(3600))),
            requests: Mutex::default(),
            count: watch::Sender::new(0),
            is_held: watch::Sender::new(false),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, tls, Arc::clone(&state)));
        Self { address, state, _tasks: tasks }
    }

    /// The answer of an authorization server that allows everything.
    pub fn grant(ttl: i64) -> String {
        let rest = r#""identity":"bob","identity_url":"http://id/bob?a=1&b=2","authorizations":[{"topic":".*","channels":[".*"],"permissions":["subscribe","publish"]}]"#;
        format!(r#"{{"ttl":{ttl},{rest}}}"#)
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The flag that names it as an authorization server.
    pub fn flag(&self) -> String {
        format!("--auth-http-address={}", self.address)
    }

    /// What it says from now on.
    pub fn say(&self, status: u16, body: &str) {
        *self.state.answer.lock() = (status, body.to_owned());
    }

    /// Lets answers wait, or go.
    pub fn hold(&self, is_held: bool) {
        self.state.is_held.send_replace(is_held);
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().clone()
    }

    /// Waits until it was asked so often.
    pub async fn await_requests(&self, count: usize) {
        let mut counts = self.state.count.subscribe();
        let wait = counts.wait_for(|asked| count <= *asked);
        within("a request to the HTTP server of a test", wait).await.expect("the sender lives");
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("it can accept");
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        connections.spawn(serve_one(stream, tls, state));
    }
}

async fn serve_one(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>) {
    match tls {
        None => answer_all(stream, &state).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                answer_all(stream, &state).await;
            }
        }
    }
}

async fn answer_all(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &State) {
    let mut input = BytesMut::new();
    while let Some(request) = read_request(&mut stream, &mut input).await {
        state.requests.lock().push(request);
        state.count.send_modify(|count| *count += 1);
        let mut is_held = state.is_held.subscribe();
        is_held.wait_for(|is_held| !is_held).await.expect("the sender lives");
        let (status, body) = state.answer.lock().clone();
        // gnsq reads JSON that is said to be JSON.
        let head = format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err()
            || stream.flush().await.is_err()
        {
            return;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) -> Option<Request> {
    loop {
        if let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&input[..end]).into_owned();
            let mut lines = head.split("\r\n").map(str::to_owned);
            let line = lines.next()?;
            let headers: Vec<String> = lines.map(|line| line.to_lowercase()).collect();
            let length = headers.iter().find_map(|header| header.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
            if end + 4 + length <= input.len() {
                input.advance(end + 4);
                let body = String::from_utf8_lossy(&input.split_to(length)).into_owned();
                return Some(Request { line, headers, body });
            }
        }
        if stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
}

//! Asking nsqds and nsqlookupds over HTTP: several at once, some of which may fail.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use daemon::ask::{AskError, Asker, secure_url};
use parking_lot::Mutex;
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::{sync::Semaphore, task::JoinSet};

/// Servers that are asked at a time, over all requests.
const ASKED_AT_ONCE_MAX: usize = 64;
/// Of a refusal, so many bytes are shown.
const SHOWN_BYTES_MAX: usize = 300;
/// Servers of which it is known that they want HTTPS.
const SECURE_MAX: usize = 10_000;

/// What kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nsqd,
    Nsqlookupd,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nsqd => "nsqd",
            Self::Nsqlookupd => "nsqlookupd",
        })
    }
}

/// Why a server was of no help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("is no address of the form host:port")]
    Address,
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("got response {status} {body:?}")]
    Status { status: StatusCode, body: String },
    #[error("the answer is not the JSON that was expected: {0}")]
    Json(#[from] serde_json::Error),
}

/// A server that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) address: String,
    pub(crate) error: QueryError,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

/// What several servers said, in the order in which they were named.
#[derive(Debug)]
pub(crate) struct Answers<T> {
    pub(crate) found: Vec<(String, T)>,
    pub(crate) failures: Vec<Failure>,
}

/// What is wanted of a server.
#[derive(Debug, Clone, Copy)]
enum Ask<'a> {
    Get,
    /// With this body.
    Post(&'a [u8]),
}

/// Asks servers.
#[derive(Debug)]
pub(crate) struct Upstream {
    asker: Asker,
    /// The HTTPS ports of those that take no plain HTTP, by host:port.
    secure: Mutex<HashMap<String, u16>>,
    places: Semaphore,
    /// Requests.
    pub(crate) asked: AtomicU64,
    /// Those of them without a good answer.
    pub(crate) failed: AtomicU64,
}

impl Upstream {
    pub(crate) fn new(asker: Asker) -> Arc<Self> {
        let places = Semaphore::new(ASKED_AT_ONCE_MAX);
        Arc::new(Self {
            asker,
            secure: Mutex::default(),
            places,
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// The document at a path of the server at `address`, host:port.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        address: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, QueryError> {
        let body = self.ask(Ask::Get, address, path, query).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// Has a server do something.
    pub(crate) async fn post(
        &self,
        address: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(), QueryError> {
        self.post_body(address, path, query, &[]).await
    }

    /// As [`Upstream::post`], with a body.
    pub(crate) async fn post_body(
        &self,
        address: &str,
        path: &str,
        query: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), QueryError> {
        self.ask(Ask::Post(body), address, path, query).await.map(drop)
    }

    /// Asks all of them at once.
    pub(crate) async fn get_all<T: DeserializeOwned + Send + 'static>(
        self: &Arc<Self>,
        addresses: &[String],
        path: &'static str,
        query: &[(&str, &str)],
    ) -> Answers<T> {
        let query: Arc<[(String, String)]> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut questions = JoinSet::new();
        for (index, address) in addresses.iter().enumerate() {
            let (upstream, address, query) = (Arc::clone(self), address.clone(), Arc::clone(&query));
            questions.spawn(async move {
                let query: Vec<_> =
                    query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let answer = upstream.get::<T>(&address, path, &query).await;
                (index, address, answer)
            });
        }
        let mut answers = questions.join_all().await;
        answers.sort_by_key(|(index, ..)| *index);
        let mut all = Answers { found: Vec::new(), failures: Vec::new() };
        for (_, address, answer) in answers {
            match answer {
                Ok(answer) => all.found.push((address, answer)),
                Err(error) => all.failures.push(Failure { address, error }),
            }
        }
        all
    }

    async fn ask(
        &self,
        ask: Ask<'_>,
        address: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<u8>, QueryError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.exchange(ask, address, path, query).await;
        if answer.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn exchange(
        &self,
        ask: Ask<'_>,
        address: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<u8>, QueryError> {
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        let url = self.url(address, path, query)?;
        let answer = self.send(ask, url.clone()).await;
        if answer.is_err() && url.scheme() == "https" {
            // It may have gone back to plain HTTP.
            self.secure.lock().remove(address);
        }
        let (mut status, mut body) = answer?;
        if status == StatusCode::FORBIDDEN
            && url.scheme() == "http"
            && let Some(secure) = secure_url(&url, &body)
        {
            self.remember(address, secure.port_or_known_default());
            (status, body) = self.send(ask, secure).await?;
        }
        if status == StatusCode::OK {
            return Ok(body);
        }
        let shown = body.get(..SHOWN_BYTES_MAX).unwrap_or(&body);
        Err(QueryError::Status { status, body: String::from_utf8_lossy(shown).into_owned() })
    }

    async fn send(&self, ask: Ask<'_>, url: Url) -> Result<(StatusCode, Vec<u8>), AskError> {
        match ask {
            Ask::Get => self.asker.exchange(Method::GET, url).await,
            Ask::Post([]) => self.asker.exchange(Method::POST, url).await,
            Ask::Post(body) => self.asker.post(url, body.to_vec()).await,
        }
    }

    fn url(&self, address: &str, path: &str, query: &[(&str, &str)]) -> Result<Url, QueryError> {
        let mut url = Url::parse(&format!("http://{address}{path}")).map_err(|_| QueryError::Address)?;
        let is_address = url.path() == path && url.username().is_empty() && url.query().is_none();
        if !is_address {
            return Err(QueryError::Address);
        }
        if let Some(port) = self.secure.lock().get(address).copied() {
            url.set_scheme("https")
                .and_then(|()| url.set_port(Some(port)))
                .map_err(|()| QueryError::Address)?;
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// From now on, the server is asked over HTTPS at once.
    fn remember(&self, address: &str, port: Option<u16>) {
        let mut secure = self.secure.lock();
        if let Some(port) = port
            && secure.len() < SECURE_MAX
        {
            secure.insert(address.to_owned(), port);
        }
    }
}

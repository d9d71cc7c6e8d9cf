//! Asking nsqlookupd who has a topic.

use reqwest::{Client, StatusCode, Url, header};
use serde::Deserialize;

use crate::{Config, ConfigError, connection::tls_config};

/// Bytes of an answer: 80,000 producers.
const ANSWER_BYTES_MAX: usize = 16 << 20;
const ACCEPT: &str = "application/vnd.nsq; version=1.0";

/// Asks nsqlookupds.
#[derive(Debug)]
pub(super) struct LookupClient {
    http: Client,
    bearer: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    #[error("{}", chain(.0))]
    Http(#[from] reqwest::Error),
    #[error("got response {status} {}", protocol::quote(.body))]
    Status { status: StatusCode, body: Vec<u8> },
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the answer is no JSON: {0}")]
    Json(#[from] serde_json::Error),
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    producers: Vec<Producer>,
}

/// As before version 1.0 of the protocol.
#[derive(Debug, Deserialize)]
struct Wrapped {
    data: Answer,
}

#[derive(Debug, Deserialize)]
struct Producer {
    #[serde(default)]
    broadcast_address: String,
    // Wider than a port: one entry that is wrong is no reason to do without the others.
    #[serde(default)]
    tcp_port: i64,
}

impl LookupClient {
    /// # Errors
    /// TLS is asked for, by the options or the scheme of `urls`, and its files cannot be read.
    pub(super) fn new(config: &Config, urls: &[Url]) -> Result<Self, ConfigError> {
        let mut builder = Client::builder().no_proxy().user_agent(config.user_agent.clone());
        if !config.lookupd_poll_timeout.is_zero() {
            builder = builder.timeout(config.lookupd_poll_timeout);
        }
        // Set in any case: reqwest would look for a library of its own.
        let is_needed = config.tls_v1 || urls.iter().any(|url| url.scheme() == "https");
        let plain = Config::default();
        let tls = tls_config(if is_needed { config } else { &plain })?;
        let builder = builder.tls_backend_preconfigured(tls.as_ref().clone());
        let http = builder.build().map_err(|cause| ConfigError::Http(cause.to_string()))?;
        let has_bearer = config.lookupd_authorization && !config.auth_secret.is_empty();
        Ok(Self { http, bearer: has_bearer.then(|| format!("Bearer {}", config.auth_secret)) })
    }

    /// The nsqds that have the topic of `url`, as host:port.
    ///
    /// # Errors
    /// [`LookupError`]
    pub(super) async fn nsqds(&self, url: &Url) -> Result<Vec<String>, LookupError> {
        let mut request = self.http.get(url.clone()).header(header::ACCEPT, ACCEPT);
        if let Some(bearer) = &self.bearer {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let mut response = request.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if ANSWER_BYTES_MAX < body.len() + chunk.len() {
                return Err(LookupError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        if response.status() != StatusCode::OK {
            body.truncate(200);
            return Err(LookupError::Status { status: response.status(), body });
        }
        Ok(read(&body)?.producers.into_iter().map(address).collect())
    }
}

fn read(body: &[u8]) -> Result<Answer, serde_json::Error> {
    match serde_json::from_slice::<Wrapped>(body) {
        Ok(wrapped) => Ok(wrapped.data),
        Err(_) => serde_json::from_slice(body),
    }
}

fn address(producer: Producer) -> String {
    let Producer { broadcast_address: host, tcp_port: port } = producer;
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// An error and what caused it, without the URL.
fn chain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut text = String::from("the request failed");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &[&str]) {
        let found: Vec<_> = read(body.as_bytes()).unwrap().producers.into_iter().map(address).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn answers_of_all_versions_are_read() {
        let producers = r#"{"channels":[],"producers":[{"broadcast_address":"a","tcp_port":1,"x":2},{"broadcast_address":"::1","tcp_port":2},{"tcp_port":-1}]}"#;
        check(producers, &["a:1", "[::1]:2", ":-1"]);
        check(
            &format!(r#"{{"status_code":200,"status_txt":"OK","data":{producers}}}"#),
            &["a:1", "[::1]:2", ":-1"],
        );
        check("{}", &[]);
        assert!(read(b"no").is_err());
    }
}

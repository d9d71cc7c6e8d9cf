//! Requests to other servers over HTTP: authorization servers, nsqlookupds.

use std::time::Duration;

use daemon::tls::ClientTlsOptions;
use reqwest::{Client, Method, Response, StatusCode, Url, header};
use rustls::ClientConfig;
use serde::Deserialize;

use crate::options::Options;

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const ACCEPT: &str = "application/vnd.nsq; version=1.0";

/// Asks other servers.
#[derive(Debug, Clone)]
pub(crate) struct Asker(Client);

/// How long a request may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    connect: Duration,
    request: Duration,
}

impl Timeouts {
    pub(crate) fn new(options: &Options) -> Self {
        Self { connect: options.http_client_connect_timeout, request: options.http_client_request_timeout }
    }
}

/// Why there is no answer. The text has neither the URL nor what was asked, which may be secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("{}", chain(.0))]
    Http(#[from] reqwest::Error),
    #[error("got response {0}")]
    Status(StatusCode),
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
}

impl Asker {
    /// With `tls` for HTTPS, or none of that.
    ///
    /// # Errors
    /// The text of the start error.
    pub(crate) fn new(timeouts: Timeouts, tls: Option<ClientConfig>) -> Result<Self, String> {
        let mut builder = Client::builder()
            .no_proxy()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.request)
            .user_agent(concat!("nsqd/", env!("CARGO_PKG_VERSION")));
        if let Some(tls) = tls {
            builder = builder.tls_backend_preconfigured(tls);
        }
        builder.build().map(Self).map_err(|error| format!("failed to build HTTP client - {error}"))
    }

    /// For authorization servers, and nsqlookupds in clear: with the roots of the options.
    ///
    /// # Errors
    /// The text of the start error.
    pub(crate) fn with_roots(options: &Options) -> Result<Self, String> {
        let root_ca = options.tls.root_ca.clone();
        let is_needed = root_ca.is_some()
            || options.auth_http_addresses.iter().any(|address| address.starts_with("https:"));
        let tls = ClientTlsOptions { root_ca, identity: None, min_version: options.tls.min_version };
        // A server may also send to HTTPS, so it is tried without need; a system without roots is no reason not to start.
        let tls = match tls.config() {
            Ok(config) => Some(config),
            Err(error) if is_needed => return Err(format!("failed to build client TLS config - {error}")),
            Err(_) => None,
        };
        Self::new(Timeouts::new(options), tls)
    }

    /// The body of the answer to GET, or, with `json`, to POST.
    ///
    /// # Errors
    /// [`AskError`]
    pub(crate) async fn ask(&self, url: &Url, json: Option<&str>) -> Result<Vec<u8>, AskError> {
        let mut response = self.send(url.clone(), json).await?;
        if response.status() == StatusCode::FORBIDDEN && url.scheme() == "http" {
            // A server may want to be asked over HTTPS, and says where.
            let body = body(response).await?;
            let secure = secure_url(url, &body).ok_or(AskError::Status(StatusCode::FORBIDDEN))?;
            response = self.send(secure, json).await?;
        }
        if response.status() != StatusCode::OK {
            return Err(AskError::Status(response.status()));
        }
        body(response).await
    }

    async fn send(&self, url: Url, json: Option<&str>) -> Result<Response, reqwest::Error> {
        let method = if json.is_some() { Method::POST } else { Method::GET };
        let mut request = self.0.request(method, url).header(header::ACCEPT, ACCEPT);
        if let Some(json) = json {
            request = request.header(header::CONTENT_TYPE, "application/json").body(json.to_owned());
        }
        request.send().await
    }
}

/// Where a refusal sends to: the same host and path, another port.
fn secure_url(url: &Url, body: &[u8]) -> Option<Url> {
    #[derive(Deserialize)]
    struct Refusal {
        https_port: u16,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let mut secure = url.clone();
    secure.set_scheme("https").ok()?;
    secure.set_port(Some(refusal.https_port).filter(|port| *port != 0).map(Some)?).ok()?;
    Some(secure)
}

async fn body(mut response: Response) -> Result<Vec<u8>, AskError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if ANSWER_BYTES_MAX < body.len() + chunk.len() {
            return Err(AskError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error and what caused it, without the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::from("the request failed");
    let mut cause = std::error::Error::source(error);
    if error.is_timeout() {
        text.push_str(": no answer in time");
        cause = None;
    }
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_may_send_to_https() {
        let plain = Url::parse("http://127.0.0.1:4180/auth").unwrap();
        let secure = secure_url(&plain, br#"{"message": "TLS_REQUIRED", "https_port": 4152}"#);
        assert_eq!(secure.unwrap().as_str(), "https://127.0.0.1:4152/auth");
        for body in [r#"{"https_port":0}"#, r#"{"https_port":70000}"#, "{}", "no"] {
            assert_eq!(secure_url(&plain, body.as_bytes()), None, "{body}");
        }
    }
}

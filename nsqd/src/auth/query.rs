//! One question to authorization servers.

use std::{path::Path, time::Instant};

use daemon::tls::{MinVersion, TlsError, client_config};
use reqwest::{Client, Method, Response, StatusCode, Url, header};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::{Question, grant::Grant};
use crate::options::{AuthMethod, Options};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const ACCEPT: &str = "application/vnd.nsq; version=1.0";

/// How authorization servers are asked.
#[derive(Debug)]
pub(super) struct Servers {
    http: Client,
    urls: Vec<Url>,
    method: AuthMethod,
}

/// Why authorizations cannot be had. The text is for the log, never for the client.
#[derive(Debug, thiserror::Error)]
enum QueryError {
    #[error("{}", chain(.0))]
    Http(#[from] reqwest::Error),
    #[error("got response {0}")]
    Status(StatusCode),
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    #[error(transparent)]
    Invalid(#[from] super::grant::Invalid),
}

/// Why nsqd cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServersError {
    #[error("failed to build client TLS config - {0}")]
    Tls(#[from] TlsError),
    #[error("--auth-http-address={0}: must be host:port, or a URL of http or https")]
    Address(String),
    #[error("failed to build HTTP client - {0}")]
    Client(#[from] reqwest::Error),
}

impl Servers {
    pub(super) fn new(options: &Options) -> Result<Self, ServersError> {
        let urls: Vec<Url> =
            options.auth_http_addresses.iter().map(|address| url(address)).collect::<Result<_, _>>()?;
        let root_ca = options.tls.root_ca.as_deref();
        let needs_tls = root_ca.is_some() || urls.iter().any(|url| url.scheme() == "https");
        let mut builder = Client::builder()
            .no_proxy()
            .connect_timeout(options.http_client_connect_timeout)
            .timeout(options.http_client_request_timeout)
            .user_agent(concat!("nsqd/", env!("CARGO_PKG_VERSION")));
        // A server may also send to HTTPS, so it is tried without; a system without roots is no reason not to start.
        match tls(root_ca, options.tls.min_version) {
            Ok(config) => builder = builder.tls_backend_preconfigured(config),
            Err(error) if needs_tls => return Err(error.into()),
            Err(_) => {}
        }
        Ok(Self { http: builder.build()?, urls, method: options.auth_method })
    }

    /// Asks one server after the other, beginning at `first`, until one gives an answer.
    ///
    /// # Errors
    /// What each of them did instead, for the log.
    pub(super) async fn ask(&self, question: &Question, first: usize) -> Result<Grant, String> {
        let mut failures = Vec::new();
        for number in 0..self.urls.len() {
            let url = &self.urls[(first + number) % self.urls.len()];
            match self.ask_one(url, question).await {
                Ok(grant) => return Ok(grant),
                Err(error) => {
                    let place = url.host_str().unwrap_or_default();
                    let port = url.port_or_known_default().unwrap_or_default();
                    failures.push(format!("failed to auth against {place}:{port} - {error}"));
                }
            }
        }
        Err(failures.join("; "))
    }

    async fn ask_one(&self, url: &Url, question: &Question) -> Result<Grant, QueryError> {
        let mut response = self.send(url.clone(), question).await?;
        if response.status() == StatusCode::FORBIDDEN && url.scheme() == "http" {
            // A server may want to be asked over HTTPS, and says where.
            let body = body(response).await?;
            let Some(secure) = secure_url(url, &body) else {
                return Err(QueryError::Status(StatusCode::FORBIDDEN));
            };
            response = self.send(secure, question).await?;
        }
        if response.status() != StatusCode::OK {
            return Err(QueryError::Status(response.status()));
        }
        let body = body(response).await?;
        Ok(Grant::parse(&body, Instant::now())?)
    }

    async fn send(&self, mut url: Url, question: &Question) -> Result<Response, reqwest::Error> {
        let method = match self.method {
            AuthMethod::Get => {
                let asked = query_string(question);
                let query = url.query().filter(|query| !query.is_empty());
                let query = query.map_or_else(|| asked.clone(), |own| format!("{own}&{asked}"));
                url.set_query(Some(&query));
                Method::GET
            }
            AuthMethod::Post => Method::POST,
        };
        let mut request = self.http.request(method, url).header(header::ACCEPT, ACCEPT);
        if self.method == AuthMethod::Post {
            request = request.header(header::CONTENT_TYPE, "application/json").body(json_body(question));
        }
        request.send().await
    }
}

/// The parameters, sorted by name.
fn query_string(question: &Question) -> String {
    let encoded = |bytes: &[u8]| byte_serialize(bytes).collect::<String>();
    format!(
        "common_name={}&remote_ip={}&secret={}&tls={}",
        encoded(question.common_name.as_bytes()),
        encoded(question.remote_ip.as_bytes()),
        encoded(&question.secret),
        question.is_secure
    )
}

/// The same as JSON, where NSQ has lists of one.
fn json_body(question: &Question) -> String {
    let secret = String::from_utf8_lossy(&question.secret);
    let tls = question.is_secure.to_string();
    serde_json::json!({
        "common_name": [question.common_name],
        "remote_ip": [question.remote_ip],
        "secret": [secret],
        "tls": [tls],
    })
    .to_string()
}

fn tls(root_ca: Option<&Path>, min_version: MinVersion) -> Result<rustls::ClientConfig, TlsError> {
    client_config(root_ca, min_version)
}

fn url(address: &str) -> Result<Url, ServersError> {
    let text = if address.contains("://") { address.to_owned() } else { format!("http://{address}/auth") };
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.filter(|_| !text.contains(":///"));
    url.ok_or_else(|| ServersError::Address(address.to_owned()))
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

async fn body(mut response: Response) -> Result<Vec<u8>, QueryError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if ANSWER_BYTES_MAX < body.len() + chunk.len() {
            return Err(QueryError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error and what caused it, without the URL, which has the secret.
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

    fn question() -> Question {
        Question {
            secret: b"sec ret&1\xff".to_vec(),
            remote_ip: "::1".to_owned(),
            is_secure: true,
            common_name: "c n".to_owned(),
        }
    }

    #[test]
    fn questions_have_the_recorded_form() {
        let expected = "common_name=c+n&remote_ip=%3A%3A1&secret=sec+ret%261%FF&tls=true";
        assert_eq!(query_string(&question()), expected);
        let json = r#"{"common_name":["c n"],"remote_ip":["::1"],"secret":["sec ret&1�"],"tls":["true"]}"#;
        assert_eq!(json_body(&question()), json);
    }

    #[test]
    fn addresses_are_urls_or_become_some() {
        assert_eq!(url("127.0.0.1:4180").unwrap().as_str(), "http://127.0.0.1:4180/auth");
        assert_eq!(url("https://a/b?c=d").unwrap().as_str(), "https://a/b?c=d");
        for wrong in ["", "a b", "ftp://a/b", "http://", ":1"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_refusal_may_send_to_https() {
        let plain = url("127.0.0.1:4180").unwrap();
        let secure = secure_url(&plain, br#"{"message": "TLS_REQUIRED", "https_port": 4152}"#);
        assert_eq!(secure.unwrap().as_str(), "https://127.0.0.1:4152/auth");
        for body in [r#"{"https_port":0}"#, r#"{"https_port":70000}"#, "{}", "no"] {
            assert_eq!(secure_url(&plain, body.as_bytes()), None, "{body}");
        }
    }
}

//! Requests to other servers over HTTP: authorization servers, nsqlookupds, nsqds.

use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode, Url, header};
use serde::Deserialize;

use crate::tls::{ClientTlsOptions, TlsError};

const ACCEPT: &str = "application/vnd.nsq; version=1.0";

/// Asks other servers.
#[derive(Debug, Clone)]
pub struct Asker {
    client: Client,
    answer_bytes_max: usize,
}

/// What an [`Asker`] is made with.
#[derive(Debug, Clone)]
pub struct AskSettings<'a> {
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a question may take in all.
    pub request_timeout: Duration,
    /// The head `User-Agent`.
    pub user_agent: String,
    /// Bytes of an answer.
    pub answer_bytes_max: usize,
    /// For HTTPS.
    pub tls: &'a ClientTlsOptions,
    /// Whether it is known that HTTPS will be spoken, so that a system without roots is an error.
    pub is_https: bool,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Fetched {
    /// 200 or not.
    pub status: StatusCode,
    /// The head `Content-Type`.
    pub content_type: Option<String>,
    /// All of it.
    pub body: Vec<u8>,
}

/// Why there is no [`Asker`].
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "an error's message is its doc")]
pub enum AskerError {
    #[error("failed to build client TLS config - {0}")]
    Tls(#[from] TlsError),
    #[error("failed to build HTTP client - {0}")]
    Http(#[from] reqwest::Error),
}

/// Why there is no answer. The text has neither the URL nor what was asked, which may be secret.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "an error's message is its doc")]
pub enum AskError {
    #[error("{}", chain(.0))]
    Http(#[from] reqwest::Error),
    #[error("got response {0}")]
    Status(StatusCode),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

impl Asker {
    /// With the given time limits and roots.
    ///
    /// # Errors
    /// [`AskerError`]
    pub fn new(settings: &AskSettings<'_>) -> Result<Self, AskerError> {
        // A server may also send to HTTPS, so it is tried without need; a system without roots is no reason not to start.
        let tls = settings.tls;
        let tls = if settings.is_https { tls.config() } else { tls.config_if_any() }?;
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            .user_agent(&settings.user_agent)
            .tls_backend_preconfigured(tls)
            .build()?;
        Ok(Self { client, answer_bytes_max: settings.answer_bytes_max })
    }

    /// The body of the answer to GET, or, with `json`, to POST.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn ask(&self, url: &Url, json: Option<&str>) -> Result<Vec<u8>, AskError> {
        let mut response = self.send(url.clone(), json).await?;
        if response.status() == StatusCode::FORBIDDEN && url.scheme() == "http" {
            // A server may want to be asked over HTTPS, and says where.
            let body = self.body(response).await?;
            let secure = secure_url(url, &body).ok_or(AskError::Status(StatusCode::FORBIDDEN))?;
            response = self.send(secure, json).await?;
        }
        if response.status() != StatusCode::OK {
            return Err(AskError::Status(response.status()));
        }
        self.body(response).await
    }

    /// Asks without a body: the status of the answer, whatever it is, and its body.
    ///
    /// # Errors
    /// There is no answer, or it is too large.
    pub async fn exchange(&self, method: Method, url: Url) -> Result<(StatusCode, Vec<u8>), AskError> {
        let response = self.client.request(method, url).header(header::ACCEPT, ACCEPT).send().await?;
        Ok((response.status(), self.body(response).await?))
    }

    /// As [`Asker::exchange`], by POST and with a body.
    ///
    /// # Errors
    /// There is no answer, or it is too large.
    pub async fn post(&self, url: Url, body: Vec<u8>) -> Result<(StatusCode, Vec<u8>), AskError> {
        let request = self.client.post(url).header(header::ACCEPT, ACCEPT).body(body);
        let response = request.send().await?;
        Ok((response.status(), self.body(response).await?))
    }

    /// As it is answered to GET, for somebody else.
    ///
    /// # Errors
    /// There is no answer, or it is too large.
    pub async fn fetch(&self, url: Url) -> Result<Fetched, AskError> {
        let response = self.client.get(url).send().await?;
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|kind| kind.to_str().ok()).map(ToOwned::to_owned);
        Ok(Fetched { status: response.status(), content_type, body: self.body(response).await? })
    }

    async fn send(&self, url: Url, json: Option<&str>) -> Result<Response, reqwest::Error> {
        let method = if json.is_some() { Method::POST } else { Method::GET };
        let mut request = self.client.request(method, url).header(header::ACCEPT, ACCEPT);
        if let Some(json) = json {
            request = request.header(header::CONTENT_TYPE, "application/json").body(json.to_owned());
        }
        request.send().await
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, AskError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if self.answer_bytes_max < body.len() + chunk.len() {
                return Err(AskError::TooLarge(self.answer_bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Where a refusal of plain HTTP sends to: the same host and path, another port.
pub fn secure_url(url: &Url, body: &[u8]) -> Option<Url> {
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

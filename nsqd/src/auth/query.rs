//! One question to authorization servers.

use std::time::Instant;

use daemon::ask::{AskError, Asker};
use reqwest::Url;
use url::form_urlencoded::byte_serialize;

use super::{Question, grant::Grant};
use crate::options::{AuthMethod, Options};

/// How authorization servers are asked.
#[derive(Debug)]
pub(super) struct Servers {
    asker: Asker,
    urls: Vec<Url>,
    method: AuthMethod,
}

/// Why authorizations cannot be had. The text is for the log, never for the client.
#[derive(Debug, thiserror::Error)]
enum QueryError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Invalid(#[from] super::grant::Invalid),
}

impl Servers {
    /// # Errors
    /// The text of the start error.
    pub(super) fn new(options: &Options, asker: Asker) -> Result<Self, String> {
        let urls =
            options.auth_http_addresses.iter().map(|address| url(address)).collect::<Result<_, _>>()?;
        Ok(Self { asker, urls, method: options.auth_method })
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
        let body = match self.method {
            AuthMethod::Post => self.asker.ask(url, Some(&json_body(question))).await?,
            AuthMethod::Get => {
                let mut url = url.clone();
                let asked = query_string(question);
                let query = url.query().filter(|query| !query.is_empty());
                let query = query.map_or_else(|| asked.clone(), |own| format!("{own}&{asked}"));
                url.set_query(Some(&query));
                self.asker.ask(&url, None).await?
            }
        };
        Ok(Grant::parse(&body, Instant::now())?)
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

fn url(address: &str) -> Result<Url, String> {
    let text = if address.contains("://") { address.to_owned() } else { format!("http://{address}/auth") };
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.filter(|_| !text.contains(":///"));
    url.ok_or_else(|| format!("--auth-http-address={address}: must be host:port, or a URL of http or https"))
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
}

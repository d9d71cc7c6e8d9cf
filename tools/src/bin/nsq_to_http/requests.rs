//! Requests to the addresses.

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use daemon::tls::{MinVersion, client_config, client_config_if_any};
use reqwest::{
    Client, Method, StatusCode, Url,
    header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use tools::options::nsq_to_http::{Addresses, GetAddress, Options};

/// Makes requests of bodies.
#[derive(Debug)]
pub(crate) struct Requests {
    client: Client,
    headers: HeaderMap,
    targets: Vec<Target>,
}

#[derive(Debug)]
enum Target {
    Post { given: String, url: Url },
    Get(GetAddress),
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("got status code {}", .0.as_u16())]
    Status(StatusCode),
    #[error("the message does not make a URL: {0}")]
    Url(#[from] url::ParseError),
    #[error("{}", chain(.0))]
    Http(#[from] reqwest::Error),
}

/// The error and its causes, without the URL, which may have the message in it.
fn chain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut text = "the request failed".to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl Requests {
    /// # Errors
    /// If an address or a header is no good, or the HTTP client cannot be built.
    pub(crate) fn new(options: &Options) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        let agent = format!("nsq_to_http v{}", daemon::version::COMPATIBLE);
        headers.insert(USER_AGENT, HeaderValue::from_str(&agent)?);
        // As in NSQ. The body of the answer is not looked at, however it is encoded.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let targets: Vec<Target> = match &options.addresses {
            Addresses::Post { urls, content_type } => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).context("--content-type")?);
                urls.iter().map(|given| post(given)).collect::<anyhow::Result<_>>()?
            }
            Addresses::Get(addresses) => addresses.iter().map(get).collect::<anyhow::Result<_>>()?,
        };
        for (name, value) in &options.headers {
            let wrong = || anyhow!("--header={name}: {value}: not a header of HTTP");
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| wrong())?);
        }
        // A server may also send to HTTPS, so that TLS is there without need.
        let is_https = targets.iter().any(|target| target.given().starts_with("https:"));
        let tls = if is_https { client_config } else { client_config_if_any };
        let tls = tls(None, MinVersion::Tls12).context("failed to build client TLS config")?;
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(options.timeouts.connect)
            .timeout(options.timeouts.request)
            .tls_backend_preconfigured(tls)
            .build()
            .context("failed to build HTTP client")?;
        Ok(Self { client, headers, targets })
    }

    /// The addresses as they were given.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.targets.iter().map(Target::given)
    }

    /// An address as it was given.
    pub(crate) fn name(&self, index: usize) -> &str {
        self.targets[index].given()
    }

    /// Sends a message to an address.
    ///
    /// # Errors
    /// If it was not taken: a POST with any 2xx, a GET with 200.
    pub(crate) async fn send(&self, index: usize, body: &Bytes) -> Result<(), SendError> {
        let (request, is_taken): (_, fn(StatusCode) -> bool) = match &self.targets[index] {
            Target::Post { url, .. } => {
                let request = self.client.request(Method::POST, url.clone()).body(body.clone());
                (request, |status| status.is_success())
            }
            Target::Get(address) => {
                (self.client.request(Method::GET, address_with(address, body)?), |status| {
                    status == StatusCode::OK
                })
            }
        };
        let mut response = request.headers(self.headers.clone()).send().await?;
        let status = response.status();
        // So that the connection can be used again. It is as bounded in time as the request.
        while response.chunk().await?.is_some() {}
        if is_taken(status) { Ok(()) } else { Err(SendError::Status(status)) }
    }
}

impl Target {
    fn given(&self) -> &str {
        match self {
            Self::Post { given, .. } => given,
            Self::Get(address) => &address.given,
        }
    }
}

fn post(given: &str) -> anyhow::Result<Target> {
    let url = Url::parse(given).with_context(|| format!("--post={given}"))?;
    check("--post", given, &url)?;
    Ok(Target::Post { given: given.to_owned(), url })
}

fn get(address: &GetAddress) -> anyhow::Result<Target> {
    let url = address_with(address, b"message").with_context(|| format!("--get={}", address.given))?;
    check("--get", &address.given, &url)?;
    Ok(Target::Get(address.clone()))
}

fn check(flag: &str, given: &str, url: &Url) -> anyhow::Result<()> {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        bail!("{flag}={given}: not a URL of the form http://host/path");
    }
    Ok(())
}

/// The URL with the message in it.
fn address_with(address: &GetAddress, message: &[u8]) -> Result<Url, url::ParseError> {
    Url::parse(&format!("{}{}{}", address.before, query_escaped(message), address.behind))
}

/// Escaped as in a query, as Go does it: a blank becomes `+`, of all else letters, digits and `-_.~` stay.
fn query_escaped(bytes: &[u8]) -> String {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(*byte));
            }
            b' ' => out.push('+'),
            byte => out.extend(['%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As recorded of the reference.
    #[test]
    fn a_message_is_escaped_as_in_a_query() {
        let address = GetAddress {
            given: String::new(),
            before: "http://h/g?d=".to_owned(),
            behind: "&pct=%20".to_owned(),
        };
        let url = address_with(&address, "a b&c=/é\n%".as_bytes()).unwrap();
        assert_eq!(url.as_str(), "http://h/g?d=a+b%26c%3D%2F%C3%A9%0A%25&pct=%20");
        let url = address_with(&address, b"-_.~*'()!\xff").unwrap();
        assert_eq!(url.as_str(), "http://h/g?d=-_.~%2A%27%28%29%21%FF&pct=%20");
    }
}

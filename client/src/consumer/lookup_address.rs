//! Where nsqlookupd is asked.

use protocol::TopicName;
use reqwest::Url;

use super::ConsumerError;

/// The URL to ask for a topic: `address` is host:port or a URL with a port, whose path is `/lookup` unless it has one.
///
/// # Errors
/// There is no port, or it is no URL.
pub(super) fn lookup_url(address: &str, topic: &TopicName) -> Result<Url, ConsumerError> {
    let text = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    if !has_port(&text) {
        return Err(ConsumerError::MissingPort);
    }
    let mut url = Url::parse(&text).map_err(|cause| ConsumerError::BadAddress {
        address: address.to_owned(),
        cause: cause.to_string(),
    })?;
    if matches!(url.path(), "" | "/") {
        url.set_path("/lookup");
    }
    url.query_pairs_mut().append_pair("topic", topic.as_str());
    Ok(url)
}

/// Whether a port is written: a URL does not tell when it is that of its scheme.
fn has_port(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let behind_host = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    behind_host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: &str) {
        let found = lookup_url(address, &"t#ephemeral".parse().unwrap());
        let text = found.map_or_else(|error| error.to_string(), |url| url.to_string());
        assert_eq!(text, expected, "{address}");
    }

    #[test]
    fn addresses_become_urls() {
        check("127.0.0.1:4161", "http://127.0.0.1:4161/lookup?topic=t%23ephemeral");
        check("[::1]:4161", "http://[::1]:4161/lookup?topic=t%23ephemeral");
        check("http://h:80/", "http://h/lookup?topic=t%23ephemeral");
        check("https://h:4161/some/path?a=b", "https://h:4161/some/path?a=b&topic=t%23ephemeral");
        check("h", "missing port");
        check("h:", "missing port");
        check("http://u:p@h/", "missing port");
        check("[::1]", "missing port");
        check("h:x", "the nsqlookupd address \"h:x\" is no URL: invalid port number");
    }
}

//! Requests to other servers over HTTP: authorization servers, nsqlookupds.

use daemon::ask::{AskSettings, Asker};

use crate::options::Options;

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// With the time limits and roots of the options.
///
/// # Errors
/// The text of the start error.
pub(crate) fn asker(options: &Options) -> Result<Asker, String> {
    let settings = AskSettings {
        connect_timeout: options.http_client_connect_timeout,
        request_timeout: options.http_client_request_timeout,
        user_agent: concat!("nsqd/", env!("CARGO_PKG_VERSION")).to_owned(),
        answer_bytes_max: ANSWER_BYTES_MAX,
        root_ca: options.tls.root_ca.as_deref(),
        min_version: options.tls.min_version,
        is_https: options.auth_http_addresses.iter().any(|address| address.starts_with("https:")),
    };
    Asker::new(&settings).map_err(|error| error.to_string())
}

//! Requests to other servers over HTTP: authorization servers, nsqlookupds.

use std::time::Duration;

use daemon::{
    ask::{AskSettings, Asker, AskerError},
    tls::ClientTlsOptions,
};

use crate::options::Options;

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// For authorization servers, and nsqlookupds in clear: with the roots of the options.
///
/// # Errors
/// The text of the start error.
pub(crate) fn asker(options: &Options) -> Result<Asker, String> {
    let tls = ClientTlsOptions {
        root_ca: options.tls.root_ca.clone(),
        min_version: options.tls.min_version,
        ..ClientTlsOptions::default()
    };
    let is_https = options.auth_http_addresses.iter().any(|address| address.starts_with("https:"));
    Timeouts::new(options).asker(&tls, is_https).map_err(|error| error.to_string())
}

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

    /// Who asks with this TLS, which is needed if `is_https`.
    pub(crate) fn asker(self, tls: &ClientTlsOptions, is_https: bool) -> Result<Asker, AskerError> {
        Asker::new(&AskSettings {
            connect_timeout: self.connect,
            request_timeout: self.request,
            user_agent: concat!("nsqd/", env!("CARGO_PKG_VERSION")).to_owned(),
            answer_bytes_max: ANSWER_BYTES_MAX,
            tls,
            is_https,
        })
    }
}

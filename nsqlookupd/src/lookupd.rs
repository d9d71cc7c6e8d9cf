//! The daemon's shared parts, as its TCP and HTTP faces use them.

use std::{io, sync::Arc};

use daemon::{
    reports::Reports,
    tls::{Required, ServerTls},
    version,
};
use protocol::LookupIdentified;

use crate::{Directory, clock, options::Options, registry::Lifetimes};

/// The registry, and what the daemon says of itself.
#[derive(Debug)]
pub(crate) struct Lookupd {
    pub(crate) directory: Directory,
    /// The answer to IDENTIFY, as JSON.
    pub(crate) identified: String,
    pub(crate) reports: Reports,
    pub(crate) start_unix: u64,
    /// What the listeners offer.
    pub(crate) tls: Option<Arc<ServerTls>>,
    pub(crate) tls_required: Required,
    /// 0 without HTTPS.
    pub(crate) https_port: u16,
}

/// The ports that are bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) tcp: u16,
    pub(crate) http: u16,
    /// 0 without HTTPS.
    pub(crate) https: u16,
}

impl Lookupd {
    /// With the ports that are bound.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn new(
        options: &Options,
        hostname: String,
        tls: Option<Arc<ServerTls>>,
        ports: Ports,
    ) -> io::Result<Self> {
        let identified = LookupIdentified {
            broadcast_address: options.broadcast_address.clone(),
            hostname,
            http_port: ports.http,
            https_port: ports.https,
            tcp_port: ports.tcp,
            version: version::COMPATIBLE.to_owned(),
        };
        let lifetimes = Lifetimes {
            inactive_producer_timeout: options.inactive_producer_timeout,
            tombstone_lifetime: options.tombstone_lifetime,
        };
        Ok(Self {
            directory: Directory::new(lifetimes),
            identified: identified.to_json(),
            reports: Reports::start()?,
            start_unix: clock::now().unix_ns / 1_000_000_000,
            tls,
            tls_required: options.tls.required,
            https_port: ports.https,
        })
    }
}

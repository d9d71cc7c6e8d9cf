//! The daemon's shared parts, as its TCP and HTTP faces use them.

use std::io;

use daemon::{reports::Reports, version};
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
}

impl Lookupd {
    /// With the ports that are bound.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn new(
        options: &Options,
        hostname: String,
        tcp_port: u16,
        http_port: u16,
    ) -> io::Result<Self> {
        let identified = LookupIdentified {
            broadcast_address: options.broadcast_address.clone(),
            hostname,
            http_port,
            tcp_port,
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
        })
    }
}

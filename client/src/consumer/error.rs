//! Why there is no consumer.

use crate::{ConfigError, ConnectError};

/// Why a consumer cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The options are no good.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A first connection failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The address of an nsqlookupd has no port.
    #[error("missing port")]
    MissingPort,
    /// The address of an nsqlookupd is no URL.
    #[error("the nsqlookupd address {address:?} is no URL: {cause}")]
    BadAddress {
        /// As given.
        address: String,
        /// Why.
        cause: String,
    },
    /// There is no address to connect to.
    #[error("no nsqd and no nsqlookupd is named; give at least one address")]
    NoSource,
}

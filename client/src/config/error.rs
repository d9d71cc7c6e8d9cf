//! Why options are refused.

use std::{io, path::PathBuf};

/// Why options are refused. The texts are go-nsq's where it has one.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no option of that name.
    #[error("invalid option {name}")]
    Unknown {
        /// The name, with underscores.
        name: String,
    },
    /// The value is none for this option.
    #[error("failed to coerce option {name} ({value}) - {cause}")]
    Value {
        /// The option.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The value is too small or too large.
    #[error("invalid {name} ! {value} {relation} {limit}")]
    Range {
        /// The option.
        name: &'static str,
        /// The value as understood.
        value: String,
        /// `<` or `>`.
        relation: char,
        /// The bound.
        limit: String,
    },
    /// Heartbeats come too seldom for the read timeout.
    #[error("HeartbeatInterval {heartbeat_interval} must be less than ReadTimeout {read_timeout}")]
    Heartbeat {
        /// The interval.
        heartbeat_interval: String,
        /// The timeout.
        read_timeout: String,
    },
    /// Options that cannot be had together.
    #[error("{first} and {second} cannot be had together; choose one")]
    Both {
        /// One option.
        first: &'static str,
        /// The other one.
        second: &'static str,
    },
    /// An option that makes no sense without another.
    #[error("{given} is given and {missing} is missing")]
    Missing {
        /// What is given.
        given: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// The word names no version of TLS.
    #[error("ERROR: {0} is not a tls version")]
    TlsVersion(String),
    /// A file of TLS cannot be read.
    #[error("open {}: {}", path.display(), crate::io_cause(cause))]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// A file is not what it should be, or rustls refuses it.
    #[error("{}: {cause}", path.display())]
    Tls {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A pool was given no address.
    #[error("no nsqd is named; give at least one address")]
    NoAddress,
    /// No HTTP client can be made for nsqlookupd.
    #[error("HTTP cannot be set up: {0}")]
    Http(String),
}

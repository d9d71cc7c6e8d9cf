//! Why there is no connection.

use std::io;

use crate::io_cause;

/// Why there is no connection to an nsqd.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// No TCP connection. The text is Go's: `dial tcp 127.0.0.1:4150: connect: connection refused`.
    #[error("dial tcp{text}")]
    Dial {
        /// What follows `dial tcp`.
        text: String,
    },
    /// The connection failed before it was set up.
    #[error("failed to IDENTIFY - {text}")]
    Handshake {
        /// The cause.
        text: String,
    },
    /// nsqd refused a command, in these words.
    #[error("{text}")]
    Refused {
        /// The error frame, such as `E_BAD_TOPIC …`.
        text: String,
    },
    /// nsqd wants AUTH, and there is no secret.
    #[error("Auth Required")]
    AuthRequired,
    /// nsqd does not offer TLS, and the options ask for it.
    #[error("nsqd at {address} does not offer TLS; give it a certificate, or leave tls_v1 out")]
    NoTls {
        /// Where.
        address: String,
    },
}

impl ConnectError {
    pub(super) fn handshake(cause: &io::Error) -> Self {
        Self::Handshake { text: io_cause(cause) }
    }
}

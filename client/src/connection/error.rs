//! Why there is no connection.

use std::io;

/// Why there is no connection to an nsqd.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No TCP connection. The text is Go's: `dial tcp 127.0.0.1:4150: connect: connection refused`.
    #[error("dial tcp {address}: {text}")]
    Dial {
        /// host:port as given.
        address: String,
        /// The cause in Go's words.
        text: String,
    },
    /// The connection failed before it was set up.
    #[error("failed to IDENTIFY - {text}")]
    Handshake {
        /// The cause.
        text: String,
        /// What the system says, if it was that.
        #[source]
        cause: Option<io::Error>,
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
    /// nsqd does not offer what the options ask for.
    #[error("nsqd at {address} does not offer {feature}; allow it there, or leave it out here")]
    NotOffered {
        /// Where.
        address: String,
        /// `tls_v1`, `snappy` or `deflate`.
        feature: &'static str,
    },
}

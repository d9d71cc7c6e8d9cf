//! Why a message was not published.

use crate::ConnectError;

/// Why a message was not published, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// nsqd refuses it, in these words, such as `E_BAD_TOPIC PUB topic name "bad!" is not valid`. Nothing was published; it
    /// will be refused again.
    #[error("{text}")]
    Refused {
        /// The error frame.
        text: String,
    },
    /// There is no connection. Nothing was published.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection was lost before the answer: it may have been published or not.
    #[error("nsqd at {address} was lost before it answered: {cause}; the message may be published or not")]
    Lost {
        /// Where.
        address: String,
        /// Why.
        cause: String,
    },
    /// The producer was closed. Nothing was published.
    #[error("stopped")]
    Closed,
}

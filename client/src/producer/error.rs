//! Why a message was not published.

use protocol::ErrorCode;

use crate::ConnectError;

/// Why a message was not published, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// nsqd refuses it, in these words, such as `E_BAD_TOPIC PUB topic name "bad!" is not valid`. Nothing was published.
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

impl PublishError {
    /// The code of a refusal, if NSQ has it.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { text } => ErrorCode::of(text.as_bytes()),
            _ => None,
        }
    }

    /// Whether another nsqd might take it: this one is not there, is lost, or cannot store it.
    pub(super) fn is_about_the_node(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Lost { .. } => true,
            Self::Refused { .. } => matches!(
                self.code(),
                Some(ErrorCode::PubFailed | ErrorCode::MpubFailed | ErrorCode::DpubFailed)
            ),
            Self::Closed => false,
        }
    }
}

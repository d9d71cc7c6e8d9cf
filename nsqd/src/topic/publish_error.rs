//! Why a topic takes no messages.

use crate::log::AppendError;

/// Why a publish was refused. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The topic is being deleted, or the daemon stops.
    #[error("exiting")]
    Exiting,
    /// The topic itself, or a channel, holds as much as its policy allows.
    #[error("{place} is full: {depth} messages wait, max_depth is {max}")]
    Full { place: String, depth: u64, max: u64 },
    /// The log cannot take it.
    #[error(transparent)]
    Log(AppendError),
}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Closed => Self::Exiting,
            refused => Self::Log(refused),
        }
    }
}

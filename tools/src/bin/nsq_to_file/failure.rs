//! Why files cannot be written any more.

use std::io;

/// What failed, and why. None of these is overcome: the tool ends, and what was not acknowledged comes again.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {}", daemon::io_cause(cause))]
pub(crate) struct Failure {
    doing: String,
    #[source]
    cause: io::Error,
}

impl Failure {
    /// For `map_err`: what was being done, in the words of the reference where it has some.
    pub(crate) fn of(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self { doing: doing.into(), cause }
    }

    /// Of something that no system call said.
    pub(crate) fn new(doing: impl Into<String>, cause: &str) -> Self {
        Self { doing: doing.into(), cause: io::Error::other(cause.to_owned()) }
    }
}

//! The deadline of every wait.

use std::time::Duration;

/// How long a test waits for what has to happen: far beyond what a loaded machine takes.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// How long a test looks for what must not happen. A slow machine can hide a fault from it, but cannot fail it.
pub const SILENCE: Duration = Duration::from_millis(200);

/// How long a test waits for what other people's clients do: pynsq connects to one address once in 10 s.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// The outcome of `future`, or a panic if it is not there within [`DEADLINE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_time(DEADLINE, what, future).await
}

/// As [`within`], with another deadline.
pub async fn within_time<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(limit, future).await;
    outcome.unwrap_or_else(|_| panic!("waited {limit:?} in vain for {what}"))
}

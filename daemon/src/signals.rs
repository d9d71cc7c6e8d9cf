//! Signals: SIGINT and SIGTERM begin an orderly stop, SIGHUP has files read anew, the others do not disturb.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Each SIGHUP.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Listens from now on. Must be called within a tokio runtime that has I/O enabled.
    ///
    /// # Errors
    /// If the operating system refuses a handler.
    pub fn new() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next. Several that come together may be one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Installs the handlers and returns a future that ends with the name of the first SIGINT or SIGTERM.
///
/// The handlers are in place when this returns, so a signal that comes while the daemon still starts is not lost, and
/// they stay for the life of the process: further SIGINT and SIGTERM, and SIGHUP, SIGUSR1 and SIGUSR2, are ignored.
/// Must be called within a tokio runtime that has I/O enabled.
///
/// # Errors
/// If the operating system refuses a handler.
pub fn shutdown_signal() -> io::Result<impl Future<Output = &'static str> + Send + use<>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // tokio never gives a signal back to its default action, so to register once and not listen is to ignore.
    for ignored in [SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()] {
        drop(signal(ignored)?);
    }
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};
    use tokio::time::timeout;

    use super::{Hangups, SignalKind, shutdown_signal, signal};

    /// A stop must be asked for by SIGTERM, and neither a second one nor a lost terminal may kill the process midway.
    #[tokio::test]
    async fn sigterm_ends_the_wait_and_the_other_signals_are_ignored() {
        let shutdown = shutdown_signal().unwrap();
        let mut hangups = Hangups::new().unwrap();
        let mut witness = signal(SignalKind::terminate()).unwrap();
        for ignored in [Signal::HUP, Signal::USR1, Signal::USR2] {
            kill_process(getpid(), ignored).unwrap();
        }
        timeout(Duration::from_secs(10), hangups.next()).await.unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        let name = timeout(Duration::from_secs(10), shutdown).await.unwrap();
        assert_eq!(name, "SIGTERM");
        witness.recv().await.unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        timeout(Duration::from_secs(10), witness.recv()).await.unwrap().unwrap();

        let again = shutdown_signal().unwrap();
        kill_process(getpid(), Signal::INT).unwrap();
        assert_eq!(timeout(Duration::from_secs(10), again).await.unwrap(), "SIGINT");
    }
}

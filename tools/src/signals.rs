//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once.

use std::io;
use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Tells the parts of a utility that it is to end.
#[derive(Debug, Clone)]
pub struct StopSignal(CancellationToken);

impl StopSignal {
    /// Waits for the first signal. May be awaited by several, and again.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }

    /// Whether it has come.
    pub fn has_come(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Whether SIGHUP ends a utility like the other two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// SIGINT and SIGTERM. SIGHUP does what it did before: by default it kills.
    InterruptAndTerminate,
    /// SIGHUP too.
    WithHangup,
}

/// Installs the handlers. Must be called within a tokio runtime, whose task then watches.
///
/// # Errors
/// If the operating system refuses a handler.
pub fn stop_signal(watched: Watched) -> io::Result<StopSignal> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = match watched {
        Watched::InterruptAndTerminate => None,
        Watched::WithHangup => Some(signal(SignalKind::hangup())?),
    };
    let token = CancellationToken::new();
    let stop = StopSignal(token.clone());
    tokio::spawn(async move {
        next(&mut interrupt, &mut terminate, &mut hangup).await;
        token.cancel();
        let number = next(&mut interrupt, &mut terminate, &mut hangup).await;
        warn!("a second signal: what was under way is left");
        exit(128 + number);
    });
    Ok(stop)
}

/// The number of the next.
async fn next(interrupt: &mut Signal, terminate: &mut Signal, hangup: &mut Option<Signal>) -> i32 {
    let hung_up = async {
        match hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
        _ = hung_up => SignalKind::hangup().as_raw_value(),
    }
}

#[expect(clippy::exit, reason = "whoever signals twice does not want to wait for an orderly end")]
fn exit(code: i32) -> ! {
    process::exit(code)
}

//! The life of a utility: log, runtime, signals, exit code.

use std::process::ExitCode;

use daemon::log::Config;
use daemon::options::Stop;
use tokio::runtime::{Builder, Runtime};
use tracing::{error, warn};

use crate::signals::{StopSignal, Watched, stop_signal};

/// Sets the log up, says the `warnings` of the command line, and runs `tool` until it ends; its error is logged in one line
/// with its causes, and makes the exit code 1.
pub fn run<F>(
    log: Config,
    warnings: &[String],
    watched: Watched,
    tool: impl FnOnce(StopSignal) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    if let Err(cause) = daemon::log::init(log) {
        return Stop::Check { text: cause.to_string() }.report();
    }
    for warning in warnings {
        warn!("{warning}");
    }
    let done = runtime().and_then(|runtime| {
        let done = runtime.block_on(async { tool(stop_signal(watched)?).await });
        // A thread that stands in a system call, such as a read of stdin, is not waited for.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            error!("{cause:#}");
            ExitCode::FAILURE
        }
    }
}

/// One thread, the process's own; a utility that reads stdin or writes files has others of its own for that.
fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

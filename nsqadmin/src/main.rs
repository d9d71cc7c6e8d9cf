//! The operators' web: reads the options, sets the log up, and runs.

use std::{env, fmt::Display, process::ExitCode};

use daemon::{
    log,
    options::{Refused, Stop},
};
use nsqadmin::options::Start;

fn main() -> ExitCode {
    let hostname = match daemon::hostname() {
        Ok(hostname) => hostname,
        Err(error) => return fatal_without_log(format!("cannot read the host's name - {error}")),
    };
    let start = match Start::load(env::args_os().skip(1)) {
        Ok(start) => start,
        Err(stop) => return stop.report(),
    };
    let log = match log::init(start.options.log.clone()) {
        Ok(log) => log,
        Err(error) => return fatal_without_log(error),
    };
    for warning in &start.warnings {
        tracing::warn!("{warning}");
    }
    nsqadmin::run(start, hostname, log)
}

/// Says on stderr, where operators look first, why there is not even a log.
fn fatal_without_log(cause: impl Display) -> ExitCode {
    Stop::Refused { program: "nsqadmin", cause: Refused::new(cause.to_string()) }.report()
}

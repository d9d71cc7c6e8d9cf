//! The queue daemon: reads the options, sets the log up, and runs.

use std::{env, process::ExitCode};

use nsqd::options::Start;
use protocol::NodeId;

fn main() -> ExitCode {
    let hostname = match daemon::hostname() {
        Ok(hostname) => hostname,
        Err(error) => return daemon::log::fatal(format!("cannot read the host's name - {error}")),
    };
    let start = match Start::load(env::args_os().skip(1), &hostname, NodeId::of_host(&hostname).get()) {
        Ok(start) => start,
        Err(stop) => return stop.report(),
    };
    let config = daemon::log::Config {
        prefix: start.options.log_prefix.clone(),
        level: start.options.log_level,
        format: start.options.log_format,
        crates: &["nsqd", "protocol", "daemon"],
    };
    if let Err(error) = daemon::log::init(config) {
        return daemon::log::fatal(error.to_string());
    }
    for warning in &start.warnings {
        tracing::warn!("{warning}");
    }
    nsqd::run(start, hostname)
}

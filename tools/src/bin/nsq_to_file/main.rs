//! Writes the messages of topics to files, and acknowledges only what is on the disk.

mod datetime;
mod discovery;
mod encoding;
mod failure;
mod folder;
mod moving;
mod names;
mod opening;
mod rotation;
mod run;
mod sync_batch;
mod topic;
mod topic_files;

use std::process::ExitCode;

use tools::Watched;
use tools::options::nsq_to_file::Options;

fn main() -> ExitCode {
    match Options::load(std::env::args_os().skip(1)) {
        Ok((options, warnings)) => {
            let log = options.log.clone();
            // Of a failure that was logged as FATAL.
            let mut failed = None;
            let ended = tools::run(log, &warnings, Watched::InterruptAndTerminate, |stop| async {
                failed = run::run(options, stop).await?;
                Ok(())
            });
            failed.unwrap_or(ended)
        }
        Err(stop) => stop.report(),
    }
}

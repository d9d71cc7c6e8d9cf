//! Load generator for any server that speaks the V2 protocol.
//!
//! The client must stay far cheaper than the server it measures: one plain thread with a blocking socket for each
//! connection, commands encoded once and sent again and again, frames read in place, and the FINs of a whole read
//! in one write. Nothing is allocated per message.

mod checksum;
mod connection;
mod consume;
mod daemon_stats;
mod fan_out;
mod http;
mod idle;
mod latency;
mod layers;
mod lookupd;
mod paced;
mod progress;
mod publish;
mod report;
mod run;
mod template;
mod topics;

use std::process::ExitCode;

use clap::Parser;
use tools::options::nsq_bench as args;

use crate::args::{Args, Command};
use crate::report::Report;

#[expect(clippy::print_stderr, reason = "the one place where a failed run is told")]
fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.common.json;
    match run(args).and_then(|report| report.print(json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nsq_bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<Report> {
    let common = args.common;
    match args.command {
        Command::Pub(options) => publish::run(&common, &options),
        Command::Sub(options) => fan_out::run_sub(&common, &options),
        Command::Pubsub(options) => fan_out::run_pubsub(&common, &options),
        Command::Latency(options) => latency::run(&common, &options),
        Command::Http(options) => http::run(&common, &options),
        Command::Lookupd(options) => lookupd::run(&common, &options),
        Command::Idle(options) => idle::run(&common, &options),
        Command::Topics(options) => topics::run(&common, &options),
    }
}

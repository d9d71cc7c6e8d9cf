//! Looks into a data path whose nsqd is not running: checks it, lists it, prints messages, and writes a data path that
//! NSQ 1.3 starts from.

mod dump;
mod export;
mod list;
mod messages;
mod progress;
mod verify;

use std::{io, process::ExitCode};

use clap::Parser;
use nsqd::offline::DataPath;
use tools::options::nsq_data as args;

use crate::args::{Args, Command};

/// All is as it should be.
const WHOLE: u8 = 0;
/// Something is damaged.
const DAMAGED: u8 = 1;
/// It could not be found out.
const FAILED: u8 = 2;

#[expect(clippy::print_stderr, reason = "the one place where a failed run is told")]
fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(code) => ExitCode::from(code),
        // Whoever reads has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::from(WHOLE),
        Err(error) => {
            eprintln!("nsq_data: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(args: &Args) -> anyhow::Result<u8> {
    let data = DataPath::open(&args.data_path).map_err(anyhow::Error::msg)?;
    match &args.command {
        Command::Verify(options) => verify::run(&data, options),
        Command::Ls(options) => list::run(&data, options).map(|()| WHOLE),
        Command::Dump(options) => dump::run(&data, options).map(|()| WHOLE),
        Command::Export(options) => export::run(&data, options).map(|()| WHOLE),
    }
}

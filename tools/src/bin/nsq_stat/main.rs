//! Watches a channel: polls the statistics of all nodes that hold its topic and writes one summed line per interval.

mod poll;
mod report;
mod screen;

use std::{env, io, process::ExitCode};

use tokio::time::{MissedTickBehavior, interval};
use tools::{
    StopSignal, Watched,
    cluster::Cluster,
    log,
    options::{nsq_stat::Options, user_agent},
};
use tracing::warn;

use crate::{poll::Poller, report::History, screen::Screen};

fn main() -> ExitCode {
    let options = match Options::load(env::args_os().skip(1)) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    tools::run(log::config(&["nsq_stat", "tools"]), &options.warnings, Watched::WithHangup, |stop| {
        watch(&options, stop)
    })
}

async fn watch(options: &Options, stop: StopSignal) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.wait() => Ok(()),
        done = report(options) => match done {
            // Whoever reads has read enough.
            Err(error) if is_broken_pipe(&error) => Ok(()),
            done => done,
        },
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn report(options: &Options) -> anyhow::Result<()> {
    let cluster = Cluster::new(options.timeouts, user_agent("nsq_stat"))?;
    let mut poller = Poller::new(cluster, options);
    let mut history = History::new(options.interval);
    let mut screen = Screen::new(options);
    let mut ticks = interval(options.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut written = 0;
    loop {
        ticks.tick().await;
        let poll = poller.poll().await?;
        for failure in &poll.new_failures {
            screen.above(|| warn!("WARNING: {failure}; going on with the others"));
        }
        let failures = poll.failures;
        let Some(report) = history.next(poll.nodes) else {
            screen.begin()?;
            continue;
        };
        screen.show(&report, failures)?;
        written += 1;
        if options.count == Some(written) {
            return Ok(());
        }
    }
}

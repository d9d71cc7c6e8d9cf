//! Publishes standard input, one message per delimiter, to every given nsqd.

mod input;
mod progress;
mod publisher;
mod rate;
mod splitter;

use std::{env, process::ExitCode, time::Instant};

use bytes::Bytes;
use tools::{StopSignal, Watched, log, options::to_nsq::Options};
use tracing::{info, warn};

use crate::{input::Input, progress::Progress, publisher::Publisher, rate::RateBucket};

/// Messages and bytes of a batch, which is one command. Far below nsqd's default limit of 5 MiB.
const BATCH_MESSAGES_MAX: usize = 4096;
const BATCH_BYTES_MAX: usize = 256 * 1024;

fn main() -> ExitCode {
    let options = match Options::load(env::args_os().skip(1)) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let log = log::config(&["to_nsq", "tools"]);
    tools::run(log, &options.warnings, Watched::InterruptAndTerminate, |stop| run(&options, stop))
}

async fn run(options: &Options, stop: StopSignal) -> anyhow::Result<()> {
    let mut publisher = Publisher::new(options)?;
    let done = tokio::select! {
        done = publish_all(options, &mut publisher) => done,
        () = stop.wait() => Ok(()),
    };
    let done = match done {
        // What is under way when a signal comes is waited for.
        Ok(()) => publisher.finish().await,
        failed => failed,
    };
    if done.is_err() {
        let count = publisher.acknowledged();
        warn!(
            "the first {count} messages were acknowledged by every nsqd; of those behind them, up to {} may be there, too",
            publisher.under_way()
        );
    }
    done
}

async fn publish_all(options: &Options, publisher: &mut Publisher) -> anyhow::Result<()> {
    let mut input = Input::start(options.delimiter)?;
    let mut throttle = options.rate.map(|rate| {
        info!("Throttling messages rate to max:{rate}/second");
        RateBucket::new(rate, Instant::now())
    });
    let mut progress = Progress::start();
    while let Some(block) = input.next().await {
        let mut messages = splitter::messages(block?, options.delimiter).peekable();
        while messages.peek().is_some() {
            let count = match &mut throttle {
                Some(bucket) => due(bucket).await,
                None => BATCH_MESSAGES_MAX,
            };
            publisher.publish(batch(&mut messages, count)).await?;
            progress.show(publisher);
        }
    }
    publisher.finish().await
}

/// Up to `count` messages of up to [`BATCH_BYTES_MAX`], but at least one.
fn batch(messages: &mut impl Iterator<Item = Bytes>, count: usize) -> Vec<Bytes> {
    let mut bytes = 0;
    let mut batch = Vec::new();
    for message in messages.take(count) {
        bytes += message.len();
        batch.push(message);
        if BATCH_BYTES_MAX <= bytes {
            break;
        }
    }
    batch
}

/// Waits until messages may go out; how many.
async fn due(bucket: &mut RateBucket) -> usize {
    loop {
        let count = bucket.take(BATCH_MESSAGES_MAX, Instant::now());
        if count != 0 {
            return count;
        }
        tokio::time::sleep(bucket.wait(Instant::now())).await;
    }
}

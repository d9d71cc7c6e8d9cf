//! Publishes the messages of topics to other nsqds.

mod filter;
mod json;
mod relay;
mod status;

use std::{env, process::ExitCode, sync::Arc};

use client::{Consumer, Handle};
use tools::{StopSignal, Watched, log, options::nsq_to_nsq::Options};

use crate::relay::Relay;

/// Messages that are taken, and published, at once.
const BATCH_MESSAGES_MAX: usize = 256;

fn main() -> ExitCode {
    let options = match Options::load(env::args_os().skip(1)) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let log = log::config(&["nsq_to_nsq", "tools"]);
    tools::run(log, &options.warnings, Watched::InterruptAndTerminate, |stop| run(&options, stop))
}

async fn run(options: &Options, stop: StopSignal) -> anyhow::Result<()> {
    let relay = Arc::new(Relay::new(options)?);
    let mut handles = Vec::new();
    for topic in &options.topics {
        let config = options.consumer.clone();
        let source = options.sources.of_consumer();
        let consumer = tokio::select! {
            consumer = Consumer::connect(topic.clone(), options.channel.clone(), config, source) => consumer?,
            () = stop.wait() => return Ok(()),
        };
        handles.push(consumer.handle());
        let destination = options.destination_topic.as_ref().unwrap_or(topic);
        tokio::spawn(pass_on(consumer, Arc::clone(&relay), destination.as_str().into()));
    }
    stop.wait().await;
    // What came is still published and finished, for up to 30 s.
    handles.iter().for_each(Handle::stop);
    for handle in &handles {
        handle.stopped().await;
    }
    relay.report();
    Ok(())
}

/// Passes a consumer's messages on, until it ends. What is under way is bounded by `--max-in-flight`.
async fn pass_on(mut consumer: Consumer, relay: Arc<Relay>, topic: Arc<str>) {
    let mut messages = Vec::new();
    while consumer.next_batch(&mut messages, BATCH_MESSAGES_MAX).await != 0 {
        relay.pass(&topic, messages.drain(..));
    }
}

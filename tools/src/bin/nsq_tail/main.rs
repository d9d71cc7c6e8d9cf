//! Shows the messages of topics on stdout, one line each.

mod line;
mod output;

use std::{env, process::ExitCode, sync::Arc};

use anyhow::{Context, anyhow};
use client::{Consumer, Handle, TopicName};
use tokio::sync::mpsc::Sender;
use tools::{
    StopSignal, Watched,
    cluster::Cluster,
    log,
    options::{
        Timeouts,
        nsq_tail::{Options, Replay},
        user_agent,
    },
};
use tracing::info;

use crate::output::{Batch, Output};

/// Messages that go to the output at once.
const BATCH_MESSAGES_MAX: usize = 256;

fn main() -> ExitCode {
    let options = match Options::load(env::args_os().skip(1), fastrand::u32(..)) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let log = log::config(&["nsq_tail", "tools"]);
    tools::run(log, &options.warnings, Watched::InterruptAndTerminate, |stop| run(&options, stop))
}

async fn run(options: &Options, stop: StopSignal) -> anyhow::Result<()> {
    let mut output = Output::start(options)?;
    let mut handles = Vec::new();
    for topic in &options.topics {
        info!("Adding consumer for topic: {topic}");
        if let Some(replay) = &options.replay {
            prepare(options, replay, topic).await?;
        }
        let config = options.consumer.clone();
        let source = options.sources.of_consumer();
        let consumer = tokio::select! {
            consumer = Consumer::connect(topic.clone(), options.channel.clone(), config, source) => consumer?,
            () = stop.wait() => return Ok(()),
        };
        handles.push(consumer.handle());
        tokio::spawn(pass_on(consumer, topic.as_str().into(), output.queue()));
    }
    let done = tokio::select! {
        done = output.done() => done,
        () = stop.wait() => Ok(()),
    };
    // What came is still shown, up to the count, and finished; what is left over goes back.
    handles.iter().for_each(Handle::stop);
    for handle in &handles {
        handle.stopped().await;
    }
    done
}

/// Makes the channel where it is to begin, before it is subscribed to.
async fn prepare(options: &Options, replay: &Replay, topic: &TopicName) -> anyhow::Result<()> {
    let timeouts = Timeouts { connect: replay.timeout, request: replay.timeout };
    let cluster = Cluster::new(timeouts, user_agent("nsq_tail"))?;
    let topic = topic.as_str();
    let mut nsqds = replay.nsqds.clone();
    if !options.sources.lookupds.is_empty() {
        let found = cluster.producers(&options.sources.lookupds, topic).await;
        let found = found.context("--from: cannot find the nsqds of the topic")?;
        nsqds.extend(found.found);
    }
    let created = cluster.create_channel_from(&nsqds, topic, options.channel.as_str(), &replay.from).await;
    created.map_err(|cause| anyhow!("--from={}: {cause}", replay.from))
}

/// Passes a consumer's messages on, until it ends.
async fn pass_on(mut consumer: Consumer, topic: Arc<str>, queue: Sender<Batch>) {
    loop {
        let mut messages = Vec::new();
        if consumer.next_batch(&mut messages, BATCH_MESSAGES_MAX).await == 0 {
            return;
        }
        // Without an output the messages are dropped, which sends them back.
        if queue.send(Batch { topic: Arc::clone(&topic), messages }).await.is_err() {
            return;
        }
    }
}

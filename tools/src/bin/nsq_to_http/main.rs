//! Makes an HTTP request of each message.

mod handler;
mod requests;

use std::{env, process::ExitCode, sync::Arc};

use client::Consumer;
use tokio::sync::Semaphore;
use tools::{StopSignal, Watched, given_up::GivenUp, log, options::nsq_to_http::Options};

use crate::handler::Handler;

fn main() -> ExitCode {
    let options = match Options::load(env::args_os().skip(1)) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let log = log::config(&["nsq_to_http", "tools"]);
    tools::run(log, &options.warnings, Watched::InterruptAndTerminate, |stop| run(&options, stop))
}

async fn run(options: &Options, stop: StopSignal) -> anyhow::Result<()> {
    let handler = Arc::new(Handler::new(options)?);
    let (topic, channel) = (options.topic.clone(), options.channel.clone());
    let source = options.sources.of_consumer();
    let consumer = tokio::select! {
        consumer = Consumer::connect(topic, channel, options.consumer.clone(), source) => consumer?,
        () = stop.wait() => return Ok(()),
    };
    let handle = consumer.handle();
    let given_up = options.given_up_topic.clone().map(|topic| GivenUp::new(topic, options.consumer.clone()));
    tokio::spawn(send_all(consumer, handler, given_up, options.concurrency));
    stop.wait().await;
    // What came is still sent and finished, for up to 30 s.
    handle.stop();
    handle.stopped().await;
    Ok(())
}

/// Hands a consumer's messages out, until it ends.
async fn send_all(
    mut consumer: Consumer,
    handler: Arc<Handler>,
    given_up: Option<Arc<GivenUp>>,
    concurrency: usize,
) {
    let slots = Arc::new(Semaphore::new(concurrency));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the slots are never closed");
        let Some(message) = consumer.next().await else { return };
        if let Some(given_up) = given_up.as_ref().filter(|_| message.is_given_up()) {
            given_up.take(message);
            continue;
        }
        if !handler.is_sampled() {
            message.finish();
            continue;
        }
        let handler = Arc::clone(&handler);
        tokio::spawn(async move {
            handler.handle(message).await;
            drop(slot);
        });
    }
}

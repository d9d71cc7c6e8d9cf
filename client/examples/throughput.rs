//! How fast the client is: publishes messages of 200 bytes to an nsqd, one at a time and in batches, and consumes them.
//!
//! ```text
//! cargo run --release -p client --example throughput -- 127.0.0.1:4150 2000000
//! ```
//!
//! The topics stay: give it an nsqd that is for trying out. `docs/benchmarks.md` has its figures.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use bytes::Bytes;
use client::{Config, Consumer, Message, Producer, Source};
use tokio::task::JoinSet;

const BODY_BYTES: usize = 200;
const BATCH: usize = 200;
const PUBLISHERS: usize = 100;
const MAX_IN_FLIGHT: u32 = 2500;

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:4150".to_owned());
    let count: usize = arguments.next().map_or(Ok(2_000_000), |count| count.parse())?;
    for is_multi in [false, true] {
        let mut builder = if is_multi {
            tokio::runtime::Builder::new_multi_thread()
        } else {
            tokio::runtime::Builder::new_current_thread()
        };
        let runtime = builder.enable_all().build()?;
        say(if is_multi { "runtime of many threads" } else { "runtime of one thread" })?;
        let topic = format!("throughput_{}_{is_multi}", std::process::id());
        runtime.block_on(async {
            // The channel comes first: it is to get everything.
            let mut consumer = consumer(&address, &topic).await?;
            consumer.handle().set_max_in_flight(0);
            measure("PUB, 100 under way", count / 4, publish_each(&address, &topic, count / 4)).await?;
            measure("MPUB of 200", count, publish_batches(&address, &topic, count)).await?;
            consumer.handle().set_max_in_flight(MAX_IN_FLIGHT);
            measure("receive and finish", count / 4 + count, consume(&mut consumer, count / 4 + count))
                .await?;
            measure("publish and consume", count, async {
                let publishing = tokio::spawn({
                    let (address, topic) = (address.clone(), topic.clone());
                    async move { publish_batches(&address, &topic, count).await }
                });
                consume(&mut consumer, count).await?;
                publishing.await?
            })
            .await?;
            let handle = consumer.handle();
            drop(consumer);
            handle.stopped().await;
            Outcome::Ok(())
        })?;
    }
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

async fn measure(what: &str, count: usize, work: impl Future<Output = Outcome>) -> Outcome {
    let (began, cpu) = (Instant::now(), cpu());
    work.await?;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_since(cpu));
    let count = f64::from(u32::try_from(count)?);
    let (rate, each) = (count / seconds / 1e6, cpu.as_secs_f64() * 1e6 / count);
    Ok(say(&format!("{what:>20}: {rate:6.2} M/s, {each:.3} µs of the client's CPU each"))?)
}

fn cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0))
}

fn cpu_since(before: Duration) -> Duration {
    cpu().saturating_sub(before)
}

async fn consumer(address: &str, topic: &str) -> Result<Consumer, client::ConsumerError> {
    let config = Config { max_in_flight: MAX_IN_FLIGHT, ..Config::default() };
    let (topic, channel) = (topic.parse().expect("a name"), "c".parse().expect("a name"));
    Consumer::connect(topic, channel, config, Source::Nsqds(vec![address.to_owned()])).await
}

async fn consume(consumer: &mut Consumer, count: usize) -> Outcome {
    let mut left = count;
    let mut messages = Vec::new();
    while left != 0 {
        left -= consumer.next_batch(&mut messages, left).await;
        messages.drain(..).for_each(Message::finish);
    }
    Ok(())
}

async fn publish_each(address: &str, topic: &str, count: usize) -> Outcome {
    let producer = Producer::new(address, Config::default())?;
    let body = Bytes::from(vec![b'x'; BODY_BYTES]);
    let mut publishers = JoinSet::new();
    for _ in 0..PUBLISHERS {
        let (producer, topic, body) = (producer.clone(), topic.to_owned(), body.clone());
        publishers.spawn(async move {
            for _ in 0..count / PUBLISHERS {
                producer.publish(&topic, body.clone()).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(published) = publishers.join_next().await {
        published??;
    }
    Ok(())
}

async fn publish_batches(address: &str, topic: &str, count: usize) -> Outcome {
    let producer = Producer::new(address, Config::default())?;
    let bodies = vec![Bytes::from(vec![b'x'; BODY_BYTES]); BATCH];
    let mut publishers = JoinSet::new();
    for _ in 0..4 {
        let (producer, topic, bodies) = (producer.clone(), topic.to_owned(), bodies.clone());
        publishers.spawn(async move {
            for _ in 0..count / BATCH / 4 {
                producer.publish_multi(&topic, &bodies).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(published) = publishers.join_next().await {
        published??;
    }
    Ok(())
}

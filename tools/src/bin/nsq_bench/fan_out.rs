//! Consumers on one or more channels: the `sub` and `pubsub` subcommands.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use protocol::{ChannelName, IdentifyRequest, TopicName};

use crate::args::{Common, Consumers, Extent, PubsubArgs, Shape, SubArgs};
use crate::checksum::Tally;
use crate::connection::{Connection, identify};
use crate::consume::{Consumed, Consumer, Goal};
use crate::daemon_stats::{Meter, settle};
use crate::progress::Progress;
use crate::publish::{self, Published};
use crate::report::{Figure, Flow, Phase, Report, float};
use crate::run::{Run, join_all};

// Filling is not measured; this is what fills fast.
const FILL_CONNECTIONS: u32 = 2;
const FILL_BATCH: u32 = 200;
const FILL_DEPTH: u32 = 4;

/// Subscribed connections, channel by channel, with RDY 0.
#[derive(Debug)]
pub(crate) struct Channels(Vec<Vec<Connection>>);

impl Channels {
    /// Subscribes `per_channel` connections to each of `channels`.
    pub(crate) fn open(
        common: &Common,
        topic: &TopicName,
        identify: &IdentifyRequest,
        channels: u32,
        per_channel: u32,
    ) -> Result<Self> {
        let open_one = |channel: u32| {
            let mut connection = Connection::open(&common.nsqd_tcp_address, identify, common.stall_timeout)?;
            connection.subscribe(topic, &channel_name(channel))?;
            Ok(connection)
        };
        let open_channel = |channel| (0..per_channel).map(|_| open_one(channel)).collect::<Result<Vec<_>>>();
        Ok(Self((0..channels).map(open_channel).collect::<Result<Vec<_>>>()?))
    }

    /// Consumes on all of them, and meanwhile runs `publish` on this thread, which must set the goal if nobody has.
    /// Returns what each channel got.
    pub(crate) fn consume_while<T>(
        self,
        rdy: u32,
        goal: &Goal,
        time_zero: Option<Instant>,
        run: &Run,
        publish: impl FnOnce() -> Result<T>,
    ) -> Result<(Vec<Consumed>, T)> {
        let counters: Vec<_> = self.0.iter().map(|_| AtomicU64::new(0)).collect();
        let sizes: Vec<_> = self.0.iter().map(Vec::len).collect();
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (connections, channel_done) in self.0.into_iter().zip(&counters) {
                for connection in connections {
                    let consumer = Consumer { connection, rdy, channel_done, goal, time_zero };
                    threads.push(scope.spawn(move || run.watch(consumer.consume(run))));
                }
            }
            let published = run.watch(publish());
            let mut consumers = join_all(threads)?.into_iter();
            let published = published?;
            let channels = sizes.iter().filter_map(|size| consumers.by_ref().take(*size).reduce(joined));
            Ok((channels.collect(), published))
        })
    }
}

/// The name of a channel of this program.
pub(crate) fn channel_name(index: u32) -> ChannelName {
    format!("bench{index}").parse().expect("letters and digits")
}

fn joined(mut one: Consumed, other: Consumed) -> Consumed {
    one.merge(other);
    one
}

/// Checks that each channel got exactly what was published.
pub(crate) fn verify(channels: &[Consumed], published: Tally) -> Result<()> {
    for (index, consumed) in channels.iter().enumerate() {
        let Consumed { tally, redelivered, .. } = consumed;
        if tally.count != published.count {
            bail!(
                "channel bench{index} got {} messages of {} ({redelivered} redelivered)",
                tally.count,
                published.count
            );
        }
        if *tally != published {
            bail!(
                "channel bench{index} got the right number of messages but not each exactly once ({redelivered} redelivered)"
            );
        }
    }
    Ok(())
}

/// Deliveries on all channels as a flow, and how many there were.
fn delivered(channels: Vec<Consumed>, started: Instant) -> (Flow, u64, u64) {
    let Some(all) = channels.into_iter().reduce(joined) else {
        return (Flow::new("delivered", 0, 0, Duration::ZERO), 0, 0);
    };
    let count = all.tally.count;
    let elapsed = all.ended.map_or(Duration::ZERO, |ended| ended - started);
    (Flow::new("delivered", count, all.body_bytes / count.max(1), elapsed), count, all.redelivered)
}

/// The `sub` subcommand.
pub(crate) fn run_sub(common: &Common, options: &SubArgs) -> Result<Report> {
    let topic = common.topic_name();
    let Consumers { channels, rdy } = options.consumers;
    // Before the fill: the first channel would otherwise get the whole backlog for itself.
    let subscribed = Channels::open(common, &topic, &identify(common.layers), channels, options.connections)?;
    let filled = match options.fill {
        None => None,
        Some(messages) => Some(fill(common, &topic, messages, options.size)?),
    };
    settle(common.pid)?;
    let expected = filled.map(|tally| tally.count).or(options.messages);
    let run = Run::default();
    let meter = Meter::start(common.pid)?;
    let started = Instant::now();
    let goal = Goal::new(expected, options.duration.map(|limit| started + limit), common.stall_timeout);
    let (consumed, ()) = {
        let total = expected.map(|messages| messages * u64::from(channels));
        let _progress = Progress::start("sub", total, &run);
        subscribed.consume_while(rdy, &goal, None, &run, || Ok(()))?
    };
    let cost = meter.finish()?;
    if let (Some(published), None) = (filled, options.duration) {
        verify(&consumed, published)?;
    }
    let (flow, count, redelivered) = delivered(consumed, started);
    let phase = Phase::new("sub", vec![flow], &cost, "delivery", count).with_figure(Figure::new(
        "redelivered",
        float(redelivered),
        "messages",
    ));
    Ok(Report { command: "sub", topic: topic.to_string(), phases: vec![phase] })
}

/// Publishes a backlog and returns what it consists of.
fn fill(common: &Common, topic: &TopicName, messages: u64, size: u32) -> Result<Tally> {
    let run = Run::default();
    let shape = |batch| Shape { connections: FILL_CONNECTIONS, batch, size, depth: FILL_DEPTH };
    let extent = |messages| Extent { messages: Some(messages), duration: None };
    let _progress = Progress::start("fill", Some(messages), &run);
    let batch = if messages.is_multiple_of(FILL_BATCH.into()) { FILL_BATCH } else { 1 };
    let publishers = publish::open(common, topic, shape(batch), extent(messages))?;
    Ok(publish::publish_all(publishers, None, &run)?.tally)
}

/// The `pubsub` subcommand.
pub(crate) fn run_pubsub(common: &Common, options: &PubsubArgs) -> Result<Report> {
    let topic = common.topic_name();
    let Consumers { channels, rdy } = options.consumers;
    let per_channel = options.subscribers.unwrap_or(options.shape.connections);
    let subscribed = Channels::open(common, &topic, &identify(common.layers), channels, per_channel)?;
    let publishers = publish::open(common, &topic, options.shape, options.extent)?;
    let run = Run::default();
    let meter = Meter::start(common.pid)?;
    let started = Instant::now();
    let deadline = options.extent.time_limit().map(|limit| started + limit);
    let goal = Goal::new(None, None, common.stall_timeout);
    let (consumed, published) = {
        let total = options.extent.messages.map(|messages| messages * u64::from(channels + 1));
        let _progress = Progress::start("pubsub", total, &run);
        subscribed.consume_while(rdy, &goal, None, &run, || {
            let published = publish::publish_all(publishers, deadline, &run)?;
            goal.set_messages(published.tally.count);
            Ok(published)
        })?
    };
    let cost = meter.finish()?;
    verify(&consumed, published.tally)?;
    let Published { tally, ack_latency, ended, .. } = published;
    let (delivered, _, redelivered) = delivered(consumed, started);
    let published = Flow::new("published", tally.count, options.shape.size.into(), ended - started);
    let phase = Phase::new("pubsub", vec![published, delivered], &cost, "message", tally.count)
        .with_latency("ack", &ack_latency)
        .with_figure(Figure::new("redelivered", float(redelivered), "messages"));
    Ok(Report { command: "pubsub", topic: topic.to_string(), phases: vec![phase] })
}

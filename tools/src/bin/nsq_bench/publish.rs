//! Publishing with a window of commands in flight, and the `pub` subcommand.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Result, bail};
use hdrhistogram::Histogram;
use protocol::{Frame, HEARTBEAT, OK, TopicName};

use crate::args::{Common, Extent, PubArgs, Shape};
use crate::checksum::{Tally, first_number};
use crate::connection::{Connection, Filled, identify};
use crate::daemon_stats::Meter;
use crate::paced;
use crate::progress::Progress;
use crate::report::{Flow, Phase, Report, latency_histogram, nanoseconds};
use crate::run::{Run, join_all};
use crate::template::Template;

// Commands that go out in one write, at most, unless one alone is larger.
const WRITE_BYTES: usize = 256 * 1024;
// Name, command word and length fields of one command, roughly.
const COMMAND_OVERHEAD_BYTES: usize = 80;
// On a schedule nothing limits what is in flight; this only says how many commands one write may catch up.
pub(crate) const PACED_DEPTH: u32 = 128;

/// One publishing connection and its share of the work.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) connection: Connection,
    pub(crate) template: Template,
    pub(crate) first_number: u64,
    /// Commands in flight at most.
    pub(crate) depth: u64,
    /// Commands to send at most.
    pub(crate) quota: u64,
}

/// What was published and acknowledged.
#[derive(Debug)]
pub(crate) struct Published {
    /// Their numbers.
    pub(crate) tally: Tally,
    /// From the write of each command (or its scheduled time) to its OK.
    pub(crate) ack_latency: Histogram<u64>,
    /// From the scheduled time of each command to its write; empty without a schedule.
    pub(crate) send_delay: Histogram<u64>,
    /// When the last OK came.
    pub(crate) ended: Instant,
}

/// Opens the connections of `shape` to one topic, each with its share of `extent`.
pub(crate) fn open(
    common: &Common,
    topic: &TopicName,
    shape: Shape,
    extent: Extent,
) -> Result<Vec<Publisher>> {
    let (batch, body_bytes) = (shape.batch as usize, shape.size as usize);
    let command_bytes = batch * (4 + body_bytes) + COMMAND_OVERHEAD_BYTES;
    let copies = (shape.depth as usize).div_ceil(2).min(WRITE_BYTES / command_bytes).max(1);
    let template = Template::one_topic(topic, batch, body_bytes, copies);
    let quota = extent.messages.map(|messages| messages.div_ceil(u64::from(shape.batch)));
    open_with(common, &template, shape.connections, shape.depth, quota)
}

/// Opens `connections` that share `commands` of one template.
pub(crate) fn open_with(
    common: &Common,
    template: &Template,
    connections: u32,
    depth: u32,
    commands: Option<u64>,
) -> Result<Vec<Publisher>> {
    (0..connections as usize)
        .map(|index| {
            let connection =
                Connection::open(&common.nsqd_tcp_address, &identify(common.layers), common.stall_timeout)?;
            let quota =
                commands.map_or(u64::MAX, |commands| share(commands, u64::from(connections), index as u64));
            let (template, first_number) = (template.clone(), first_number(index));
            Ok(Publisher { connection, template, first_number, depth: u64::from(depth), quota })
        })
        .collect()
}

/// The part of `total` that falls to one of `parts`.
pub(crate) fn share(total: u64, parts: u64, index: u64) -> u64 {
    total / parts + u64::from(index < total % parts)
}

/// Publishes on all connections at once, a thread each.
pub(crate) fn publish_all(
    publishers: Vec<Publisher>,
    deadline: Option<Instant>,
    run: &Run,
) -> Result<Published> {
    std::thread::scope(|scope| {
        let threads = publishers
            .into_iter()
            .map(|publisher| scope.spawn(move || run.watch(publisher.publish(deadline, run))))
            .collect();
        join_all(threads).map(Published::merge)
    })
}

impl Publisher {
    /// Keeps between half and all of the window in flight: commands are then written, and their OKs read, many at
    /// a time.
    fn publish(mut self, deadline: Option<Instant>, run: &Run) -> Result<Published> {
        let batch = self.template.batch();
        let mut ack_latency = latency_histogram();
        // One entry per write: when, and how many of its commands are not yet answered.
        let mut writes: VecDeque<(Instant, u64)> = VecDeque::new();
        let (mut sent, mut acked) = (0, 0);
        let mut now = Instant::now();
        loop {
            if sent - acked <= self.depth / 2 && deadline.is_none_or(|deadline| now < deadline) {
                let in_flight_max = self.quota.min(acked + self.depth);
                while sent < in_flight_max {
                    let room = usize::try_from(in_flight_max - sent)?;
                    let (bytes, count) = self.template.take(room, self.first_number + sent * batch);
                    writes.push_back((Instant::now(), count as u64));
                    self.connection.send(bytes)?;
                    sent += count as u64;
                }
            }
            if sent == acked || run.has_failed() {
                break;
            }
            let answered = read_acks(&mut self.connection)?;
            now = Instant::now();
            acked += answered;
            run.add_done(answered * batch);
            record(&mut writes, answered, now, &mut ack_latency)?;
        }
        let tally = Tally::of_published(self.first_number, acked * batch, self.template.body_bytes());
        Ok(Published { tally, ack_latency, send_delay: latency_histogram(), ended: now })
    }
}

impl Published {
    /// Joins the results of all connections.
    pub(crate) fn merge(parts: Vec<Self>) -> Self {
        let mut all = Self {
            tally: Tally::default(),
            ack_latency: latency_histogram(),
            send_delay: latency_histogram(),
            ended: Instant::now(),
        };
        if let Some(ended) = parts.iter().map(|part| part.ended).max() {
            all.ended = ended;
        }
        for part in parts {
            all.tally.merge(part.tally);
            all.ack_latency += part.ack_latency;
            all.send_delay += part.send_delay;
        }
        all
    }
}

/// Waits for answers and counts the OKs among them.
pub(crate) fn read_acks(connection: &mut Connection) -> Result<u64> {
    if connection.fill()? == Filled::TimedOut {
        bail!("short count: no OK came in time; see --stall-timeout");
    }
    let mut acks = 0;
    while let Some(frame) = connection.next_frame()? {
        match frame {
            Frame::Response(OK) => acks += 1,
            // Any command counts as the answer to a heartbeat, and here one is always on its way.
            Frame::Response(HEARTBEAT) => {}
            other => bail!("unexpected answer to a publish: {other:?}"),
        }
    }
    Ok(acks)
}

/// Ends the latency of the `answered` oldest commands.
fn record(
    writes: &mut VecDeque<(Instant, u64)>,
    mut answered: u64,
    now: Instant,
    histogram: &mut Histogram<u64>,
) -> Result<()> {
    while answered > 0 {
        let Some((written, open)) = writes.front_mut() else { bail!("more OKs than commands") };
        let taken = answered.min(*open);
        histogram.saturating_record_n(nanoseconds(now - *written), taken);
        answered -= taken;
        *open -= taken;
        if *open == 0 {
            writes.pop_front();
        }
    }
    Ok(())
}

/// The `pub` subcommand.
pub(crate) fn run(common: &Common, options: &PubArgs) -> Result<Report> {
    let (topic, run) = (common.topic_name(), Run::default());
    let mut shape = options.shape;
    if options.rate.is_some() {
        shape.depth = PACED_DEPTH;
    }
    let publishers = open(common, &topic, shape, options.extent)?;
    let meter = Meter::start(common.pid)?;
    let started = Instant::now();
    let published = {
        let _progress = Progress::start("pub", options.extent.messages, &run);
        match options.rate {
            None => {
                let deadline = options.extent.time_limit().map(|limit| started + limit);
                publish_all(publishers, deadline, &run)?
            }
            Some(rate) => paced::publish_all(publishers, rate, options.extent, started, &run)?,
        }
    };
    let cost = meter.finish()?;
    let count = published.tally.count;
    let flow = Flow::new("published", count, options.shape.size.into(), published.ended - started);
    let phase = Phase::new("pub", vec![flow], &cost, "message", count)
        .with_latency("ack", &published.ack_latency)
        .with_latency("send delay", &published.send_delay);
    Ok(Report { command: "pub", topic: topic.to_string(), phases: vec![phase] })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn shares_add_up() {
        for (total, parts) in [(10, 3), (2, 4), (0, 1), (1_000_001, 7)] {
            assert_eq!((0..parts).map(|index| share(total, parts, index)).sum::<u64>(), total);
        }
    }

    #[test]
    fn each_command_has_the_latency_of_its_own_write() {
        let start = Instant::now();
        let mut writes = VecDeque::from([(start, 2), (start + Duration::from_millis(1), 2)]);
        let mut histogram = latency_histogram();
        record(&mut writes, 3, start + Duration::from_millis(2), &mut histogram).unwrap();
        assert_eq!(writes, [(start + Duration::from_millis(1), 1)]);
        assert_eq!(histogram.count_between(1_990_000, 2_010_000), 2);
        assert_eq!(histogram.count_between(990_000, 1_010_000), 1);
        assert!(record(&mut writes, 2, start + Duration::from_millis(3), &mut histogram).is_err());
    }
}

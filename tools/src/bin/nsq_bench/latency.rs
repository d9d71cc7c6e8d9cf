//! The `latency` subcommand: end to end, at a fixed rate, through one channel to one consumer.

use std::time::Instant;

use anyhow::Result;
use protocol::IdentifyRequest;

use crate::args::{Common, LatencyArgs, Shape};
use crate::connection::identify;
use crate::consume::{Consumed, Goal};
use crate::daemon_stats::Meter;
use crate::fan_out::{Channels, verify};
use crate::paced;
use crate::progress::Progress;
use crate::publish::{self, PACED_DEPTH, Published};
use crate::report::{Flow, Phase, Report};
use crate::run::Run;

/// The `latency` subcommand.
pub(crate) fn run(common: &Common, options: &LatencyArgs) -> Result<Report> {
    let topic = common.topic_name();
    let identify =
        IdentifyRequest { output_buffer_timeout: options.output_buffer_timeout, ..identify(common.layers) };
    let channels = Channels::open(common, &topic, &identify, 1, 1)?;
    let shape = Shape { connections: 1, batch: 1, size: options.size, depth: PACED_DEPTH };
    let publishers = publish::open(common, &topic, shape, options.extent)?;
    let run = Run::default();
    let meter = Meter::start(common.pid)?;
    let started = Instant::now();
    let goal = Goal::new(None, None, common.stall_timeout);
    let (consumed, published) = {
        // Each message counts twice: acknowledged and arrived.
        let total = options.extent.messages.map(|messages| 2 * messages);
        let _progress = Progress::start("latency", total, &run);
        channels.consume_while(options.rdy, &goal, Some(started), &run, || {
            let published = paced::publish_all(publishers, options.rate, options.extent, started, &run)?;
            goal.set_messages(published.tally.count);
            Ok(published)
        })?
    };
    let cost = meter.finish()?;
    verify(&consumed, published.tally)?;
    let Published { tally, ack_latency, send_delay, ended } = published;
    let flow = Flow::new("published", tally.count, options.size.into(), ended - started);
    let mut phase = Phase::new("latency", vec![flow], &cost, "message", tally.count);
    for Consumed { latency, .. } in &consumed {
        phase = phase.with_latency("end to end", latency);
    }
    let phase = phase.with_latency("ack", &ack_latency).with_latency("send delay", &send_delay);
    Ok(Report { command: "latency", topic: topic.to_string(), phases: vec![phase] })
}

//! The `topics` subcommand: create many topics, then publish to all of them in turn.

use std::time::Instant;

use anyhow::{Context, Result};
use protocol::TopicName;

use crate::args::{Common, TopicsArgs};
use crate::daemon_stats::Meter;
use crate::progress::Progress;
use crate::publish::{self, Publisher};
use crate::report::{Flow, Phase, Report};
use crate::run::Run;
use crate::template::Template;

/// The `topics` subcommand.
pub(crate) fn run(common: &Common, options: &TopicsArgs) -> Result<Report> {
    let prefix = common.topic_name();
    let name = |index| format!("{prefix}_{index:06}").parse();
    let names =
        (0..options.topics).map(name).collect::<Result<Vec<TopicName>, _>>().context("shorten --topic")?;
    let template = Template::many_topics(&names, options.size as usize);
    let topics = u64::from(options.topics);
    let create = publish::open_with(common, &template, 1, 1, Some(topics))?;
    let create = measure(common, options, "topics, create", "topic", create, None)?;

    let quota = options.extent.messages;
    let mut publishers = publish::open_with(common, &template, options.connections, options.depth, quota)?;
    let step = (options.topics as usize).div_ceil(options.connections as usize);
    for (index, publisher) in publishers.iter_mut().enumerate() {
        publisher.template.start_at(index * step);
    }
    let turns = measure(common, options, "topics, round robin", "message", publishers, quota)?;
    Ok(Report { command: "topics", topic: prefix.to_string(), phases: vec![create, turns] })
}

fn measure(
    common: &Common,
    options: &TopicsArgs,
    name: &'static str,
    unit: &'static str,
    publishers: Vec<Publisher>,
    total: Option<u64>,
) -> Result<Phase> {
    let run = Run::default();
    let _progress = Progress::start(name, total, &run);
    let meter = Meter::start(common.pid)?;
    let started = Instant::now();
    // Creating has a count of its own and ends with it.
    let limit = if unit == "topic" { None } else { options.extent.time_limit() };
    let published = publish::publish_all(publishers, limit.map(|limit| started + limit), &run)?;
    let cost = meter.finish()?;
    let count = published.tally.count;
    let flow = Flow::new("published", count, options.size.into(), published.ended - started);
    Ok(Phase::new(name, vec![flow], &cost, unit, count).with_latency("ack", &published.ack_latency))
}

//! The `idle` subcommand: many subscribed connections, held by one thread.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use protocol::{Command, Frame, HEARTBEAT, IdentifyRequest, TopicName};

use crate::args::{Common, IdleArgs};
use crate::connection::{Connection, Filled, identify};
use crate::daemon_stats::{Cost, Meter, settle};
use crate::fan_out::channel_name;
use crate::progress::Progress;
use crate::report::{Figure, Flow, Phase, Report, float};
use crate::run::Run;

// A response or heartbeat; nothing else comes.
const BUFFER_BYTES: usize = 1024;
// Files open besides the connections.
const OTHER_FILES: u64 = 64;
const POLL_MAX: Duration = Duration::from_secs(1);

/// The `idle` subcommand.
pub(crate) fn run(common: &Common, options: &IdleArgs) -> Result<Report> {
    let topic = common.topic_name();
    allow_open_files(u64::from(options.connections) + OTHER_FILES)?;
    let run = Run::default();
    let progress = Progress::start("open", Some(options.connections.into()), &run);
    let meter = Meter::start(common.pid)?;
    let started = Instant::now();
    let mut connections = open(common, &topic, options, &run)?;
    let opened = started.elapsed();
    settle(common.pid)?;
    let open_cost = meter.finish()?;
    drop(progress);

    let meter = Meter::start(common.pid)?;
    let started = Instant::now();
    let heartbeats = hold(&mut connections, started + options.duration)?;
    let held = started.elapsed();
    let hold_cost = meter.finish()?;

    let count = u64::from(options.connections);
    let flow = Flow::new("connections", count, 0, opened);
    let mut open_phase = Phase::new("idle, open", vec![flow], &open_cost, "connection", count);
    if let Some(bytes) = grown_bytes(&open_cost) {
        open_phase =
            open_phase.with_figure(Figure::new("RssAnon per connection", bytes / float(count), "bytes"));
    }
    let flow = Flow::new("heartbeats", heartbeats, 0, held);
    let mut hold_phase = Phase::new("idle, hold", vec![flow], &hold_cost, "connection", count);
    if let Some((cpu_time, ..)) = hold_cost.daemon {
        let share = 100.0 * cpu_time.as_secs_f64() / held.as_secs_f64();
        hold_phase = hold_phase.with_figure(Figure::new("daemon CPU", share, "% of one core"));
    }
    Ok(Report { command: "idle", topic: topic.to_string(), phases: vec![open_phase, hold_phase] })
}

/// Growth of the daemon's anonymous memory.
fn grown_bytes(cost: &Cost) -> Option<f64> {
    let (_, before, after) = cost.daemon?;
    Some(float(after.rss_anon_bytes) - float(before.rss_anon_bytes))
}

fn open(common: &Common, topic: &TopicName, options: &IdleArgs, run: &Run) -> Result<Vec<Connection>> {
    let heartbeat_interval = i64::try_from(options.heartbeat_interval.as_millis())?;
    let identify = IdentifyRequest { heartbeat_interval, ..identify(common.layers) };
    let mut connections = Vec::new();
    for index in 0..options.connections {
        let mut connection = Connection::open_with_buffer(
            &common.nsqd_tcp_address,
            &identify,
            common.stall_timeout,
            BUFFER_BYTES,
        )
        .with_context(|| format!("connection {} of {}", index + 1, options.connections))?;
        connection.subscribe(topic, &channel_name(index % options.channels))?;
        connection.ready(options.rdy)?;
        connections.push(connection);
        run.add_done(1);
    }
    Ok(connections)
}

/// Answers heartbeats until `deadline` and returns how many there were.
fn hold(connections: &mut [Connection], deadline: Instant) -> Result<u64> {
    let mut heartbeats = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).min(POLL_MAX);
        if left.is_zero() {
            return Ok(heartbeats);
        }
        for index in readable(connections, left)? {
            heartbeats += answer(&mut connections[index])
                .with_context(|| format!("connection {} of {}", index + 1, connections.len()))?;
        }
    }
}

/// Waits for input; gives the indices of the connections that have some, or have ended.
fn readable(connections: &[Connection], timeout: Duration) -> Result<Vec<usize>> {
    let mut polled: Vec<_> = connections
        .iter()
        .map(|connection| PollFd::new(connection.socket().as_fd(), PollFlags::POLLIN))
        .collect();
    poll(&mut polled, PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX))?;
    let ready = polled.iter().enumerate().filter(|(_, fd)| fd.any() == Some(true));
    Ok(ready.map(|(index, _)| index).collect())
}

fn answer(connection: &mut Connection) -> Result<u64> {
    if connection.fill()? == Filled::TimedOut {
        return Ok(0);
    }
    let mut heartbeats = 0;
    while let Some(frame) = connection.next_frame()? {
        match frame {
            Frame::Response(HEARTBEAT) => heartbeats += 1,
            other => bail!("an idle connection received {other:?}"),
        }
    }
    for _ in 0..heartbeats {
        connection.command(&Command::Nop)?;
    }
    Ok(heartbeats)
}

/// Raises the limit of open files as far as it takes.
fn allow_open_files(needed: u64) -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= needed {
        return Ok(());
    }
    if hard < needed {
        bail!("{needed} open files needed, the limit is {hard}; raise it with ulimit -Hn");
    }
    setrlimit(Resource::RLIMIT_NOFILE, needed, hard).context("cannot raise the limit of open files")
}

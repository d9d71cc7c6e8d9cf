//! The `lookupd` subcommand: a cluster's worth of nsqds that register with one nsqlookupd, and consumers that ask it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use hdrhistogram::Histogram;
use protocol::{ChannelName, LOOKUP_MAGIC, LookupCommand, LookupIdentify, TopicName, take_lookup_answer};

use crate::args::{Common, LookupdArgs};
use crate::daemon_stats::Meter;
use crate::http::Connection as Http;
use crate::report::{Figure, Flow, Phase, Report, float, latency_histogram, nanoseconds};
use crate::run::{Run, join_all};

/// Commands whose answers are awaited together.
const BATCH: usize = 500;
/// Answers of nsqlookupd to nsqds are short.
const ANSWER_BYTES_MAX: usize = 4096;
/// `/nodes` names every topic of every node.
const NODES_BYTES_MAX: usize = 1 << 30;
/// Threads that stand for the nsqds.
const THREADS: u32 = 4;
const NODES_REQUESTS: u32 = 5;

/// An nsqd as nsqlookupd sees it.
struct Node {
    stream: TcpStream,
    input: BytesMut,
}

/// The `lookupd` subcommand.
pub(crate) fn run(common: &Common, options: &LookupdArgs) -> Result<Report> {
    let (nodes, first) = register(common, options, "register")?;
    let lookups = lookup(common, options)?;
    let all = list_nodes(common, options)?;
    // Every nsqd loses its connection at once, and comes back.
    drop(nodes);
    let (nodes, storm) = register(common, options, "storm of reconnects")?;
    drop(nodes);
    let topic = "topic-…".to_owned();
    Ok(Report { command: "lookupd", topic, phases: vec![first, lookups, all, storm] })
}

fn register(common: &Common, options: &LookupdArgs, name: &'static str) -> Result<(Vec<Node>, Phase)> {
    let run = Run::default();
    let meter = Meter::start(common.pid)?;
    let started = Instant::now();
    let nodes = std::thread::scope(|scope| {
        let threads = (0..THREADS).map(|thread| {
            let run = run.clone();
            scope.spawn(move || {
                let mine = (thread..options.nodes).step_by(THREADS as usize);
                run.watch(
                    mine.map(|number| Node::register(common, options, number)).collect::<Result<Vec<_>>>(),
                )
            })
        });
        join_all(threads.collect())
    })?;
    let elapsed = started.elapsed();
    let cost = meter.finish()?;
    let count = u64::from(options.nodes) * u64::from(options.topics) * u64::from(options.channels.max(1));
    let flow = Flow::new("registered", count, 0, elapsed);
    let phase = Phase::new(name, vec![flow], &cost, "registration", count);
    Ok((nodes.into_iter().flatten().collect(), phase))
}

impl Node {
    fn register(common: &Common, options: &LookupdArgs, number: u32) -> Result<Self> {
        let address = &options.lookupd_tcp_address;
        let stream = TcpStream::connect(address)
            .with_context(|| format!("cannot connect to {address}; see --lookupd-tcp-address"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(common.stall_timeout))?;
        let mut node = Self { stream, input: BytesMut::new() };
        let mut out = BytesMut::from(&LOOKUP_MAGIC[..]);
        let identify = LookupIdentify {
            broadcast_address: format!("nsqd-{number}.example"),
            hostname: format!("nsqd-{number}"),
            http_port: 4151,
            tcp_port: 4150,
            topology_region: String::new(),
            topology_zone: String::new(),
            version: "1.3.0".to_owned(),
        };
        identify.encode(&mut out);
        node.tell(&out, 1)?;
        let mut count = 0;
        out.clear();
        for topic in 0..options.topics {
            let name = topic_name(topic)?;
            for channel in 0..options.channels.max(1) {
                let channel: Option<ChannelName> =
                    (options.channels != 0).then(|| format!("channel-{channel}").parse()).transpose()?;
                LookupCommand::Register(name.clone(), channel).encode(&mut out);
                count += 1;
            }
            if BATCH <= count {
                node.tell(&out, count)?;
                out.clear();
                count = 0;
            }
        }
        node.tell(&out, count)?;
        Ok(node)
    }

    /// Sends commands, and waits for as many answers.
    fn tell(&mut self, commands: &[u8], count: usize) -> Result<()> {
        self.stream.write_all(commands)?;
        let mut piece = [0; 16 << 10];
        let mut answered = 0;
        while answered < count {
            match take_lookup_answer(&mut self.input, ANSWER_BYTES_MAX)? {
                Some(answer) if answer.starts_with(b"E_") => {
                    bail!("nsqlookupd says {}", String::from_utf8_lossy(&answer));
                }
                Some(_) => answered += 1,
                None => {
                    let read =
                        self.stream.read(&mut piece).context("no answer in time; see --stall-timeout")?;
                    ensure!(read != 0, "nsqlookupd closed a connection");
                    self.input.extend_from_slice(&piece[..read]);
                }
            }
        }
        Ok(())
    }
}

fn topic_name(number: u32) -> Result<TopicName> {
    Ok(format!("topic-{number:06}").parse()?)
}

/// Consumers ask for topics in turn, one at a time.
fn lookup(common: &Common, options: &LookupdArgs) -> Result<Phase> {
    let mut http = Http::open(common, &options.lookupd_http_address)?;
    let meter = Meter::start(common.pid)?;
    let (started, mut latency, mut bytes) = (Instant::now(), latency_histogram(), 0);
    for number in 0..options.lookups {
        // Not in the order in which they were made.
        let topic = topic_name((number.wrapping_mul(7919)) % options.topics)?;
        bytes = ask(&mut http, &format!("/lookup?topic={topic}"), ANSWER_BYTES_MAX << 10, &mut latency)?;
    }
    let elapsed = started.elapsed();
    let cost = meter.finish()?;
    let count = options.lookups.into();
    let flow = Flow::new("asked", count, bytes as u64, elapsed);
    Ok(Phase::new("/lookup", vec![flow], &cost, "request", count).with_latency("answer", &latency))
}

fn list_nodes(common: &Common, options: &LookupdArgs) -> Result<Phase> {
    let mut http = Http::open(common, &options.lookupd_http_address)?;
    let meter = Meter::start(common.pid)?;
    let (started, mut latency, mut bytes) = (Instant::now(), latency_histogram(), 0);
    for _ in 0..NODES_REQUESTS {
        bytes = ask(&mut http, "/nodes", NODES_BYTES_MAX, &mut latency)?;
    }
    let elapsed: Duration = started.elapsed();
    let cost = meter.finish()?;
    let count = NODES_REQUESTS.into();
    let flow = Flow::new("asked", count, bytes as u64, elapsed);
    let size = Figure::new("answer", float(bytes as u64) / 1e6, "MB");
    let phase = Phase::new("/nodes", vec![flow], &cost, "request", count);
    Ok(phase.with_latency("answer", &latency).with_figure(size))
}

/// Asks, and returns the bytes of the answer.
fn ask(http: &mut Http, target: &str, bytes_max: usize, latency: &mut Histogram<u64>) -> Result<usize> {
    let begun = Instant::now();
    http.send(format!("GET {target} HTTP/1.1\r\nHost: nsqlookupd\r\n\r\n").as_bytes())?;
    let bytes = http.read_answer(bytes_max)?;
    latency.saturating_record(nanoseconds(begun.elapsed()));
    Ok(bytes)
}

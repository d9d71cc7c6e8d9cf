//! The command line of `nsq_bench`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use protocol::TopicName;

/// Linux gives no process a number as high as this. Far larger ones would turn into some other clock.
pub const PID_MAX: i32 = 1 << 22;

/// Load generator for NSQ: measures throughput, latency and the daemon's own cost over the V2 protocol.
#[derive(Debug, Parser)]
#[command(name = "nsq_bench", version, subcommand_required = true)]
pub struct Args {
    /// What every subcommand takes.
    #[command(flatten)]
    pub common: Common,
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

/// What every subcommand takes, in front of it or behind it.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// The server, as host:port.
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = "127.0.0.1:4150")]
    pub nsqd_tcp_address: String,
    /// The daemon's process id: adds its CPU time and memory to the result (same machine only).
    #[arg(long, global = true, value_parser = clap::value_parser!(i32).range(1..PID_MAX.into()))]
    pub pid: Option<i32>,
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Topic to use, for `topics` the front part of each name; a fresh name for each run when absent.
    #[arg(long, global = true, value_name = "NAME")]
    pub topic: Option<TopicName>,
    /// Give up when the server has been silent for this long although something is expected from it.
    #[arg(long, global = true, value_name = "TIME", default_value = "15s", value_parser = parse_duration)]
    pub stall_timeout: Duration,
    /// See there.
    #[command(flatten)]
    pub layers: Layers,
}

/// What connections run over. Not for `latency` and `pub --rate`.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Layers {
    /// Talk TLS; any certificate is taken.
    #[arg(long, global = true)]
    pub tls: bool,
    /// Compress.
    #[arg(long, global = true, value_enum)]
    pub compression: Option<CompressionArg>,
}

/// Which compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CompressionArg {
    /// Framed snappy.
    Snappy,
    /// Deflate, at the level that the server takes by default.
    Deflate,
}

impl Common {
    /// The topic asked for, or a name that no earlier run used.
    #[expect(clippy::missing_panics_doc, reason = "cannot panic: the name is made of what a name may have")]
    pub fn topic_name(&self) -> TopicName {
        self.topic.clone().unwrap_or_else(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let name = format!("bench_{:x}_{:x}", since_epoch.as_millis(), std::process::id());
            name.parse().expect("letters, digits and less than 64 bytes")
        })
    }
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publish, and wait for each OK.
    Pub(PubArgs),
    /// Consume a backlog; only the consuming phase is measured.
    Sub(SubArgs),
    /// Publish and consume at the same time.
    Pubsub(PubsubArgs),
    /// Publish at a fixed rate to one consumer and measure the time from the intended send to the arrival.
    Latency(LatencyArgs),
    /// Publish by POST /pub on connections that are kept alive, each with one request at a time.
    Http(HttpArgs),
    /// Register many nsqds with an nsqlookupd, ask it, and let all of them come back at once.
    Lookupd(LookupdArgs),
    /// Hold many subscribed connections that do nothing.
    Idle(IdleArgs),
    /// Create many topics by one PUB each, then PUB to all of them in turn.
    Topics(TopicsArgs),
}

/// How much to publish. Whichever limit is met first ends the run; without either it lasts 10 s.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Extent {
    /// Messages in all, rounded up to whole batches.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=MESSAGES_MAX))]
    pub messages: Option<u64>,
    /// How long to publish, such as 500ms, 10s, 2m.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
}

impl Extent {
    /// The time limit in force.
    pub fn time_limit(self) -> Option<Duration> {
        match (self.messages, self.duration) {
            (None, None) => Some(Duration::from_secs(10)),
            (_, duration) => duration,
        }
    }
}

/// Shape of what each publishing connection sends.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Shape {
    /// Publishing connections.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub connections: u32,
    /// Messages in each MPUB; 1 sends PUB.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=BATCH_MAX))]
    pub batch: u32,
    /// Bytes of each body.
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=BODY_BYTES_MAX))]
    pub size: u32,
    /// Commands in flight on each connection; 1 waits for each OK before the next command.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=DEPTH_MAX))]
    pub depth: u32,
}

/// Options of `pub`.
#[derive(Debug, clap::Args)]
pub struct PubArgs {
    /// See there.
    #[command(flatten)]
    pub shape: Shape,
    /// See there.
    #[command(flatten)]
    pub extent: Extent,
    /// Messages a second in all, sent on a fixed schedule however slow the answers are; each latency then counts
    /// from the scheduled time.
    #[arg(long, value_name = "MSG/S", conflicts_with = "depth", value_parser = clap::value_parser!(u64).range(1..=RATE_MAX))]
    pub rate: Option<u64>,
}

/// The consuming side.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Consumers {
    /// Channels; each gets every message.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub channels: u32,
    /// RDY of each consumer.
    #[arg(long, default_value_t = 2500, value_parser = clap::value_parser!(u32).range(1..))]
    pub rdy: u32,
}

/// Options of `sub`.
#[derive(Debug, clap::Args)]
pub struct SubArgs {
    /// See there.
    #[command(flatten)]
    pub consumers: Consumers,
    /// Consumers on each channel.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub connections: u32,
    /// Publish this many messages first (after the channels exist), unmeasured; then consume exactly these. The
    /// topic must be empty.
    #[arg(long, value_name = "MESSAGES", conflicts_with = "messages", value_parser = clap::value_parser!(u64).range(1..=MESSAGES_MAX))]
    pub fill: Option<u64>,
    /// Bytes of each body published by --fill.
    #[arg(long, value_name = "BYTES", default_value_t = 200, requires = "fill", value_parser = clap::value_parser!(u32).range(1..=BODY_BYTES_MAX))]
    pub size: u32,
    /// Messages to consume on each channel from a backlog that is there already.
    #[arg(long, required_unless_present_any = ["fill", "duration"], value_parser = clap::value_parser!(u64).range(1..=MESSAGES_MAX))]
    pub messages: Option<u64>,
    /// Stop consuming after this time.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
}

/// Options of `pubsub`.
#[derive(Debug, clap::Args)]
pub struct PubsubArgs {
    /// See there.
    #[command(flatten)]
    pub shape: Shape,
    /// See there.
    #[command(flatten)]
    pub extent: Extent,
    /// See there.
    #[command(flatten)]
    pub consumers: Consumers,
    /// Consumers on each channel; as many as --connections when absent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub subscribers: Option<u32>,
}

/// Options of `latency`.
#[derive(Debug, clap::Args)]
pub struct LatencyArgs {
    /// Messages a second.
    #[arg(long, value_name = "MSG/S", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=RATE_MAX))]
    pub rate: u64,
    /// See there.
    #[command(flatten)]
    pub extent: Extent,
    /// Bytes of each body; the first 16 carry the number and the intended send time.
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(16..=BODY_BYTES_MAX))]
    pub size: u32,
    /// RDY of the consumer.
    #[arg(long, default_value_t = 2500, value_parser = clap::value_parser!(u32).range(1..))]
    pub rdy: u32,
    /// Output buffer timeout the consumer asks for in IDENTIFY, in ms (-1: none); the server's own when absent or 0.
    #[arg(
        long,
        value_name = "MS",
        allow_negative_numbers = true,
        default_value_t = 0,
        hide_default_value = true
    )]
    pub output_buffer_timeout: i64,
}

/// Options of `http`.
#[derive(Debug, clap::Args)]
pub struct HttpArgs {
    /// The server's HTTP, as host:port.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4151")]
    pub nsqd_http_address: String,
    /// Connections.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub connections: u32,
    /// Bytes of each body.
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=BODY_BYTES_MAX))]
    pub size: u32,
    /// See there.
    #[command(flatten)]
    pub extent: Extent,
}

/// Options of `lookupd`.
#[derive(Debug, clap::Args)]
pub struct LookupdArgs {
    /// The nsqlookupd, as host:port.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4160")]
    pub lookupd_tcp_address: String,
    /// Its HTTP, as host:port.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4161")]
    pub lookupd_http_address: String,
    /// The nsqds.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub nodes: u32,
    /// Topics of each; all have the same.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub topics: u32,
    /// Channels of each topic.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub channels: u32,
    /// Requests for a topic.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub lookups: u32,
}

/// Options of `idle`.
#[derive(Debug, clap::Args)]
pub struct IdleArgs {
    /// Connections to hold.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,
    /// Channels over which they are spread.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub channels: u32,
    /// RDY of each connection.
    #[arg(long, default_value_t = 1)]
    pub rdy: u32,
    /// How long to hold them once all are open.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Heartbeat interval asked for in IDENTIFY.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub heartbeat_interval: Duration,
}

/// Options of `topics`.
#[derive(Debug, clap::Args)]
pub struct TopicsArgs {
    /// Topics to create.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub topics: u32,
    /// Connections that publish round robin; creating uses one, a command at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    pub connections: u32,
    /// Commands in flight on each connection while publishing round robin.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=DEPTH_MAX))]
    pub depth: u32,
    /// Bytes of each body.
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=BODY_BYTES_MAX))]
    pub size: u32,
    /// See there.
    #[command(flatten)]
    pub extent: Extent,
}

// Each connection costs a thread, except in `idle`.
const CONNECTIONS_MAX: i64 = 4096;
// A connection numbers its messages with 40 bits.
const MESSAGES_MAX: u64 = 1 << 40;
const BATCH_MAX: i64 = 1_000_000;
const BODY_BYTES_MAX: i64 = 64 << 20;
// So many OKs fit into the socket buffers while this side is busy writing; more could block both sides for ever.
const DEPTH_MAX: i64 = 10_000;
const RATE_MAX: u64 = 100_000_000;

/// Reads `500ms`, `10s`, `2m`, or a plain number of seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        _ => return Err(format!("unknown unit {unit:?}; use ms, s or m")),
    };
    let number: f64 = number.parse().map_err(|_| "not a time; write it like 500ms, 10s or 2m".to_owned())?;
    let duration = Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())?;
    if duration.is_zero() || duration > Duration::from_hours(24) {
        return Err("a time must be above zero and at most 24 hours".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_table_of_options_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "s", "0s", "5h", "-1s", "1e9", "1000000"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_run_without_limits_lasts_ten_seconds() {
        let unlimited = Extent { messages: None, duration: None };
        assert_eq!(unlimited.time_limit(), Some(Duration::from_secs(10)));
        let counted = Extent { messages: Some(1), duration: None };
        assert_eq!(counted.time_limit(), None);
    }

    #[test]
    fn common_options_are_taken_behind_the_subcommand() {
        let args = Args::try_parse_from(["nsq_bench", "pub", "--pid", "7", "--rate", "100"]).unwrap();
        assert_eq!(args.common.pid, Some(7));
        assert!(Args::try_parse_from(["nsq_bench", "pub", "--rate", "1", "--depth", "2"]).is_err());
        assert!(Args::try_parse_from(["nsq_bench", "sub"]).is_err());
        assert!(Args::try_parse_from(["nsq_bench", "pub", "--topic", "no!name"]).is_err());
    }
}

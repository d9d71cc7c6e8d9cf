//! The options of `nsq_to_file`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use client::Config;
use daemon::log::{self, Format};
use daemon::options::{
    Flag, Group, Loaded, Positional, Program, Reader, Refused, Stop, boolean, duration, int, text, texts,
};
use daemon::re2;
use regex::Regex;

use super::timeouts::positive;
use super::{
    NSQD_TCP_FLAG, Sources, Timeouts, consumer_config, consumer_options, source_flags, timeout_flags,
};
use crate::log::LIBRARIES;

const NAME: &str = "nsq_to_file";

/// The crates whose lines begin with `--log-prefix`.
const CRATES: &[&str] = &[NAME, "tools"];

/// `--max-in-flight`: what an nsqd may be asked for at most, and far beyond what is of use.
const MAX_IN_FLIGHT_MAX: i64 = 1 << 24;

/// How files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As the messages are.
    Plain,
    /// A chain of gzip members, RFC 1952.
    Gzip {
        /// 1 to 9.
        level: u32,
    },
    /// A chain of zstd frames with checksums, RFC 8878.
    Zstd {
        /// 1 to 19.
        level: i32,
    },
}

impl Encoding {
    /// What file names end in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip { .. } => ".gz",
            Self::Zstd { .. } => ".zst",
        }
    }

    /// Whether a file is a chain of compressed pieces.
    pub fn is_compressed(self) -> bool {
        self != Self::Plain
    }
}

/// Which topics are written.
#[derive(Debug, Clone)]
pub enum Topics {
    /// Those of `--topic`, each once, in the order in which they were given. `--topic-pattern` has been applied to them.
    Named {
        /// The topics. They may be no legal names.
        topics: Vec<String>,
        /// Of those given, the ones that do not match.
        skipped: Vec<String>,
    },
    /// Those that nsqlookupds know, from time to time.
    Discovered {
        /// `--topic-pattern`.
        pattern: Regex,
        /// `--topic-refresh`.
        refresh: Duration,
        /// For the questions.
        timeouts: Timeouts,
    },
}

/// Where files are, how they are named, when they end.
#[derive(Debug, Clone)]
pub struct Files {
    /// `--output-dir`
    pub output_dir: PathBuf,
    /// `--work-dir`, or else the same.
    pub work_dir: PathBuf,
    /// `--datetime-format`
    pub datetime_format: String,
    /// `--filename-format`
    pub filename_format: String,
    /// `--host-identifier`
    pub host_identifier: String,
    /// `--gzip`, `--zstd`
    pub encoding: Encoding,
    /// `--skip-empty-files`
    pub skips_empty: bool,
    /// `--rotate-size`, if above 0.
    pub rotate_bytes: Option<u64>,
    /// `--rotate-interval`, if above 0.
    pub rotate_interval: Option<Duration>,
}

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Lines of the tool as the daemons write them, those of the client as its own.
    pub log: log::Config,
    /// Where messages come from.
    pub sources: Sources,
    /// Of which topics.
    pub topics: Topics,
    /// `--channel`
    pub channel: String,
    /// Of each topic's consumer: `--consumer-opt`, `--max-in-flight`.
    pub consumer: Config,
    /// `--sync-interval`
    pub sync_interval: Duration,
    /// The rest.
    pub files: Files,
}

/// The table.
pub fn program() -> Program {
    let groups = vec![
        Group::new("Messages", messages()),
        Group::new("Files", files()),
        Group::new(
            "Log",
            vec![
                text("log-level", "info", "lowest level that is logged: debug, info, warn, error, fatal"),
                text("log-prefix", "[nsq_to_file] ", "what stands before each line of the log"),
            ],
        ),
    ];
    Program::utility(NAME, Positional::Refused, groups)
}

fn messages() -> Vec<Flag> {
    let mut flags = vec![
        texts("topic", "topic to write (may be given several times)"),
        text("topic-pattern", "", "regular expression that the topic's name must match somewhere")
            .argument("expression"),
        duration("topic-refresh", Duration::from_mins(1), "how often topics are looked for without --topic"),
        text("channel", NAME, "channel that is consumed"),
        int(
            "max-in-flight",
            200,
            "messages of a topic that may be unacknowledged; so many are synced at once",
        ),
        consumer_options(),
    ];
    flags.extend(source_flags(NSQD_TCP_FLAG));
    flags.extend(timeout_flags(Duration::from_secs(5)));
    flags
}

fn files() -> Vec<Flag> {
    vec![
        text("output-dir", "/tmp", "folder of finished files").argument("path"),
        text("work-dir", "", "folder of files in progress, on the same file system")
            .argument("path")
            .default_note("the output folder"),
        text(
            "filename-format",
            "<TOPIC>.<HOST><REV>.<DATETIME>.log",
            "name of files; <TOPIC>, <HOST>, <PID>, <DATETIME> and <REV>, a number, are replaced",
        )
        .argument("format"),
        text("datetime-format", "%Y-%m-%d_%H", "what <DATETIME> is, in the way of strftime")
            .argument("format"),
        text("host-identifier", "", "what <HOST> is; <SHORT_HOST> and <HOSTNAME> are replaced")
            .default_note("short name of the host"),
        boolean("gzip", false, "compress files by gzip"),
        int("gzip-level", 6, "effort of gzip, 1 to 9"),
        boolean("zstd", false, "compress files by zstd"),
        int("zstd-level", 3, "effort of zstd, 1 to 19"),
        boolean("skip-empty-files", false, "make no file before there is a message for it"),
        int("rotate-size", 0, "begin another file when one has more than so many bytes; 0 for never"),
        duration("rotate-interval", Duration::ZERO, "begin another file after so long; 0 for never"),
        duration(
            "sync-interval",
            Duration::from_secs(30),
            "longest time until a message is synced and finished",
        ),
    ]
}

impl Options {
    /// Reads the command line, `args` being what follows the program's name. The texts are what the log is to warn of.
    ///
    /// # Errors
    /// [`Stop`] if the process is to end instead.
    pub fn load(args: impl IntoIterator<Item = OsString>) -> Result<(Self, Vec<String>), Stop> {
        let program = program();
        let Loaded { settings, warnings } = program.load(args)?;
        let mut reader = settings.reader();
        let options = Self::read(&mut reader).map_err(|cause| program.refuse(cause))?;
        reader.finish();
        Ok((options, warnings))
    }

    /// In the order of the reference's checks.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let log = log_config(reader)?;
        let channel = reader.text("channel").to_owned();
        if channel.is_empty() {
            return Err(Refused::new("--channel is required"));
        }
        let timeouts = Timeouts::read(reader)?;
        let sources = Sources::read(reader, NSQD_TCP_FLAG);
        sources.check_given(".")?;
        sources.check_one_kind()?;
        let encoding = encoding(reader)?;
        let topics = topics(reader, &sources, timeouts)?;
        let consumer = consumer(reader)?;
        let sync_interval = positive(reader, "sync-interval")?;
        let files = Files::read(reader, encoding);
        Ok(Self { log, sources, topics, channel, consumer, sync_interval, files })
    }
}

impl Files {
    fn read(reader: &mut Reader<'_>, encoding: Encoding) -> Self {
        let output_dir = PathBuf::from(reader.text("output-dir"));
        let work_dir = Some(reader.text("work-dir")).filter(|path| !path.is_empty()).map(PathBuf::from);
        let rotate_size = reader.int::<i64>("rotate-size", i64::MIN..=i64::MAX).unwrap_or(0);
        let rotate_ns = u64::try_from(reader.duration_ns("rotate-interval")).unwrap_or(0);
        Self {
            work_dir: work_dir.unwrap_or_else(|| output_dir.clone()),
            output_dir,
            datetime_format: reader.text("datetime-format").to_owned(),
            filename_format: reader.text("filename-format").to_owned(),
            host_identifier: reader.text("host-identifier").to_owned(),
            encoding,
            skips_empty: reader.boolean("skip-empty-files"),
            rotate_bytes: u64::try_from(rotate_size).ok().filter(|bytes| *bytes != 0),
            rotate_interval: Some(Duration::from_nanos(rotate_ns)).filter(|interval| !interval.is_zero()),
        }
    }
}

fn log_config(reader: &mut Reader<'_>) -> Result<log::Config, Refused> {
    let prefix = reader.text("log-prefix").to_owned();
    let level = reader.text("log-level").parse().map_err(|_| Refused::new("--log-level is invalid"))?;
    Ok(log::Config { prefix, level, format: Format::Nsq, file: None, crates: CRATES, libraries: LIBRARIES })
}

fn encoding(reader: &mut Reader<'_>) -> Result<Encoding, Refused> {
    let gzip_level = level(reader, "gzip-level", 9)?;
    let zstd_level = level(reader, "zstd-level", 19)?;
    match (reader.boolean("gzip"), reader.boolean("zstd")) {
        (false, false) => Ok(Encoding::Plain),
        (true, false) => Ok(Encoding::Gzip { level: gzip_level.unsigned_abs() }),
        (false, true) => Ok(Encoding::Zstd { level: zstd_level }),
        (true, true) => Err(Refused::new("use --gzip or --zstd not both")),
    }
}

fn level(reader: &mut Reader<'_>, name: &str, max: i32) -> Result<i32, Refused> {
    let level = reader.int::<i64>(name, i64::MIN..=i64::MAX)?;
    let refused = || Refused::new(format!("invalid --{name} value ({level}), should be 1-{max}"));
    i32::try_from(level).ok().filter(|level| (1..=max).contains(level)).ok_or_else(refused)
}

fn topics(reader: &mut Reader<'_>, sources: &Sources, timeouts: Timeouts) -> Result<Topics, Refused> {
    let named = reader.texts("topic");
    let pattern = reader.text("topic-pattern");
    let refresh = positive(reader, "topic-refresh");
    if named.is_empty() && pattern.is_empty() {
        return Err(Refused::new("--topic or --topic-pattern required"));
    }
    if named.is_empty() && sources.lookupds.is_empty() {
        return Err(Refused::new("--lookupd-http-address must be specified when no --topic specified"));
    }
    let pattern = re2::compile(pattern)
        .map_err(|_| Refused::value("topic-pattern", pattern, "is no regular expression"))?;
    if named.is_empty() {
        return Ok(Topics::Discovered { pattern, refresh: refresh?, timeouts });
    }
    let mut seen = BTreeSet::new();
    let once = named.iter().filter(|topic| seen.insert(topic.as_str())).cloned();
    let (topics, skipped) = once.partition(|topic| pattern.is_match(topic));
    Ok(Topics::Named { topics, skipped })
}

fn consumer(reader: &mut Reader<'_>) -> Result<Config, Refused> {
    let mut config = consumer_config(reader, NAME);
    config.max_in_flight = reader.int("max-in-flight", 1..=MAX_IN_FLIGHT_MAX)?;
    // Here nothing is wrong with a message that came often: the tool or an nsqd was killed as often. Given up, it would be lost.
    config.deliver_given_up = true;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "-nsqd-tcp-address=a:1";

    fn load(args: &[&str]) -> Result<Options, Stop> {
        Options::load(args.iter().map(OsString::from)).map(|(options, warnings)| {
            assert_eq!(warnings, [""; 0]);
            options
        })
    }

    #[track_caller]
    fn check_refused(args: &[&str], expected: &str) {
        let Err(Stop::Check { text }) = load(args) else { panic!("{args:?}: {:?}", load(args)) };
        assert_eq!(text, expected, "{args:?}");
    }

    #[test]
    fn checks_in_their_order() {
        // Each command line has one mistake less than the one before.
        let mut args = vec![
            "-topic-refresh=0",
            "-sync-interval=0",
            "-max-in-flight=0",
            "-gzip-level=0",
            "-nsqd-tcp-address=a:1",
            "-lookupd-http-address=b:1",
            "-http-client-request-timeout=0",
            "-http-client-connect-timeout=-1s",
            "-channel=",
            "-log-level=x",
        ];
        for expected in [
            "--log-level is invalid",
            "--channel is required",
            "--http-client-connect-timeout should be positive",
            "--http-client-request-timeout should be positive",
            "use --nsqd-tcp-address or --lookupd-http-address not both",
        ] {
            check_refused(&args, expected);
            args.pop();
        }
        check_refused(&args, "invalid --gzip-level value (0), should be 1-9");
        check_refused(&args[..4], "--nsqd-tcp-address or --lookupd-http-address required.");
        check_refused(&["-gzip-level=10", SOURCE], "invalid --gzip-level value (10), should be 1-9");
        check_refused(&["-zstd-level=20", SOURCE], "invalid --zstd-level value (20), should be 1-19");
        check_refused(&["-gzip", "-zstd", SOURCE], "use --gzip or --zstd not both");
        check_refused(&[SOURCE], "--topic or --topic-pattern required");
        let required = "--lookupd-http-address must be specified when no --topic specified";
        check_refused(&["-topic-pattern=x", SOURCE], required);
        check_refused(&["x", "-channel="], "unknown arguments: [x -channel=]");
    }

    #[test]
    fn what_nsq_takes_and_cannot_work_with_is_refused() {
        check_refused(&["-topic=t", SOURCE, "-sync-interval=0"], "--sync-interval should be positive");
        check_refused(&["-topic=t", SOURCE, "-max-in-flight=0"], "--max-in-flight=0: must be at least 1");
        let discovered = ["-lookupd-http-address=a:1", "-topic-pattern=("];
        check_refused(&discovered, "--topic-pattern=(: is no regular expression");
        let never = ["-lookupd-http-address=a:1", "-topic-pattern=x", "-topic-refresh=0"];
        check_refused(&never, "--topic-refresh should be positive");
        assert!(load(&["-topic=t", SOURCE, "-topic-refresh=0"]).is_ok(), "it has no meaning there");
    }

    #[test]
    fn defaults() {
        let options = load(&["-topic=t", "-topic=u", "-topic=t", SOURCE]).unwrap();
        assert_eq!(options.channel, "nsq_to_file");
        assert_eq!(options.consumer.max_in_flight, 200);
        assert!(options.consumer.user_agent.starts_with("nsq_to_file/1.3.0 "));
        assert_eq!(options.sync_interval, Duration::from_secs(30));
        let Topics::Named { topics, skipped } = options.topics else { panic!("{:?}", options.topics) };
        assert_eq!((topics, skipped), (vec!["t".to_owned(), "u".to_owned()], vec![]));
        let files = options.files;
        assert_eq!((files.output_dir, files.work_dir), ("/tmp".into(), "/tmp".into()));
        assert_eq!(
            (files.encoding, files.rotate_bytes, files.rotate_interval),
            (Encoding::Plain, None, None)
        );
    }

    #[test]
    fn values() {
        let flags = "-topic=a1 -topic=b -topic-pattern=\\d -gzip -gzip-level=9 -rotate-size=-5 -rotate-interval=-1s \
                     -work-dir=/w -output-dir=/o -nsqd-tcp-address=a:1";
        let options = load(&flags.split(' ').collect::<Vec<_>>()).unwrap();
        let Topics::Named { topics, skipped } = options.topics else { panic!("{:?}", options.topics) };
        assert_eq!((topics, skipped), (vec!["a1".to_owned()], vec!["b".to_owned()]));
        let files = options.files;
        assert_eq!(files.encoding, Encoding::Gzip { level: 9 });
        assert_eq!((files.output_dir, files.work_dir), ("/o".into(), "/w".into()));
        assert_eq!((files.rotate_bytes, files.rotate_interval), (None, None), "below 0 is off");
        let zstd =
            load(&["-zstd", "-zstd-level=19", "-rotate-size=5", "-rotate-interval=1h", "-topic=t", SOURCE]);
        let files = zstd.unwrap().files;
        assert_eq!(files.encoding, Encoding::Zstd { level: 19 });
        assert_eq!((files.rotate_bytes, files.rotate_interval), (Some(5), Some(Duration::from_hours(1))));
    }
}

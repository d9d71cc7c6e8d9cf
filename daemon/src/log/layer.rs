//! The subscriber that turns events into lines.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use jiff::Timestamp;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::{Interest, set_global_default};
use tracing::{Event, Metadata, Subscriber, callsite, error, info};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::io_cause;

use super::fields::Fields;
use super::line::start;
use super::output::Output;
use super::{Clock, Format, Level, json, line};

/// The target that marks an event as FATAL, a level that `tracing` does not have.
const FATAL_TARGET: &str = "fatal";

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// What stands before each line, with its blank: `[nsqd] `.
    pub prefix: String,
    /// The lowest level that is logged.
    pub level: Level,
    /// How a line is written.
    pub format: Format,
    /// The file to whose end lines are appended; stderr without one.
    pub file: Option<PathBuf>,
    /// The crates whose events are logged from `level` on; other crates' are logged from WARNING on.
    pub crates: &'static [&'static str],
    /// Further such crates, whose lines, unless in JSON, are written as by NSQ's client library: `2026/11/20 20:06:11 INF    1 text`.
    pub libraries: &'static [&'static str],
}

/// Why the log cannot be set up. There is none yet in which to say so.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// It has been set up already.
    #[error("the log is set up twice in one process")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
    /// Its file cannot be opened.
    #[error("cannot open the log file {}: {}", path.display(), io_cause(cause))]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

/// Sends the process's events to stderr or a file. To be called once, at start.
///
/// # Errors
/// [`InitError`] for a file that cannot be opened, and the second time.
pub fn init(config: Config) -> Result<Log, InitError> {
    let output = match config.file.clone() {
        None => Output::Stderr,
        Some(path) => Output::file(&path).map_err(|cause| InitError::File { path, cause })?,
    };
    let log = Log::new(config.level, output);
    let layer = LineLayer::new(config, Clock::local(), log.clone(), Arc::clone(&log.output));
    set_global_default(tracing_subscriber::registry().with(layer))?;
    Ok(log)
}

/// Logs why the process cannot go on, and returns the exit code for it.
pub fn fatal(text: impl Display) -> ExitCode {
    tracing::error!(target: FATAL_TARGET, "{text}");
    ExitCode::FAILURE
}

/// The running log: a handle to its level and its file.
#[derive(Debug, Clone)]
pub struct Log {
    level: Arc<AtomicU8>,
    output: Arc<Output>,
}

impl Log {
    fn new(level: Level, output: Output) -> Self {
        Self { level: Arc::new(AtomicU8::new(level as u8)), output: Arc::new(output) }
    }

    /// The lowest level that is logged.
    #[expect(clippy::missing_panics_doc, reason = "cannot panic: only a Level's number is stored")]
    pub fn level(&self) -> Level {
        let number = self.level.load(Ordering::Relaxed);
        Level::from_number(number.into()).expect("only a Level's number is stored")
    }

    /// Changes the lowest level that is logged, from the next event on.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
        // Callsites remember whether they are enabled, so that a disabled one costs next to nothing.
        callsite::rebuild_interest_cache();
    }

    /// The file to which lines go; `None` for stderr.
    pub fn file(&self) -> Option<&Path> {
        self.output.path()
    }

    /// Opens the file anew by its name, after it was renamed: each line is in the old file or in the new one. Does nothing
    /// without a file.
    ///
    /// # Errors
    /// What the system says. Lines go on to the old file then.
    pub fn reopen(&self) -> io::Result<()> {
        self.output.reopen()
    }

    /// What SIGHUP does to the log: opens its file anew, and says so. Whether there is one.
    pub fn turn_over(&self) -> bool {
        let Some(path) = self.file().map(Path::display) else { return false };
        match self.reopen() {
            Ok(()) => info!("SIGHUP: the log file {path} was opened anew"),
            Err(cause) => {
                let cause = io_cause(&cause);
                error!("SIGHUP: the log stays in the file that was {path} - {cause}");
            }
        }
        true
    }
}

struct LineLayer<W> {
    prefix: String,
    format: Format,
    crates: &'static [&'static str],
    libraries: &'static [&'static str],
    clock: Clock,
    log: Log,
    writer: W,
}

impl<W> LineLayer<W> {
    fn new(config: Config, clock: Clock, log: Log, writer: W) -> Self {
        let Config { prefix, format, crates, libraries, level: _, file: _ } = config;
        Self { prefix, format, crates, libraries, clock, log, writer }
    }

    fn line(&self, now: Timestamp, metadata: &Metadata<'_>, fields: &Fields) -> String {
        let level = level_of(metadata);
        let crate_name = crate_of(metadata);
        let is_library = self.libraries.contains(&crate_name);
        let start = match self.format {
            Format::Json => return json::line(self.program(), now, level, fields),
            Format::Nsq if !is_library => start(&self.prefix, &self.clock, now, level),
            Format::Plain if !is_library && self.is_ours(crate_name) => line::plain_start(&self.clock, now),
            Format::Nsq | Format::Plain => line::library_start(&self.clock, now, level),
        };
        line::line(start, fields)
    }

    /// The prefix without what sets it off from the line: `nsqd` of `[nsqd] `.
    fn program(&self) -> &str {
        self.prefix.trim_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ']'))
    }

    fn is_ours(&self, crate_name: &str) -> bool {
        crate_name == env!("CARGO_PKG_NAME")
            || crate_name == FATAL_TARGET
            || self.crates.contains(&crate_name)
            || self.libraries.contains(&crate_name)
    }

    fn is_enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = self.is_ours(crate_of(metadata));
        let level = level_of(metadata);
        metadata.is_event()
            && *metadata.level() != tracing::Level::TRACE
            && self.log.level() <= level
            && (is_ours || Level::Warn <= level)
    }
}

impl<S, W> Layer<S> for LineLayer<W>
where
    S: Subscriber,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.is_enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.is_enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.log.level() {
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error | Level::Fatal => LevelFilter::ERROR,
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = self.line(Timestamp::now(), event.metadata(), &fields);
        line.push('\n');
        // One write, so that lines of several threads do not mix. When the output is gone there is nobody to tell.
        let _ = self.writer.make_writer().write_all(line.as_bytes());
    }
}

fn crate_of<'a>(metadata: &Metadata<'a>) -> &'a str {
    metadata.target().split("::").next().unwrap_or_default()
}

fn level_of(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        _ if metadata.target() == FATAL_TARGET => Level::Fatal,
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG | tracing::Level::TRACE => Level::Debug,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use tracing::{debug, error, info, subscriber, trace, warn};

    use super::*;
    use crate::log::LINE_BYTES_MAX;

    /// Sends each line to the test.
    #[derive(Clone)]
    struct Lines(SyncSender<String>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn config(level: Level, format: Format) -> Config {
        Config { prefix: "[p] ".to_owned(), level, format, file: None, crates: &["ours"], libraries: &[] }
    }

    /// The lines that `events` writes, without the time.
    fn lines(level: Level, events: impl FnOnce(&Log)) -> Vec<String> {
        let (tx, rx): (_, Receiver<String>) = sync_channel(100);
        let log = Log::new(level, Output::Stderr);
        let layer = LineLayer::new(config(level, Format::Nsq), Clock::local(), log.clone(), Lines(tx));
        subscriber::with_default(tracing_subscriber::registry().with(layer), || events(&log));
        let without_time = |line: String| {
            let rest = line.strip_prefix("[p] ").unwrap().strip_suffix('\n').unwrap().to_owned();
            assert!(!rest.contains('\n'));
            rest.split_at("2026/11/20 21:22:44.003666 ".len()).1.to_owned()
        };
        rx.try_iter().map(without_time).collect()
    }

    fn one_of_each_level() {
        trace!("t");
        debug!("d");
        info!("i");
        warn!("w");
        error!("e");
        fatal("f");
    }

    #[test]
    fn text_comes_first_and_fields_follow() {
        let topic = "t";
        let given = lines(Level::Info, |_| {
            info!("TOPIC({topic}): created");
            info!(count = 3, topic, name = "a b", addr = %"1:2", text = ?"q", ok = true, share = 2.0, "kept");
        });
        let kept = r#"INFO: kept count=3 topic=t name="a b" addr=1:2 text="q" ok=true share=2.0"#;
        assert_eq!(given, ["INFO: TOPIC(t): created", kept]);
    }

    #[test]
    fn a_peer_cannot_write_a_line_of_its_own() {
        let name = "x\n[p] 2026/11/20 21:22:44.003666 FATAL: down";
        let given = lines(Level::Info, |_| {
            info!(name, "hello");
            info!("client({name})");
        });
        assert_eq!(given[0], r#"INFO: hello name="x\n[p] 2026/11/20 21:22:44.003666 FATAL: down""#);
        assert_eq!(given[1], r"INFO: client(x\n[p] 2026/11/20 21:22:44.003666 FATAL: down)");
    }

    #[test]
    fn a_line_has_a_bound() {
        let (tx, rx) = sync_channel(10);
        let log = Log::new(Level::Info, Output::Stderr);
        let layer = LineLayer::new(config(Level::Info, Format::Nsq), Clock::local(), log, Lines(tx));
        subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            info!(name = "x".repeat(100_000), other = "y".repeat(100_000), "long");
        });
        let line = rx.recv().unwrap();
        assert!(line.len() <= LINE_BYTES_MAX && LINE_BYTES_MAX - 10 < line.len(), "{}", line.len());
        assert!(line.ends_with("xx...\n"));
    }

    /// The same events as objects: one write a line, the prefix without its brackets, numbers as numbers.
    #[test]
    fn an_event_becomes_one_object() {
        let (tx, rx) = sync_channel(10);
        let log = Log::new(Level::Info, Output::Stderr);
        let layer = LineLayer::new(config(Level::Info, Format::Json), Clock::local(), log, Lines(tx));
        subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            warn!(count = 3, level = "a\n\"b", "TOPIC({}): created", "t");
            fatal("down");
        });
        let line = rx.recv().unwrap();
        let (time, rest) = line.strip_prefix("{\"time\":\"").unwrap().split_once('"').unwrap();
        let expected =
            r#","level":"warning","program":"p","message":"TOPIC(t): created","count":3,"level_":"a\n\"b"}"#;
        assert_eq!(rest, format!("{expected}\n"));
        assert_eq!(time.len(), "2026-11-20T21:22:44.003666Z".len());
        assert!(rx.recv().unwrap().contains(r#""level":"fatal","program":"p","message":"down"}"#));
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("inner"));
        let given = lines(Level::Info, |_| error!(error = &error as &(dyn Error + 'static), "failed"));
        assert_eq!(given, [r#"ERROR: failed error="outer: inner""#]);
    }

    #[test]
    fn the_level_filters_and_changes_at_run_time() {
        let all = ["DEBUG: d", "INFO: i", "WARNING: w", "ERROR: e", "FATAL: f"];
        let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal];
        for (index, level) in levels.into_iter().enumerate() {
            assert_eq!(lines(level, |_| one_of_each_level()), all[index..]);
            let changed = lines(Level::Info, |log| {
                log.set_level(level);
                assert_eq!(log.level(), level);
                one_of_each_level();
            });
            assert_eq!(changed, all[index..]);
        }
    }

    /// Scripts read the lines of utilities, which are written in two ways: their own, and those of the client inside.
    #[test]
    fn a_utility_writes_its_own_lines_and_those_of_its_library() {
        let written = |format| {
            let (tx, rx) = sync_channel(10);
            let log = Log::new(Level::Info, Output::Stderr);
            let config = Config { libraries: &["client"], ..config(Level::Info, format) };
            let layer = LineLayer::new(config, Clock::local(), log, Lines(tx));
            subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                info!(target: "ours", "own");
                info!(target: "client::consumer", "  1 [t/c] connecting");
                warn!(target: "hyper", "loud");
            });
            rx.try_iter().collect::<Vec<String>>()
        };
        let time = "2026/11/20 21:22:44 ".len();
        let lines = written(Format::Plain);
        let lines: Vec<&str> = lines.iter().map(|line| &line[time..]).collect();
        assert_eq!(lines, ["own\n", "INF    1 [t/c] connecting\n", "WRN  loud\n"]);
        let lines = written(Format::Nsq);
        assert!(lines[0].starts_with("[p] ") && lines[0].ends_with(" INFO: own\n"), "{lines:?}");
        assert_eq!(&lines[1][time..], "INF    1 [t/c] connecting\n");
        assert!(lines[2].starts_with("[p] ") && lines[2].ends_with(" WARNING: loud\n"), "{lines:?}");
    }

    /// A debugging operator wants this daemon's events, not those of its HTTP library.
    #[test]
    fn other_crates_are_logged_from_warning_on() {
        let given = lines(Level::Debug, |_| {
            info!(target: "hyper::proto", "quiet");
            warn!(target: "hyper::proto", "loud");
            info!(target: "ours::tcp", "ours");
            info!(target: "ours_not", "quiet");
        });
        assert_eq!(given, ["WARNING: loud", "INFO: ours"]);
    }
}

//! The flags of `nsq_stat`.

use std::ffi::OsString;
use std::time::Duration;

use daemon::options::{
    Group, Positional, Program, Refused, Settings, Source, Stop, boolean, duration, int, text,
};

use super::timeouts::positive;
use super::{Sources, Timeouts, source_flags, timeout_flags};

const NSQD_FLAG: &str = "nsqd-http-address";

/// What `nsq_stat` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The topic.
    pub topic: String,
    /// Its channel.
    pub channel: String,
    /// Whom to ask, over HTTP.
    pub sources: Sources,
    /// Between two reports.
    pub interval: Duration,
    /// Reports before it ends; for ever without.
    pub count: Option<u64>,
    /// Limits of requests.
    pub timeouts: Timeouts,
    /// Whether a report is a JSON object.
    pub json: bool,
    /// To be said once the log is there.
    pub warnings: Vec<String>,
}

/// The table.
pub fn program() -> Program {
    let [nsqd, lookupd] = source_flags(NSQD_FLAG);
    let [connect, request] = timeout_flags(Duration::from_secs(5));
    Program::utility(
        "nsq_stat",
        Positional::Ignored,
        vec![
            Group::new(
                "What to watch",
                vec![
                    text("topic", "", "topic"),
                    text("channel", "", "channel"),
                    nsqd,
                    lookupd,
                    connect,
                    request,
                ],
            ),
            Group::new(
                "Reports",
                vec![
                    duration("interval", Duration::from_secs(2), "time between two reports"),
                    int("count", 0, "number of reports").default_note("no end"),
                    boolean("json", false, "write each report as a JSON object"),
                ],
            ),
        ],
    )
}

impl Options {
    /// Reads and checks the command line behind the program's name.
    ///
    /// # Errors
    /// [`Stop`] if there is nothing to run.
    pub fn load(args: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let program = program();
        let loaded = program.load(args)?;
        Self::read(&loaded.settings, loaded.warnings).map_err(|refused| program.refuse(refused))
    }

    fn read(settings: &Settings, warnings: Vec<String>) -> Result<Self, Refused> {
        let mut reader = settings.reader();
        let topic = reader.text("topic").to_owned();
        let channel = reader.text("channel").to_owned();
        if topic.is_empty() || channel.is_empty() {
            return Err(Refused::new("--topic and --channel are required"));
        }
        let interval = positive(&mut reader, "interval")?;
        let timeouts = Timeouts::read(&mut reader)?;
        let given = settings.source("count") != Source::Default;
        let count = reader.int::<i64>("count", i64::MIN..=i64::MAX)?;
        let count = match u64::try_from(count) {
            _ if !given => None,
            Ok(count) if count != 0 => Some(count),
            _ => return Err(Refused::new("--count should be positive")),
        };
        let sources = Sources::read(&mut reader, NSQD_FLAG);
        sources.check()?;
        check_scheme(NSQD_FLAG, &sources.nsqds)?;
        check_scheme("lookupd-http-address", &sources.lookupds)?;
        let json = reader.boolean("json");
        reader.finish();
        Ok(Self { topic, channel, sources, interval, count, timeouts, json, warnings })
    }
}

fn check_scheme(flag: &str, addresses: &[String]) -> Result<(), Refused> {
    if addresses.iter().any(|address| address.contains("://")) {
        return Err(Refused::new(format!("--{flag} error - address should not contain scheme")));
    }
    Ok(())
}

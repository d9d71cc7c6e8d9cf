//! The flags of `to_nsq`.

use std::ffi::OsString;

use client::Config;
use daemon::options::{Group, Positional, Program, Refused, Settings, Stop, int, text, texts};

use super::{producer_config, producer_options};

/// What `to_nsq` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to publish. The name is nsqd's to judge.
    pub topic: String,
    /// Each gets every message; no address twice.
    pub nsqds: Vec<String>,
    /// What ends a message.
    pub delimiter: u8,
    /// Messages a second; no limit without.
    pub rate: Option<u32>,
    /// Settings of the producers.
    pub producer: Config,
    /// To be said once the log is there.
    pub warnings: Vec<String>,
}

/// The table.
pub fn program() -> Program {
    Program::utility(
        "to_nsq",
        Positional::Ignored,
        vec![
            Group::new(
                "Where to",
                vec![
                    text("topic", "", "topic"),
                    texts("nsqd-tcp-address", "nsqd that gets all messages (may be given several times)")
                        .argument("host:port"),
                    producer_options(),
                ],
            ),
            Group::new(
                "Input",
                vec![
                    text("delimiter", "\n", "the byte that ends a message").argument("byte"),
                    int("rate", 0, "messages a second at most; no limit below 1"),
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
        if topic.is_empty() {
            return Err(Refused::new("--topic required"));
        }
        let &[delimiter] = reader.text("delimiter").as_bytes() else {
            return Err(Refused::new("--delimiter must be a single byte"));
        };
        let mut nsqds: Vec<String> = Vec::new();
        for address in reader.texts("nsqd-tcp-address") {
            if !nsqds.contains(address) {
                nsqds.push(address.clone());
            }
        }
        if nsqds.is_empty() {
            return Err(Refused::new("--nsqd-tcp-address required"));
        }
        let rate = reader.int::<i64>("rate", i64::MIN..=i64::from(u32::MAX))?;
        let rate = u32::try_from(rate).ok().filter(|rate| *rate != 0);
        let producer = producer_config(&mut reader, "to_nsq");
        reader.finish();
        Ok(Self { topic, nsqds, delimiter, rate, producer, warnings })
    }
}

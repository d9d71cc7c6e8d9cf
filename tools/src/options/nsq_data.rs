//! The command line of `nsq_data`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use nsqd::offline::DataPath;
use protocol::TopicName;

/// Looks into the data path of an nsqd that is not running
#[derive(Debug, Parser)]
#[command(name = "nsq_data", version, about)]
pub struct Args {
    /// Directory of the queues
    #[arg(long, value_name = "PATH", default_value = ".", global = true)]
    pub data_path: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check every byte; ends with 0 if all is whole, 1 if something is damaged, 2 if that could not be found out
    Verify(Verify),
    /// List topics and channels with depths, sizes and the oldest message
    Ls(List),
    /// Print messages as JSON lines
    Dump(Dump),
    /// Write a data path that NSQ 1.3 starts from
    Export(Export),
}

/// Options of `verify`.
#[derive(Debug, ClapArgs)]
pub struct Verify {
    /// See there.
    #[command(flatten)]
    pub which: Which,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `ls`.
#[derive(Debug, ClapArgs)]
pub struct List {
    /// See there.
    #[command(flatten)]
    pub which: Which,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `dump`.
#[derive(Debug, ClapArgs)]
pub struct Dump {
    /// Topic whose messages are printed
    #[arg(long, value_name = "NAME")]
    pub topic: String,
    /// Only what this channel still has to deliver
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub channel: Option<String>,
    /// Stop after so many messages
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<u64>,
    /// Also messages that nobody waits for and that are still there
    #[arg(long)]
    pub all: bool,
}

/// Options of `export`.
#[derive(Debug, ClapArgs)]
pub struct Export {
    /// Form of the data path
    #[arg(long, value_enum)]
    pub format: Format,
    /// Directory to write, which must not exist or be empty
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// --max-msg-size of the NSQ that is to read it: it gives up a file at a larger message
    #[arg(long, value_name = "BYTES", default_value_t = 1_048_576)]
    pub max_msg_size: u32,
}

/// Forms of a data path.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// Disk queues and nsqd.dat of NSQ 1.x
    #[value(name = "nsq-1.x")]
    Nsq1,
}

/// Which topics are meant.
#[derive(Debug, ClapArgs)]
pub struct Which {
    /// Only this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
}

impl Which {
    /// The topics that are meant.
    ///
    /// # Errors
    /// The data path cannot be read, or has no such topic.
    pub fn topics(&self, data: &DataPath) -> anyhow::Result<Vec<TopicName>> {
        match &self.topic {
            None => Ok(data.topics()?),
            Some(name) => Ok(vec![topic_name(data, name)?]),
        }
    }
}

/// A topic that is there.
///
/// # Errors
/// The data path cannot be read, or has no such topic.
pub fn topic_name(data: &DataPath, name: &str) -> anyhow::Result<TopicName> {
    let topics = data.topics()?;
    let found = topics.into_iter().find(|topic| topic.as_str() == name);
    found.with_context(|| format!("there is no topic {name} in {}; see `nsq_data ls`", data.path().display()))
}

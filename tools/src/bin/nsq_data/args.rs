//! The command line.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use nsqd::offline::DataPath;
use protocol::TopicName;

/// Looks into the data path of an nsqd that is not running
#[derive(Debug, Parser)]
#[command(version, about)]
pub(super) struct Args {
    /// Directory of the queues
    #[arg(long, value_name = "PATH", default_value = ".", global = true)]
    pub(super) data_path: PathBuf,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check every byte; ends with 0 if all is whole, 1 if something is damaged, 2 if that could not be found out
    Verify(Verify),
    /// List topics and channels with depths, sizes and the oldest message
    Ls(List),
    /// Print messages as JSON lines
    Dump(Dump),
    /// Write a data path that NSQ 1.3 starts from
    Export(Export),
}

#[derive(Debug, ClapArgs)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) which: Which,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct List {
    #[command(flatten)]
    pub(super) which: Which,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Dump {
    /// Topic whose messages are printed
    #[arg(long, value_name = "NAME")]
    pub(super) topic: String,
    /// Only what this channel still has to deliver
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub(super) channel: Option<String>,
    /// Stop after so many messages
    #[arg(long, value_name = "COUNT")]
    pub(super) limit: Option<u64>,
    /// Also messages that nobody waits for and that are still there
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Export {
    /// Form of the data path
    #[arg(long, value_enum)]
    pub(super) format: Format,
    /// Directory to write, which must not exist or be empty
    #[arg(long, value_name = "DIR")]
    pub(super) to: PathBuf,
    /// --max-msg-size of the NSQ that is to read it: it gives up a file at a larger message
    #[arg(long, value_name = "BYTES", default_value_t = 1_048_576)]
    pub(super) max_msg_size: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// Disk queues and nsqd.dat of NSQ 1.x
    #[value(name = "nsq-1.x")]
    Nsq1,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Which {
    /// Only this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
}

impl Which {
    /// The topics that are meant.
    pub(super) fn topics(&self, data: &DataPath) -> anyhow::Result<Vec<TopicName>> {
        match &self.topic {
            None => Ok(data.topics()?),
            Some(name) => Ok(vec![topic_name(data, name)?]),
        }
    }
}

/// A topic that is there.
pub(super) fn topic_name(data: &DataPath, name: &str) -> anyhow::Result<TopicName> {
    let topics = data.topics()?;
    let found = topics.into_iter().find(|topic| topic.as_str() == name);
    found.with_context(|| format!("there is no topic {name} in {}; see `nsq_data ls`", data.path().display()))
}

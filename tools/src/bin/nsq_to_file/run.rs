//! The life of the tool: its topics, discovery, signals.

use std::process::{self, ExitCode};
use std::sync::Arc;

use client::{ChannelName, TopicName};
use daemon::log::fatal;
use daemon::signals::Hangups;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tools::StopSignal;
use tools::cluster::Cluster;
use tools::options::nsq_to_file::{Files, Options, Topics};
use tracing::{error, info, warn};

use crate::discovery::Discovery;
use crate::folder;
use crate::names::{NameError, NameSettings, Names};
use crate::opening::Place;
use crate::rotation::Limits;
use crate::topic::{Common, Topic, TopicError};

/// Consumes and writes until a signal; or until a failure, which is logged and whose exit code is given.
///
/// # Errors
/// What keeps the tool from beginning.
pub(crate) async fn run(options: Options, stop: StopSignal) -> anyhow::Result<Option<ExitCode>> {
    let mut hangups = Hangups::new()?;
    let Ok(channel) = options.channel.parse() else {
        return Ok(Some(fatal("invalid channel name")));
    };
    let mut tool = Tool::new(&options, channel, stop.clone())?;
    let mut discovered = match start(&mut tool, &options) {
        Ok(discovered) => discovered?,
        Err(cause) => return Ok(Some(fatal(cause))),
    };
    loop {
        tokio::select! {
            () = stop.wait() => break,
            () = hangups.next() => tool.hangups.send_modify(|count| *count += 1),
            Some(topics) = discovered.recv() => {
                for topic in topics {
                    if let Err(cause) = tool.begin(&topic) {
                        error!("{cause}");
                    }
                }
            }
            Some(ended) = tool.running.join_next() => {
                if let Err(cause) = ended? {
                    return Ok(Some(fatal(cause)));
                }
            }
        }
    }
    info!("stopping");
    while let Some(ended) = tool.running.join_next().await {
        if let Err(cause) = ended? {
            return Ok(Some(fatal(cause)));
        }
    }
    Ok(None)
}

/// The topics that the command line names, or the search for others, which then come through the queue.
fn start(
    tool: &mut Tool,
    options: &Options,
) -> Result<anyhow::Result<mpsc::Receiver<Vec<String>>>, BeginError> {
    // At the bound the search waits.
    let (tx, rx) = mpsc::channel(1);
    match &options.topics {
        Topics::Named { topics, skipped } => {
            for topic in skipped {
                warn!("skipping topic {topic} (doesn't match pattern)");
            }
            for topic in topics {
                tool.begin(topic)?;
            }
        }
        Topics::Discovered { pattern, refresh, timeouts } => {
            let cluster = match Cluster::new(*timeouts, options.consumer.user_agent.clone()) {
                Ok(cluster) => cluster,
                Err(cause) => return Ok(Err(cause.into())),
            };
            let discovery = Discovery::new(pattern.clone());
            tokio::spawn(discovery.run(cluster, options.sources.lookupds.clone(), *refresh, tx));
        }
    }
    Ok(Ok(rx))
}

/// Why a topic is not begun.
#[derive(Debug, thiserror::Error)]
#[error("couldn't create logger for new topic {topic}: {cause}")]
struct BeginError {
    topic: String,
    cause: BeginCause,
}

#[derive(Debug, thiserror::Error)]
enum BeginCause {
    #[error("invalid topic name")]
    Topic,
    #[error(transparent)]
    Files(#[from] NameError),
}

/// All topics that are written.
struct Tool {
    common: Arc<Common>,
    names: NameSettings,
    stop: StopSignal,
    hangups: watch::Sender<u64>,
    running: JoinSet<Result<(), TopicError>>,
}

impl Tool {
    fn new(options: &Options, channel: ChannelName, stop: StopSignal) -> anyhow::Result<Self> {
        let Files { encoding, rotate_bytes, rotate_interval, .. } = options.files;
        let files = &options.files;
        let is_moved = !folder::are_same(&files.work_dir, &files.output_dir);
        let is_rotated = rotate_bytes.is_some() || rotate_interval.is_some();
        let common = Common {
            channel,
            source: options.sources.of_consumer(),
            consumer: options.consumer.clone(),
            place: Place {
                work_dir: files.work_dir.clone(),
                output_dir: is_moved.then(|| files.output_dir.clone()),
                is_exclusive: encoding.is_compressed() || rotate_interval.is_some(),
                limits: Limits { bytes: rotate_bytes, age: rotate_interval },
            },
            encoding,
            skips_empty_files: files.skips_empty,
            sync_interval: options.sync_interval,
        };
        let names = NameSettings {
            filename_format: files.filename_format.clone(),
            datetime_format: files.datetime_format.clone(),
            host_identifier: files.host_identifier.clone(),
            hostname: daemon::hostname()?,
            process_id: process::id(),
            has_revisions: encoding.is_compressed() || is_rotated || is_moved,
            suffix: encoding.suffix(),
            zone: TimeZone::system(),
        };
        let (hangups, running) = (watch::Sender::new(0), JoinSet::new());
        Ok(Self { common: Arc::new(common), names, stop, hangups, running })
    }

    /// Begins to write a topic.
    fn begin(&mut self, topic: &str) -> Result<(), BeginError> {
        let failed = |cause| BeginError { topic: topic.to_owned(), cause };
        let name: TopicName = topic.parse().map_err(|_| failed(BeginCause::Topic))?;
        let names = Names::new(topic, &self.names).map_err(|cause| failed(cause.into()))?;
        let topic = Topic {
            name,
            names,
            common: self.common.clone(),
            stop: self.stop.clone(),
            hangups: self.hangups.subscribe(),
        };
        self.running.spawn(topic.run());
        Ok(())
    }
}

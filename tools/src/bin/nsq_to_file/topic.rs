//! One topic: its consumer on one side, its files on the other.

use std::sync::Arc;
use std::time::Duration;

use client::{ChannelName, Config, Consumer, ConsumerError, Handle, Message, Source, TopicName};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tools::StopSignal;
use tools::options::nsq_to_file::Encoding;

use crate::failure::Failure;
use crate::names::Names;
use crate::opening::Place;
use crate::sync_batch::{Line, SyncBatch};
use crate::topic_files::{Now, TopicFiles};

/// Messages that are written in one go. More wait in the consumer meanwhile, up to `--max-in-flight`.
const WRITTEN_AT_ONCE_MAX: usize = 1 << 16;

/// What all topics have in common.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) channel: ChannelName,
    pub(crate) source: Source,
    pub(crate) consumer: Config,
    pub(crate) place: Place,
    pub(crate) encoding: Encoding,
    pub(crate) skips_empty_files: bool,
    /// Longest time until a message is on the disk.
    pub(crate) sync_interval: Duration,
    /// How often more time is asked for, for messages that are not; if that is ever needed.
    pub(crate) touch_interval: Option<Duration>,
}

/// Why a topic is written no longer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopicError {
    #[error("couldn't create logger for new topic {topic}: {cause}")]
    Start { topic: TopicName, cause: ConsumerError },
    #[error("[{label}] {cause}")]
    Files { label: Arc<str>, cause: Failure },
}

/// A topic that is written by one task, until `stop`.
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) names: Names,
    pub(crate) common: Arc<Common>,
    pub(crate) stop: StopSignal,
    /// Counts the times that files are to be closed.
    pub(crate) hangups: watch::Receiver<u64>,
}

impl Line for Message {
    fn body(&self) -> &[u8] {
        &self.body
    }

    fn finish(self) {
        Message::finish(self);
    }

    fn touch(&self) {
        Message::touch(self);
    }
}

impl Topic {
    /// Consumes and writes until it is told to stop; then all that was received is on the disk, acknowledged, and its file is
    /// closed.
    ///
    /// # Errors
    /// If the consumer cannot begin, or the files fail.
    pub(crate) async fn run(self) -> Result<(), TopicError> {
        let Self { name, names, common, stop, hangups } = self;
        let label: Arc<str> = format!("{name}/{}", common.channel).into();
        let connect = Consumer::connect(
            name.clone(),
            common.channel.clone(),
            common.consumer.clone(),
            common.source.clone(),
        );
        let consumer = tokio::select! {
            consumer = connect => consumer.map_err(|cause| TopicError::Start { topic: name, cause })?,
            () = stop.wait() => return Ok(()),
        };
        let files = TopicFiles::new(label.clone(), names, common.place.clone(), common.encoding);
        let pending_max = usize::try_from(common.consumer.max_in_flight).unwrap_or(usize::MAX);
        let batch = SyncBatch::new(label.clone(), files, pending_max, common.skips_empty_files);
        let writing = Writing {
            handle: consumer.handle(),
            consumer,
            batch,
            incoming: Vec::new(),
            sync: every(common.sync_interval),
            touch: common.touch_interval.map(every),
            stop,
            hangups,
            is_stopping: false,
        };
        writing.run().await.map_err(|cause| TopicError::Files { label, cause })
    }
}

struct Writing {
    consumer: Consumer,
    handle: Handle,
    batch: SyncBatch<Message>,
    /// Received, not yet given to the batch.
    incoming: Vec<Message>,
    sync: Interval,
    touch: Option<Interval>,
    stop: StopSignal,
    hangups: watch::Receiver<u64>,
    is_stopping: bool,
}

/// What is to be done with the files. All of it may wait for the disk.
enum Job {
    /// Write what came in.
    Write {
        /// And do not wait for more.
        is_urgent: bool,
    },
    Tick,
    Sync,
    Close,
}

impl Writing {
    async fn run(mut self) -> Result<(), Failure> {
        while let Some(job) = self.next_job().await {
            self = self.on_a_thread(job).await?;
        }
        let handle = self.handle.clone();
        drop(self.on_a_thread(Job::Close).await?);
        // The last FINs are on their way until then.
        handle.stopped().await;
        Ok(())
    }

    /// `None` when the consumer has stopped and all that it received was written.
    async fn next_job(&mut self) -> Option<Job> {
        loop {
            tokio::select! {
                // First, since a busy consumer always has more.
                biased;
                () = self.stop.wait(), if !self.is_stopping => {
                    self.is_stopping = true;
                    self.handle.stop();
                    return Some(Job::Sync);
                }
                Ok(()) = self.hangups.changed() => return Some(Job::Close),
                _ = self.sync.tick(), if !self.is_stopping => return Some(Job::Tick),
                () = tick(self.touch.as_mut()) => self.batch.touch(),
                count = self.consumer.next_batch(&mut self.incoming, WRITTEN_AT_ONCE_MAX) => {
                    // A consumer that may get no more until these are finished must not wait for the interval.
                    let is_urgent = self.is_stopping || self.handle.is_starved();
                    return (count != 0).then_some(Job::Write { is_urgent });
                }
            }
        }
    }

    /// Files are written on a thread that may wait, one job of a topic at a time.
    async fn on_a_thread(mut self, job: Job) -> Result<Self, Failure> {
        let done = tokio::task::spawn_blocking(move || self.work(&job).map(|()| self)).await;
        done.expect("it does not panic, and nobody cancels it")
    }

    fn work(&mut self, job: &Job) -> Result<(), Failure> {
        let now = Now::read();
        match job {
            Job::Write { is_urgent } => {
                self.batch.write(&mut self.incoming, now)?;
                if *is_urgent { self.batch.sync() } else { Ok(()) }
            }
            Job::Tick => self.batch.tick(now),
            Job::Sync => self.batch.sync(),
            Job::Close => self.batch.close(),
        }
    }
}

/// Ticks from one period on.
fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Never, without an interval.
async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => _ = interval.tick().await,
        None => std::future::pending().await,
    }
}

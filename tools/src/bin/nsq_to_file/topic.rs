//! One topic: its consumer on one side, its files on the other.

use std::sync::Arc;
use std::time::Duration;

use client::{ChannelName, Config, Consumer, ConsumerError, Handle, Message, Requeue, Source, TopicName};
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

/// What an nsqd gives a message before it takes it back, unless told otherwise.
const MSG_TIMEOUT: Duration = Duration::from_mins(1);

/// What it gives one that is asked more time for, again and again.
const MAX_MSG_TIMEOUT: Duration = Duration::from_mins(15);

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

    fn release_body(&mut self) {
        self.body.clear();
    }

    fn give_back(self) {
        self.requeue(Requeue::after(Duration::ZERO).without_backoff());
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
            touched: None,
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
    /// When more time was asked for, last.
    touched: Option<Instant>,
    stop: StopSignal,
    hangups: watch::Receiver<u64>,
    is_stopping: bool,
}

/// Until when something must be done for messages that are pending, so that nsqds do not take them back.
#[derive(Default)]
struct Patience {
    /// Ask for more time.
    touch: Option<Instant>,
    /// Finish them.
    end: Option<Instant>,
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
            let patience = self.patience();
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
                () = sleep_until(patience.end) => return Some(Job::Sync),
                () = sleep_until(patience.touch) => {
                    self.touched = Some(Instant::now());
                    self.batch.touch();
                }
                count = self.consumer.next_batch(&mut self.incoming, WRITTEN_AT_ONCE_MAX) => {
                    // A consumer that may get no more until these are finished must not wait for the interval.
                    let is_urgent = self.is_stopping || self.handle.is_starved();
                    return (count != 0).then_some(Job::Write { is_urgent });
                }
            }
        }
    }

    /// How long nsqds wait for what is pending.
    fn patience(&self) -> Patience {
        let Some(since) = self.batch.pending_since().map(Instant::from_std) else {
            return Patience::default();
        };
        let asked = self.touched.map_or(since, |touched| touched.max(since));
        // Half of the time: the first of them came somewhat earlier, and a sync takes its time, too.
        let touch = asked.checked_add(self.handle.msg_timeout().unwrap_or(MSG_TIMEOUT) / 2);
        let end = since.checked_add(self.handle.max_msg_timeout().unwrap_or(MAX_MSG_TIMEOUT) / 2);
        Patience { touch, end }
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

/// For ever, without a time.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

//! Batches on their way to every nsqd.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context;
use bytes::Bytes;
use client::{Producer, PublishError};
use tokio::task::JoinHandle;
use tools::options::to_nsq::Options;

/// Batches under way. Each is at most some hundred KiB, save for a single larger message.
const BATCHES_MAX: usize = 16;

/// Publishes batches in order, several under way at a time.
#[derive(Debug)]
pub(crate) struct Publisher {
    topic: Arc<str>,
    targets: Vec<Arc<Target>>,
    under_way: VecDeque<Batch>,
    /// Messages that every nsqd has acknowledged, without a gap from the first on.
    acknowledged: u64,
}

#[derive(Debug)]
struct Target {
    producer: Producer,
    /// Set once a batch was refused whose messages were taken one by one: this nsqd's limit for batches is a small one.
    one_by_one: AtomicBool,
}

#[derive(Debug)]
struct Batch {
    messages: u64,
    answers: Vec<JoinHandle<Result<(), Failed>>>,
}

/// Not all of a batch is at an nsqd.
#[derive(Debug)]
struct Failed {
    /// Messages of it that were acknowledged before the first that was not.
    acknowledged: u64,
    cause: PublishError,
}

impl Publisher {
    /// # Errors
    /// If the settings of the producers are no good.
    pub(crate) fn new(options: &Options) -> anyhow::Result<Self> {
        let target = |address: &String| {
            let producer = Producer::new(address.clone(), options.producer.clone())
                .context("failed to create nsq.Producer")?;
            Ok(Arc::new(Target { producer, one_by_one: AtomicBool::new(false) }))
        };
        let targets = options.nsqds.iter().map(target).collect::<anyhow::Result<_>>()?;
        Ok(Self {
            topic: options.topic.as_str().into(),
            targets,
            under_way: VecDeque::new(),
            acknowledged: 0,
        })
    }

    /// Sends a batch to every nsqd; waits first while too many are under way.
    ///
    /// The very first is waited for alone: a topic that nsqd does not take, or an nsqd that is not there, then ends the
    /// tool before anything else is sent.
    ///
    /// # Errors
    /// That of an earlier batch.
    pub(crate) async fn publish(&mut self, batch: Vec<Bytes>) -> anyhow::Result<()> {
        while BATCHES_MAX <= self.under_way.len() {
            self.oldest().await?;
        }
        let is_first = self.acknowledged == 0 && self.under_way.is_empty();
        let messages = batch.len() as u64;
        let batch: Arc<[Bytes]> = batch.into();
        let send = |target: &Arc<Target>| {
            let (target, topic, batch) = (Arc::clone(target), Arc::clone(&self.topic), Arc::clone(&batch));
            tokio::spawn(async move { target.publish(&topic, &batch).await })
        };
        let answers = self.targets.iter().map(send).collect();
        self.under_way.push_back(Batch { messages, answers });
        if is_first { self.finish().await } else { Ok(()) }
    }

    /// Waits for all that is under way.
    ///
    /// # Errors
    /// That of the first batch that failed.
    pub(crate) async fn finish(&mut self) -> anyhow::Result<()> {
        while !self.under_way.is_empty() {
            self.oldest().await?;
        }
        Ok(())
    }

    /// Messages that every nsqd has acknowledged: the first ones of the input.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Messages that were sent and not waited for.
    pub(crate) fn under_way(&self) -> u64 {
        self.under_way.iter().map(|batch| batch.messages).sum()
    }

    /// Waits for the oldest batch, which stays among those under way unless every nsqd has it. Cancel safe.
    async fn oldest(&mut self) -> anyhow::Result<()> {
        let Some(batch) = self.under_way.front_mut() else { return Ok(()) };
        while let Some(answer) = batch.answers.last_mut() {
            if let Err(failed) = answer.await.context("a publish was given up")? {
                // With several nsqds, the others may have less of it.
                let acknowledged = if self.targets.len() == 1 { failed.acknowledged } else { 0 };
                batch.messages -= acknowledged;
                self.acknowledged += acknowledged;
                return Err(failed.cause.into());
            }
            batch.answers.pop();
        }
        self.acknowledged += batch.messages;
        self.under_way.pop_front();
        Ok(())
    }
}

impl Target {
    async fn publish(&self, topic: &str, batch: &[Bytes]) -> Result<(), Failed> {
        if 1 < batch.len() && !self.one_by_one.load(Ordering::Relaxed) {
            match self.producer.publish_multi(topic, batch).await {
                Ok(()) => return Ok(()),
                // None of it was published. One by one they show which message is the cause, or that none is.
                Err(PublishError::Refused { .. }) => {}
                Err(cause) => return Err(Failed { acknowledged: 0, cause }),
            }
        }
        for (acknowledged, message) in (0..).zip(batch) {
            let answer = self.producer.publish(topic, message.clone()).await;
            answer.map_err(|cause| Failed { acknowledged, cause })?;
        }
        if 1 < batch.len() {
            self.one_by_one.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

//! The thread that writes to stdout, so that a slow reader holds up no heartbeat.

use std::{
    io::{self, Write},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::anyhow;
use client::{Message, Requeue};
use tokio::sync::{
    mpsc::{Receiver, Sender, channel},
    oneshot,
};
use tools::options::nsq_tail::Options;

use crate::line::LineFormat;

/// Batches that wait. The messages in them are bounded by `--max-in-flight`.
const BATCHES_MAX: usize = 16;

/// Bytes that are written at once, about: a larger message is one write.
const WRITE_BYTES: usize = 64 * 1024;

/// Messages of a topic.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) topic: Arc<str>,
    pub(crate) messages: Vec<Message>,
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Output {
    queue: Sender<Batch>,
    done: oneshot::Receiver<io::Result<()>>,
}

/// What the thread does with messages.
struct Writer {
    format: LineFormat,
    left: Option<u64>,
    buffer: Vec<u8>,
    written: Vec<Message>,
}

impl Output {
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn start(options: &Options) -> io::Result<Self> {
        let (queue, batches) = channel(BATCHES_MAX);
        let (done_tx, done) = oneshot::channel();
        let writer = Writer {
            format: LineFormat::new(options),
            left: options.count,
            buffer: Vec::new(),
            written: Vec::new(),
        };
        thread::Builder::new().name("stdout".to_owned()).spawn(move || writer.run(batches, done_tx))?;
        Ok(Self { queue, done })
    }

    /// Where messages go.
    pub(crate) fn queue(&self) -> Sender<Batch> {
        self.queue.clone()
    }

    /// Waits until all that was asked for is written, or nothing more can be.
    ///
    /// # Errors
    /// Stdout is closed.
    pub(crate) async fn done(&mut self) -> anyhow::Result<()> {
        match (&mut self.done).await {
            Ok(Err(error)) => {
                Err(anyhow!("ERROR: failed to write to os.Stdout - {}", daemon::io_cause(&error)))
            }
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

impl Writer {
    /// Writes until the count is reached or stdout fails; what comes then goes back.
    fn run(mut self, mut batches: Receiver<Batch>, done: oneshot::Sender<io::Result<()>>) {
        let outcome = loop {
            if self.left == Some(0) {
                break Ok(());
            }
            let Some(batch) = batches.blocking_recv() else { break Ok(()) };
            if let Err(error) = self.write(batch) {
                break Err(error);
            }
        };
        self.written.into_iter().for_each(give_back);
        // Nobody waits any more when a signal has come.
        let _ = done.send(outcome);
        while let Some(batch) = batches.blocking_recv() {
            batch.messages.into_iter().for_each(give_back);
        }
    }

    /// Writes a batch, and finishes each message when it is written.
    fn write(&mut self, batch: Batch) -> io::Result<()> {
        let mut messages = batch.messages.into_iter();
        while self.left != Some(0) {
            let Some(message) = messages.next() else { break };
            self.format.push(&mut self.buffer, &batch.topic, &message);
            self.written.push(message);
            self.left = self.left.map(|left| left - 1);
            if WRITE_BYTES <= self.buffer.len() {
                self.flush()?;
            }
        }
        messages.for_each(give_back);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&self.buffer)?;
        stdout.flush()?;
        self.buffer.clear();
        self.written.drain(..).for_each(Message::finish);
        Ok(())
    }
}

/// To come again at once, perhaps to another consumer of the channel: it was not shown.
fn give_back(message: Message) {
    message.requeue(Requeue::after(Duration::ZERO).without_backoff());
}

//! The thread that puts documents about everything together: statistics of thousands of topics take milliseconds, for
//! which no connection's task may be held up.

use std::{io, thread};

use crossbeam::channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;

/// Requests that may wait; more are refused.
const WAITING_MAX: usize = 64;
/// Deliveries go before reports: what wakes to deliver a message gets the processor at once.
const NICE: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// How the thread is asked.
#[derive(Debug)]
pub struct Reports {
    tx: Sender<Job>,
}

/// So many requests wait that this one is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl Reports {
    /// Starts the thread. It ends when this is dropped.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start() -> io::Result<Self> {
        let (tx, rx) = bounded(WAITING_MAX);
        thread::Builder::new().name("reports".into()).spawn(move || work(&rx))?;
        Ok(Self { tx })
    }

    /// Runs `report` there, for who waits for the receiver.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn make<T: Send + 'static>(
        &self,
        report: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Busy> {
        let (tx, rx) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !tx.is_closed() {
                // Whoever has gone does not want to know.
                let _ = tx.send(report());
            }
        });
        self.tx.try_send(job).map_err(|_| Busy)?;
        Ok(rx)
    }
}

/// A buffer for a long document. Whoever writes lets others have the processor between its pieces: a priority alone
/// does not take it away at once.
#[derive(Debug, Default)]
pub struct Pages {
    bytes: Vec<u8>,
    rested: usize,
}

impl Pages {
    /// Bytes between two pauses, some 50 µs of work.
    const STEP: usize = 8 << 10;

    /// The whole document.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl io::Write for Pages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if self.rested + Self::STEP < self.bytes.len() {
            self.rested = self.bytes.len();
            thread::yield_now();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is gone through for a report, with pauses as in [`Pages`].
pub fn unhurried<T>(all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    /// Items between two pauses.
    const STEP: usize = 16;
    all.enumerate().map(|(at, item)| {
        if at % STEP == STEP - 1 {
            thread::yield_now();
        }
        item
    })
}

fn work(rx: &Receiver<Job>) {
    // For Linux a thread is what has a priority. Where that is not allowed, reports compete with deliveries.
    let _ = rustix::process::setpriority_process(None, NICE);
    while let Ok(job) = rx.recv() {
        job();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pile of requests must neither grow without bound nor be lost.
    #[tokio::test]
    async fn more_than_may_wait_are_refused_and_the_others_are_answered() {
        let reports = Reports::start().unwrap();
        let (release, held) = bounded::<()>(1);
        let first = reports.make(move || held.recv().is_ok()).unwrap();
        let others: Vec<_> = (0..2 * WAITING_MAX).map(|number| reports.make(move || number)).collect();
        release.send(()).unwrap();
        assert!(first.await.unwrap());
        let mut refused = 0;
        for (number, other) in others.into_iter().enumerate() {
            match other {
                Ok(answer) => assert_eq!(answer.await.unwrap(), number),
                Err(Busy) => refused += 1,
            }
        }
        // The thread may have taken the first out of the queue already.
        assert!((WAITING_MAX..=WAITING_MAX + 1).contains(&refused), "{refused}");
    }
}

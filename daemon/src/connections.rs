//! The connections of one protocol: how many there may be, the threads that serve them, and their end.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::workers::Workers;

/// How long connections may take to end when the daemon stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// The connections of one protocol.
#[derive(Debug)]
pub struct Connections<'a> {
    workers: &'a Workers,
    tasks: TaskTracker,
    stop: CancellationToken,
    max: usize,
    /// When the last refusal was logged, in seconds since `begun`, which is 1.
    refused: AtomicU64,
    begun: Instant,
}

impl<'a> Connections<'a> {
    /// At most `max` at a time.
    pub fn new(workers: &'a Workers, max: usize) -> Self {
        Self {
            workers,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            max,
            refused: AtomicU64::new(0),
            begun: Instant::now(),
        }
    }

    /// Whether one more is to be turned away. Says so in the log, under the name `what`, once a second.
    pub fn is_full(&self, what: &str) -> bool {
        let is_full = self.max <= self.tasks.len();
        if is_full {
            let now = self.begun.elapsed().as_secs() + 1;
            if self.refused.swap(now, Ordering::Relaxed) != now {
                warn!("{what}: there are {} connections, which is the limit: others are refused", self.max);
            }
        }
        is_full
    }

    /// Cancelled when all connections are to end.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a connection on the thread that has the fewest.
    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.workers.spawn(&self.tasks, connection);
    }

    /// Ends all connections, each behind what it is doing.
    pub async fn finish(&self, what: &str) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(STOP_GRACE, self.tasks.wait()).await.is_err() {
            warn!("{what}: {} connections did not end in time", self.tasks.len());
        }
    }
}

/// Raises the limit of open files as far as the system lets, and returns how many connections are allowed of each
/// protocol: `asked`, or, for 0, half of those files.
pub fn limit(asked: u64) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // What is refused stays as it was.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let files = if raised { maximum } else { current }.unwrap_or(u64::MAX);
    let max = if asked == 0 { files / 2 } else { asked };
    usize::try_from(max).unwrap_or(usize::MAX)
}

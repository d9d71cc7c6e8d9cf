//! Group commit: publishers that wait for the disk wait for one sync together.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;
use tracing::error;

use super::topic::Topic;
use crate::log::SyncFailed;

/// With more topics than this, one sync of the file system is cheaper than one for each.
const SYNC_SINGLY_MAX: usize = 8;

/// Comes when the messages are on the disk, or cannot be said to be.
pub(crate) type Committed = oneshot::Receiver<Result<(), SyncFailed>>;

/// How topics ask for a commit. Cheap to clone; no call waits.
#[derive(Debug, Clone)]
pub(crate) struct Commits {
    queue: Arc<Queue>,
}

/// Topics that want a sync, each at most once.
#[derive(Debug, Default)]
struct Queue {
    topics: Mutex<Vec<Arc<Topic>>>,
    asked: Condvar,
}

/// Publishers of one topic that wait.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<Vec<Waiter>>);

#[derive(Debug)]
struct Waiter {
    from: u64,
    to: u64,
    tx: oneshot::Sender<Result<(), SyncFailed>>,
}

impl Commits {
    /// Starts the thread that waits for the disk, for the topics of `data_path`. While it does, the next group gathers.
    /// It ends with the process.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(data_path: PathBuf) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let commits = Self { queue: Arc::clone(&queue) };
        std::thread::Builder::new().name("commit".into()).spawn(move || work(&queue, &data_path))?;
        Ok(commits)
    }

    /// Asks for a sync of `from..to` of a topic, which were just published.
    pub(super) fn ask(&self, topic: Arc<Topic>, from: u64, to: u64) -> Committed {
        let (tx, committed) = oneshot::channel();
        let is_first = {
            let mut waiters = topic.waiters().0.lock();
            waiters.push(Waiter { from, to, tx });
            waiters.len() == 1
        };
        if is_first {
            self.queue.topics.lock().push(topic);
            self.queue.asked.notify_one();
        }
        committed
    }
}

fn work(queue: &Queue, data_path: &Path) {
    loop {
        let topics = {
            let mut topics = queue.topics.lock();
            while topics.is_empty() {
                queue.asked.wait(&mut topics);
            }
            std::mem::take(&mut *topics)
        };
        // Whoever comes from here on asks again.
        let groups: Vec<_> = topics
            .into_iter()
            .map(|topic| {
                let waiters = std::mem::take(&mut *topic.waiters().0.lock());
                (topic, waiters)
            })
            .collect();
        if groups.len() <= SYNC_SINGLY_MAX || !sync_together(&groups, data_path) {
            for (topic, _) in &groups {
                topic.sync_log();
            }
        }
        for (topic, waiters) in groups {
            for Waiter { from, to, tx } in waiters {
                // Whoever has gone does not want to know.
                let _ = tx.send(topic.is_durable(from, to));
            }
        }
    }
}

fn sync_together(groups: &[(Arc<Topic>, Vec<Waiter>)], data_path: &Path) -> bool {
    let tails: Vec<u64> = groups.iter().map(|(topic, _)| topic.tail()).collect();
    let Some((first, _)) = groups.first() else { return true };
    let times = first.storage().sync_times();
    let synced = File::open(data_path).and_then(|folder| Ok(times.time(|| rustix::fs::syncfs(folder))?));
    if let Err(cause) = &synced {
        error!(%cause, "cannot sync the file system; topics are synced one by one");
        return false;
    }
    for ((topic, _), tail) in groups.iter().zip(tails) {
        topic.note_synced(tail);
    }
    true
}

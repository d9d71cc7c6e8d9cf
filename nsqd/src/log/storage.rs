//! The storage thread: whatever may wait for the disk is done here, so that no connection's task ever does.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    sync::{Arc, Weak},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use tracing::warn;

use super::{log::Log, segment::Segment, sync_times::SyncTimes};

/// Requests that may wait. Hints beyond it are dropped; whatever must happen is kept by whoever asked.
const REQUESTS_MAX: usize = 4096;

/// After so long a segment that could not be read is tried again.
const LOAD_RETRY: Duration = Duration::from_secs(1);

type Job = Box<dyn FnOnce() + Send>;

enum Request {
    Prepare(Weak<Log>, u32),
    PopulateWrite(Arc<Segment>, u32, u32),
    PopulateRead(Arc<Segment>, u64, u32),
    Load(Weak<Log>, Arc<Segment>, Job),
    Remove(Arc<Segment>),
    RunAfter(Instant, Job),
    Stop,
}

/// How the storage thread is asked. Cheap to clone; no call waits.
#[derive(Debug, Clone)]
pub struct Storage {
    tx: Sender<Request>,
    sync_times: Arc<SyncTimes>,
}

/// The thread itself.
#[derive(Debug)]
pub struct StorageThread {
    storage: Storage,
    thread: JoinHandle<()>,
}

impl StorageThread {
    /// Starts it.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start() -> io::Result<Self> {
        let (tx, rx) = bounded(REQUESTS_MAX);
        let thread = std::thread::Builder::new().name("storage".into()).spawn(move || work(&rx))?;
        Ok(Self { storage: Storage { tx, sync_times: Arc::default() }, thread })
    }

    /// A handle for those who ask.
    pub fn handle(&self) -> Storage {
        self.storage.clone()
    }

    /// Does what was asked so far, except what is due later, and ends the thread.
    pub fn stop(self) {
        // Waits for a place in the queue: the daemon is stopping, nobody is kept from work.
        let _ = self.storage.tx.send(Request::Stop);
        let _ = self.thread.join();
    }
}

impl Storage {
    /// How long syncs took, of whatever was synced.
    pub fn sync_times(&self) -> &SyncTimes {
        &self.sync_times
    }

    /// Asks for the next segment of a log, to be had before it is needed.
    pub(super) fn prepare(&self, log: Weak<Log>, bytes: u32) -> bool {
        self.tx.try_send(Request::Prepare(log, bytes)).is_ok()
    }

    /// Asks for writable pages.
    pub(super) fn populate_write(&self, segment: &Arc<Segment>, offset: u32, bytes: u32) {
        let _ = self.tx.try_send(Request::PopulateWrite(Arc::clone(segment), offset, bytes));
    }

    /// Asks for the pages from `seq` on, for a reader that lags.
    pub(super) fn populate_read(&self, segment: &Arc<Segment>, seq: u64, bytes: u32) {
        let _ = self.tx.try_send(Request::PopulateRead(Arc::clone(segment), seq, bytes));
    }

    /// Brings a segment into memory, and then runs `then`. `false` if too much waits already.
    pub(super) fn load(&self, log: Weak<Log>, segment: Arc<Segment>, then: Job) -> bool {
        self.tx.try_send(Request::Load(log, segment, then)).is_ok()
    }

    /// Removes the file of a segment that nobody needs.
    pub(super) fn remove(&self, segment: Arc<Segment>) {
        if let Err(
            TrySendError::Full(Request::Remove(segment))
            | TrySendError::Disconnected(Request::Remove(segment)),
        ) = self.tx.try_send(Request::Remove(segment))
        {
            remove(&segment);
        }
    }

    /// Runs `job` on the storage thread after `delay`. `false` if too much waits already: ask again later.
    pub fn run_after(&self, delay: Duration, job: impl FnOnce() + Send + 'static) -> bool {
        self.tx.try_send(Request::RunAfter(Instant::now() + delay, Box::new(job))).is_ok()
    }
}

/// A job and when it is due; ordered by time alone.
struct Due(Instant, Job);

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

fn work(rx: &Receiver<Request>) {
    let mut later: BinaryHeap<Reverse<Due>> = BinaryHeap::new();
    // Segments that could not be read. At most one for each channel: it asks again only when it was answered.
    let mut unread: Vec<(Weak<Log>, Arc<Segment>, Job)> = Vec::new();
    let mut retry_at = Instant::now();
    loop {
        if !unread.is_empty() && retry_at <= Instant::now() {
            let again = std::mem::take(&mut unread);
            unread.extend(again.into_iter().filter_map(|(log, segment, then)| {
                let then = load(&log, &segment, then)?;
                Some((log, segment, then))
            }));
            retry_at = Instant::now() + LOAD_RETRY;
        }
        while later.peek().is_some_and(|Reverse(due)| due.0 <= Instant::now()) {
            if let Some(Reverse(due)) = later.pop() {
                (due.1)();
            }
        }
        let retry = (!unread.is_empty()).then_some(retry_at);
        let next = later.peek().map(|Reverse(due)| due.0).into_iter().chain(retry).min();
        let request = match next {
            None => rx.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => rx.recv_deadline(at),
        };
        match request {
            Ok(Request::RunAfter(at, job)) => later.push(Reverse(Due(at, job))),
            Ok(Request::Prepare(log, bytes)) => {
                if let Some(log) = log.upgrade() {
                    log.prepare_next(bytes);
                }
            }
            Ok(Request::PopulateWrite(segment, offset, bytes)) => segment.populate_write(offset, bytes),
            Ok(Request::PopulateRead(segment, seq, bytes)) => segment.populate_read(seq, bytes),
            Ok(Request::Load(log, segment, then)) => {
                if let Some(then) = load(&log, &segment, then) {
                    unread.push((log, segment, then));
                }
            }
            Ok(Request::Remove(segment)) => remove(&segment),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Gives `then` back if the segment is to be tried again.
fn load(log: &Weak<Log>, segment: &Segment, then: Job) -> Option<Job> {
    let log = log.upgrade()?;
    if log.load_now(segment).is_err() {
        return Some(then);
    }
    then();
    None
}

fn remove(segment: &Segment) {
    let Some(path) = segment.path() else { return };
    if let Err(error) = std::fs::remove_file(path) {
        warn!(path = %path.display(), %error, "cannot remove a consumed segment; it is tried again at the next start");
    }
}

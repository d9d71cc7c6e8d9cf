//! One thread a core, each with a runtime of its own. A connection stays on its thread, so that publishing and
//! delivering to itself wakes nobody: with one runtime over all threads every lone message costs two thread switches.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use tokio::runtime::{Builder, Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The threads that serve connections.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    connections: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Workers {
    /// Starts `count` threads, at least one.
    ///
    /// # Errors
    /// The system has no threads or descriptors left.
    pub fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let workers =
            (0..count.max(1)).map(|number| Worker::start(number, stop.clone())).collect::<io::Result<_>>()?;
        Ok(Self { workers, stop })
    }

    /// Runs a connection on the thread that has the fewest.
    #[expect(clippy::missing_panics_doc, reason = "cannot panic: there is at least one worker")]
    pub fn spawn(&self, tasks: &TaskTracker, connection: impl Future<Output = ()> + Send + 'static) {
        let least = self.workers.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed));
        let worker = least.expect("there is at least one worker");
        let connections = Arc::clone(&worker.connections);
        connections.fetch_add(1, Ordering::Relaxed);
        tasks.spawn_on(
            async move {
                connection.await;
                connections.fetch_sub(1, Ordering::Relaxed);
            },
            &worker.handle,
        );
    }

    /// Ends the threads; tasks that still run are dropped.
    pub fn stop(self) {
        self.stop.cancel();
        for worker in self.workers {
            // A thread that panicked has aborted the process.
            let _ = worker.thread.join();
        }
    }
}

impl Worker {
    fn start(number: usize, stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || runtime.block_on(stop.cancelled()))?;
        Ok(Self { handle, connections: Arc::default(), thread })
    }
}

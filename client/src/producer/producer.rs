//! A producer for one nsqd.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{lane::Lane, line::Answer, publication::Publication};
use crate::{Config, ConfigError, PublishError, connection::Connector, label::Label};

/// Bytes of publishes under way; a publish counts as 1 KiB more than its body.
const UNDER_WAY_BYTES_MAX: usize = 8 << 20;
const UNDER_WAY_PERMITS: u32 = 8 << 20;
/// How often a publish is sent again that was not executed, since nsqd refused another one before it.
const SENDS_MAX: usize = 100;

/// Publishes to one nsqd, over one connection that is made when it is needed and again when it is lost.
///
/// Any number of publishes may be under way: each is a future that ends with nsqd's answer. Those that are begun first are
/// sent first. What is under way is bounded (8 MiB, 8,192 publishes); beyond, publishing waits. A future that is dropped
/// may have published. Clones are the same producer; with the last one the connection closes.
///
/// ```no_run
/// # async fn story() -> Result<(), Box<dyn std::error::Error>> {
/// # use client::{Config, Producer};
/// let producer = Producer::new("127.0.0.1:4150", Config::default())?;
/// // Both are under way at the same time.
/// let (one, two) = tokio::join!(producer.publish("orders", "1"), producer.publish("orders", "2"));
/// one?;
/// two?;
/// producer.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: Arc<str>,
    connector: Arc<Connector>,
    budget: Arc<Semaphore>,
    lane: Mutex<Option<Arc<Lane>>>,
    closing: CancellationToken,
    closed: CancellationToken,
    tasks: TaskTracker,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

impl Producer {
    /// A producer for the nsqd at `address`, host:port. It connects at the first publish.
    ///
    /// # Errors
    /// The options are no good.
    pub fn new(address: impl Into<String>, config: Config) -> Result<Self, ConfigError> {
        let connector = Connector::new(Arc::new(config), Label::producer())?;
        Ok(Self {
            inner: Arc::new(Inner {
                address: address.into().into(),
                connector: Arc::new(connector),
                budget: Arc::new(Semaphore::new(UNDER_WAY_BYTES_MAX)),
                lane: Mutex::new(None),
                closing: CancellationToken::new(),
                closed: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }),
        })
    }

    /// Publishes a message (PUB).
    ///
    /// # Errors
    /// [`PublishError`]; only after [`PublishError::Lost`] it may be there nevertheless.
    pub async fn publish(&self, topic: &str, body: impl Into<Bytes>) -> Result<(), PublishError> {
        let body = body.into();
        self.send(&Publication::Pub { topic, body: &body }).await
    }

    /// Publishes a message that is delivered after `delay`, in whole milliseconds (DPUB).
    ///
    /// # Errors
    /// As [`Producer::publish`].
    pub async fn publish_deferred(
        &self,
        topic: &str,
        delay: Duration,
        body: impl Into<Bytes>,
    ) -> Result<(), PublishError> {
        let body = body.into();
        self.send(&Publication::Dpub { topic, delay, body: &body }).await
    }

    /// Publishes messages, all or none (MPUB).
    ///
    /// # Errors
    /// As [`Producer::publish`].
    pub async fn publish_multi(&self, topic: &str, bodies: &[Bytes]) -> Result<(), PublishError> {
        self.send(&Publication::Mpub { topic, bodies }).await
    }

    /// The nsqd, as given.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Publishes no more, waits for the answers that are due (30 s at most), and closes the connection.
    pub async fn close(&self) {
        self.inner.closing.cancel();
        let lane = self.inner.lane.lock().take();
        if let Some(lane) = lane {
            lane.drained().await;
        }
        self.inner.closed.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    pub(super) async fn send(&self, publication: &Publication<'_>) -> Result<(), PublishError> {
        publication.check()?;
        for _ in 0..SENDS_MAX {
            match self.send_once(publication).await? {
                Answer::Published => return Ok(()),
                Answer::Refused(text) => return Err(PublishError::Refused { text }),
                Answer::Lost(cause) => return Err(self.lost(cause)),
                Answer::NotConnected(cause) => return Err(PublishError::Connect(cause)),
                Answer::NotSent => {}
            }
        }
        Err(self.lost(format!("it refused other publishes {SENDS_MAX} times before this one")))
    }

    async fn send_once(&self, publication: &Publication<'_>) -> Result<Answer, PublishError> {
        let inner = &self.inner;
        // One that is larger than everything waits until it is alone.
        let cost = u32::try_from(publication.cost()).unwrap_or(u32::MAX).min(UNDER_WAY_PERMITS);
        let acquiring = Arc::clone(&inner.budget).acquire_many_owned(cost);
        let mut permit = acquiring.await.map_err(|_| PublishError::Closed)?;
        let answered = loop {
            match self.lane()?.push(publication, permit) {
                Ok(answered) => break answered,
                // It has ended just now; the next one is new.
                Err(back) => permit = back,
            }
        };
        answered.await.map_err(|_| self.lost("the runtime has ended".to_owned()))
    }

    /// The connection, or a new one.
    fn lane(&self) -> Result<Arc<Lane>, PublishError> {
        let inner = &self.inner;
        let mut slot = inner.lane.lock();
        if inner.closing.is_cancelled() {
            return Err(PublishError::Closed);
        }
        if let Some(lane) = slot.as_ref().filter(|lane| !lane.is_ended()) {
            return Ok(Arc::clone(lane));
        }
        let lane = Arc::new(Lane::default());
        *slot = Some(Arc::clone(&lane));
        let running = Arc::clone(&lane).run(
            Arc::clone(&inner.connector),
            Arc::clone(&inner.address),
            inner.closed.clone(),
        );
        inner.tasks.spawn(running);
        Ok(lane)
    }

    fn lost(&self, cause: String) -> PublishError {
        PublishError::Lost { address: self.inner.address.to_string(), cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// Protects producers that outlive a runtime: its tasks are gone, and publishing makes new ones.
    #[test]
    fn a_producer_survives_its_runtime() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let producer = Producer::new(address.clone(), Config::default()).unwrap();
        let first = runtime();
        first.block_on(async {
            let publishing = producer.publish("t", "x");
            let is_taken = async {
                while producer.inner.lane.lock().is_none() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                _ = publishing => panic!("nobody answers"),
                () = is_taken => {}
            }
        });
        drop(first);
        drop(listener);
        let publishing =
            async { tokio::time::timeout(Duration::from_secs(10), producer.publish("t", "x")).await };
        let error = runtime().block_on(publishing).expect("nobody waits for ever").unwrap_err();
        assert_eq!(error.to_string(), format!("dial tcp {address}: connect: connection refused"));
    }
}

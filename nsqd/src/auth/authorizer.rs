//! Questions to authorization servers, each asked once however many connections have it, and the answers while they last.

use std::{
    future::Future,
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use daemon::ask::Asker;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
};
use tracing::warn;

use super::{grant::Grant, query::Servers};
use crate::options::Options;

/// Questions that are asked at a time: when many answers expire at once, the servers are not stormed.
const QUESTIONS_AT_ONCE: usize = 32;
/// Answers that are kept.
const ANSWERS_MAX: usize = 10_000;
/// A longer secret is not one.
const SECRET_BYTES_MAX: usize = 16 << 10;

/// Who asks, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) secret: Vec<u8>,
    /// Empty on a unix socket.
    pub(crate) remote_ip: String,
    pub(crate) is_secure: bool,
    /// Of the client's certificate, or empty.
    pub(crate) common_name: String,
}

/// No server gave an answer that can be used; why is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoAnswer;

/// What servers say about a question.
pub(crate) type Answer = Result<Arc<Grant>, NoAnswer>;

/// A question on its way.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Asks authorization servers.
#[derive(Debug, Clone)]
pub(crate) struct Authorizer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    servers: Servers,
    runtime: Handle,
    next_server: AtomicUsize,
    permits: Semaphore,
    answers: Mutex<LruCache<Question, Entry>>,
}

#[derive(Debug)]
enum Entry {
    Asked(watch::Receiver<Option<Answer>>),
    Known(Arc<Grant>),
}

impl Authorizer {
    /// `None` without servers. Questions are asked on `runtime`.
    ///
    /// # Errors
    /// The text of the start error.
    pub(crate) fn new(options: &Options, asker: Asker, runtime: Handle) -> Result<Option<Self>, String> {
        if options.auth_http_addresses.is_empty() {
            return Ok(None);
        }
        let first = usize::try_from(crate::clock::unix_ns() % 1000).unwrap_or(0);
        Ok(Some(Self(Arc::new(Inner {
            servers: Servers::new(options, asker)?,
            runtime,
            next_server: AtomicUsize::new(first),
            permits: Semaphore::new(QUESTIONS_AT_ONCE),
            answers: Mutex::new(LruCache::new(NonZeroUsize::new(ANSWERS_MAX).unwrap_or(NonZeroUsize::MIN))),
        }))))
    }

    /// Finds out what a secret allows: from an answer that lasts, from the question of another connection, or by asking.
    pub(crate) fn ask(&self, question: Question) -> Pending {
        if SECRET_BYTES_MAX < question.secret.len() {
            warn!("AUTH failed: a secret of {} bytes is not asked about", question.secret.len());
            return Box::pin(std::future::ready(Err(NoAnswer)));
        }
        let mut answers = self.0.answers.lock();
        let mut receiver = match answers.get(&question) {
            Some(Entry::Known(grant)) if !grant.is_expired(Instant::now()) => {
                return Box::pin(std::future::ready(Ok(Arc::clone(grant))));
            }
            Some(Entry::Asked(receiver)) => receiver.clone(),
            _ => {
                let (sender, receiver) = watch::channel(None);
                answers.put(question.clone(), Entry::Asked(receiver.clone()));
                self.0.runtime.spawn(Arc::clone(&self.0).answer(question, sender));
                receiver
            }
        };
        drop(answers);
        Box::pin(async move {
            // The sender goes without an answer when the daemon stops.
            let answer = receiver.wait_for(Option::is_some).await;
            answer.ok().and_then(|answer| answer.clone()).unwrap_or(Err(NoAnswer))
        })
    }
}

impl Inner {
    async fn answer(self: Arc<Self>, question: Question, sender: watch::Sender<Option<Answer>>) {
        let _permit = self.permits.acquire().await;
        let first = self.next_server.fetch_add(1, Ordering::Relaxed);
        let answer = match self.servers.ask(&question, first).await {
            Ok(grant) => Ok(Arc::new(grant)),
            Err(failure) => {
                warn!(remote_ip = question.remote_ip, "AUTH failed {failure}");
                Err(NoAnswer)
            }
        };
        let mut answers = self.answers.lock();
        match &answer {
            Ok(grant) if grant.len() != 0 => answers.put(question, Entry::Known(Arc::clone(grant))),
            // A refusal is not kept: whoever is let in a moment later need not wait for its end.
            _ => answers.pop(&question),
        };
        drop(answers);
        sender.send_replace(Some(answer));
    }
}

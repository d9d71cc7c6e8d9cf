//! `/pub` and `/mpub`.

use std::sync::Arc;

use hyper::{
    StatusCode,
    body::{Body, Incoming},
};
use protocol::{Limits, MpubScan, TopicName};
use tracing::warn;

use super::{
    body,
    parameters::Parameters,
    respond::{self, Refusal, Response},
};
use crate::{
    clock,
    nsqd::Nsqd,
    topic::{Committed, PublishError, Topic},
};

/// What a publish is answered by.
pub(super) const OK: &str = "OK";

/// One message.
///
/// # Errors
/// The refusals of NSQ's table, in its order.
pub(super) async fn one(nsqd: &Arc<Nsqd>, query: &str, body: Incoming) -> Result<Response, Refusal> {
    let limit = nsqd.start.options.max_msg_size as usize;
    let body = body::read(body, limit, "MSG_TOO_BIG").await?;
    if let Some(committed) = store(nsqd, query, &body, clock::unix_ns(), &mut Recent::default())? {
        outcome(committed).await?;
    }
    Ok(respond::text(OK))
}

/// Publishes one message, which is not over the limit, and returns what OK is to wait for.
///
/// # Errors
/// The refusals of NSQ's table behind those for the size, in its order.
pub(super) fn store(
    nsqd: &Arc<Nsqd>,
    query: &str,
    body: &[u8],
    now_unix_ns: u64,
    recent: &mut Recent,
) -> Result<Option<Committed>, Refusal> {
    if body.is_empty() {
        return Err(Refusal::bad("MSG_EMPTY"));
    }
    let Target { topic, delay_ns } = recent.target(nsqd, query)?;
    let stored = publish(topic, std::iter::once(body), 1, body.len(), *delay_ns, now_unix_ns)?;
    Ok(commit(topic, stored))
}

/// Where a connection published to last: mostly the next message goes there, too.
#[derive(Debug, Default)]
pub(super) struct Recent {
    query: String,
    target: Option<Target>,
}

/// What a query says.
#[derive(Debug)]
struct Target {
    topic: Arc<Topic>,
    delay_ns: u64,
}

impl Recent {
    /// What `query` says; its topic is made if it is not there.
    ///
    /// # Errors
    /// Those of the query, then those of making a topic.
    fn target(&mut self, nsqd: &Arc<Nsqd>, query: &str) -> Result<&Target, Refusal> {
        let is_same =
            self.query == query && self.target.as_ref().is_some_and(|target| !target.topic.is_exiting());
        if !is_same {
            self.target = None;
        }
        if let Some(ref target) = self.target {
            return Ok(target);
        }
        let parameters = Parameters::parse(query)?;
        let name = parameters.topic_name()?;
        let delay_ns = parameters.defer_ns(nsqd.start.options.max_defer_timeout)?;
        let topic = topic(nsqd, &name)?;
        query.clone_into(&mut self.query);
        Ok(self.target.insert(Target { topic, delay_ns }))
    }
}

/// Many messages: lines, or the body of MPUB.
///
/// # Errors
/// The refusals of NSQ's table, in its order. Nothing is published then.
pub(super) async fn many(nsqd: &Arc<Nsqd>, query: &str, body: Incoming) -> Result<Response, Refusal> {
    let options = &nsqd.start.options;
    let limit = usize::try_from(options.max_body_size).unwrap_or(usize::MAX);
    if body.size_hint().lower() > options.max_body_size {
        return Err(Refusal::too_large("BODY_TOO_BIG"));
    }
    let parameters = Parameters::parse(query)?;
    let name = parameters.topic_name()?;
    let delay = parameters.defer_ns(options.max_defer_timeout)?;
    let body = body::read(body, limit, "BODY_TOO_BIG").await?;
    let topic = topic(nsqd, &name)?;
    let stored = if is_binary(&parameters) {
        binary(nsqd, &topic, &body, delay)
    } else {
        lines(nsqd, &topic, &body, delay)
    }?;
    if let Some(committed) = commit(&topic, stored) {
        outcome(committed).await?;
    }
    Ok(respond::text(OK))
}

/// What to wait for until messages are on the disk, if OK waits for that.
fn commit(topic: &Topic, (from, to): (u64, u64)) -> Option<Committed> {
    if from == to { None } else { topic.commit(from, to) }
}

/// Waits until messages are on the disk.
///
/// # Errors
/// It cannot be said that they are.
pub(super) async fn outcome(committed: Committed) -> Result<(), Refusal> {
    match committed.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failed)) => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, failed.to_string())),
        Err(_) => Err(exiting()),
    }
}

fn is_binary(parameters: &Parameters) -> bool {
    match parameters.get("binary") {
        None | Some(b"false" | b"0") => false,
        Some(b"true" | b"1") => true,
        Some(other) => {
            warn!("deprecated value '{}' used for /mpub binary param", String::from_utf8_lossy(other));
            true
        }
    }
}

fn lines(nsqd: &Nsqd, topic: &Topic, body: &[u8], delay: u64) -> Result<(u64, u64), Refusal> {
    let messages = || body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let limit = nsqd.start.options.max_msg_size as usize;
    let (mut count, mut bytes) = (0, 0);
    for line in messages() {
        if limit < line.len() {
            return Err(Refusal::too_large("MSG_TOO_BIG"));
        }
        count += 1;
        bytes += line.len();
    }
    if count == 0 {
        return Ok((0, 0));
    }
    publish(topic, messages(), count, bytes, delay, clock::unix_ns())
}

fn binary(nsqd: &Nsqd, topic: &Topic, body: &[u8], delay: u64) -> Result<(u64, u64), Refusal> {
    let bad_body = || Refusal::too_large("BAD_BODY");
    let bad_message = || Refusal::too_large("BAD_MESSAGE");
    let limits = &Limits { max_body_bytes: nsqd.tcp.limits().max_body_bytes, ..*nsqd.tcp.limits() };
    let (head, _) = body.split_first_chunk::<4>().ok_or_else(bad_body)?;
    let count = i32::from_be_bytes(*head);
    let count_max = (i64::from(limits.max_body_bytes) - 4) / 5;
    if count <= 0 || count_max < i64::from(count) {
        return Err(bad_body());
    }
    // What stands behind the last message is ignored: the scan is given just what the messages fill.
    let filled = filled_by(body, count).ok_or_else(bad_message)?;
    let size = u32::try_from(filled.len()).map_err(|_| bad_message())?;
    let batch = MpubScan::new(size, limits).advance(filled).ok().flatten().ok_or_else(bad_message)?;
    publish(topic, batch.messages(), batch.count() as usize, batch.message_bytes(), delay, clock::unix_ns())
}

/// The part of `body` that `count` messages fill.
fn filled_by(body: &[u8], count: i32) -> Option<&[u8]> {
    let mut at: usize = 4;
    for _ in 0..count {
        let size = i32::from_be_bytes(*body.get(at..)?.first_chunk()?);
        at = at.checked_add(4)?.checked_add(usize::try_from(size).ok()?)?;
        if body.len() < at {
            return None;
        }
    }
    body.get(..at)
}

fn topic(nsqd: &Arc<Nsqd>, name: &TopicName) -> Result<Arc<Topic>, Refusal> {
    match nsqd.topics.get_or_create(name) {
        Ok(Some(topic)) => Ok(topic),
        Ok(None) => Err(exiting()),
        Err(error) => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

fn exiting() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "EXITING")
}

fn publish<'a>(
    topic: &Topic,
    bodies: impl Iterator<Item = &'a [u8]>,
    messages: usize,
    body_bytes: usize,
    delay_ns: u64,
    now_unix_ns: u64,
) -> Result<(u64, u64), Refusal> {
    let deadline = (delay_ns != 0).then(|| now_unix_ns.saturating_add(delay_ns));
    match topic.publish(bodies, messages, body_bytes, deadline, now_unix_ns) {
        Ok(seqs) => Ok(seqs),
        Err(PublishError::Exiting) => Err(exiting()),
        Err(error) => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

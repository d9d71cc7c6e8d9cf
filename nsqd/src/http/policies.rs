//! `/topic/config` and `/channel/config`: the policies of topics and channels.

use std::sync::Arc;

use hyper::{StatusCode, body::Incoming};
use serde::Serialize;

use super::{
    body,
    parameters::Parameters,
    respond::{self, Refusal, Response},
};
use crate::{nsqd::Nsqd, topic::PolicyError};

/// Bytes of a policy; the keys are few.
const POLICY_BYTES_MAX: usize = 64 << 10;

/// The policy of a topic, changed by the body if there is one.
///
/// # Errors
/// [`Refusal`]: what is wrong with the names or the policy, which is then as it was; or that it applies and could not be
/// written down.
pub(super) async fn of_topic(
    nsqd: &Arc<Nsqd>,
    query: &str,
    patch: Option<Incoming>,
) -> Result<Response, Refusal> {
    let parameters = Parameters::parse(query)?;
    parameters.topic_name()?;
    let topic = parameters.topic(nsqd)?;
    let Some(patch) = patch else { return Ok(respond::json(&topic.policy())) };
    let patch = read(patch).await?;
    written(nsqd, topic.patch_policy(&patch)).await
}

/// As [`of_topic`], of a channel itself: for what it does not say, the topic's policy holds.
///
/// # Errors
/// As [`of_topic`].
pub(super) async fn of_channel(
    nsqd: &Arc<Nsqd>,
    query: &str,
    patch: Option<Incoming>,
) -> Result<Response, Refusal> {
    let (topic, channel) = Parameters::parse(query)?.channel(nsqd)?;
    let Some(patch) = patch else { return Ok(respond::json(&topic.channel_policy(channel.name()))) };
    let patch = read(patch).await?;
    written(nsqd, topic.patch_channel_policy(channel.name(), &patch)).await
}

async fn read(body: Incoming) -> Result<bytes::Bytes, Refusal> {
    body::read(body, POLICY_BYTES_MAX, "BODY_TOO_BIG").await
}

/// Answers with the policy once it is on the disk.
async fn written<T: Serialize>(
    nsqd: &Arc<Nsqd>,
    changed: Result<T, PolicyError>,
) -> Result<Response, Refusal> {
    let policy = changed.map_err(|error| Refusal::bad(&format!("INVALID_CONFIG {error}")))?;
    if !nsqd.topics.rewrite_now().await {
        let text = "the policy applies, but cannot be written to the disk yet; see the log";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text));
    }
    Ok(respond::json(&policy))
}

//! `/api/peek`: messages of a channel on all nsqds that have it.

use std::net::SocketAddr;

use daemon::http::{
    query::Query,
    respond::{self, Refusal, Response},
};
use hyper::{StatusCode, http::request::Parts};
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::{
    admin::Admin,
    cluster::{Failure, QueryError},
};

const LIMIT: usize = 20;
const LIMIT_MAX: usize = 100;

/// A message, as an nsqd tells it.
#[derive(Debug, Serialize, Deserialize)]
struct Message {
    #[serde(default)]
    node: String,
    id: String,
    timestamp_ms: i64,
    attempts: u16,
    state: String,
    due_ms: Option<u64>,
    size: u64,
    body: String,
    encoding: String,
    is_cut: bool,
}

#[derive(Deserialize)]
struct Messages {
    messages: Vec<Message>,
}

#[derive(Serialize)]
struct Answer {
    messages: Vec<Message>,
    warnings: Vec<String>,
}

/// The answer to somebody who may see it.
///
/// # Errors
/// `MISSING_ARG_TOPIC`, `MISSING_ARG_CHANNEL`, `INVALID_ARG_LIMIT`; the topic is not known.
pub(super) async fn peek(
    admin: &Admin,
    query: &Query,
    head: &Parts,
    peer: SocketAddr,
) -> Result<Response, Refusal> {
    let text = |name: &str| query.get(name).map(String::from_utf8_lossy);
    let topic = text("topic").ok_or_else(|| Refusal::bad("MISSING_ARG_TOPIC"))?;
    let channel = text("channel").ok_or_else(|| Refusal::bad("MISSING_ARG_CHANNEL"))?;
    let limit = text("limit").map_or(Some(LIMIT), |limit| limit.parse().ok());
    let limit = limit.filter(|limit| *limit <= LIMIT_MAX).ok_or_else(|| Refusal::bad("INVALID_ARG_LIMIT"))?;
    let user = admin.access.user(&head.headers);
    info!(
        "ACTION: peek_channel topic={topic} channel={channel} by {} ({peer})",
        user.as_deref().unwrap_or("somebody")
    );
    let place = admin.view.place(&topic).await?;
    let nodes: Vec<String> = place.what.nodes.into_iter().map(|node| node.address).collect();
    let shown = limit.to_string();
    let query = [("topic", &*topic), ("channel", &*channel), ("limit", shown.as_str())];
    let answers = admin.view.upstream.get_all::<Messages>(&nodes, "/channel/peek", &query).await;
    let mut warnings = place.warnings;
    warnings.extend(answers.failures.iter().filter_map(warning));
    let mut messages: Vec<Message> = Vec::new();
    for (node, answer) in answers.found {
        messages.extend(answer.messages.into_iter().map(|message| Message { node: node.clone(), ..message }));
    }
    messages.sort_by_key(|message| (rank(&message.state), message.due_ms, message.timestamp_ms));
    messages.truncate(limit);
    Ok(respond::json(&Answer { messages, warnings }))
}

/// What is next comes first.
fn rank(state: &str) -> u8 {
    match state {
        "requeued" => 0,
        "waiting" => 1,
        "deferred" => 2,
        _ => 3,
    }
}

fn warning(failure: &Failure) -> Option<String> {
    match &failure.error {
        QueryError::Status { status: StatusCode::NOT_FOUND, body } => {
            // One that has the topic, but not the channel, has nothing to show.
            let is_channel = ["CHANNEL_NOT_FOUND", "TOPIC_NOT_FOUND"].iter().any(|code| body.contains(code));
            (!is_channel).then(|| format!("{}: this nsqd cannot show messages", failure.address))
        }
        _ => Some(failure.to_string()),
    }
}

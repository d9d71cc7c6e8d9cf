//! `/api/history` and `/api/sparklines`: the past, as nsqadmin has seen it.

use std::borrow::Cow;

use daemon::http::{
    query::Query,
    respond::{self, Refusal, Response},
};

use crate::{
    admin::{Admin, unix_seconds},
    live::Subject,
};

/// Topics of one question.
const TOPICS_MAX: usize = 100;
const SPAN_S: u32 = 3600;

fn now_s() -> u32 {
    u32::try_from(unix_seconds()).unwrap_or(u32::MAX)
}

/// All metrics of a topic, channel, node, or of the cluster.
///
/// # Errors
/// `INVALID_ARG_SPAN_S`, or `MISSING_ARG_TOPIC` for a channel without its topic.
pub(super) fn history(admin: &Admin, query: &Query) -> Result<Response, Refusal> {
    let text = |name: &str| -> Option<Cow<'_, str>> { query.get(name).map(String::from_utf8_lossy) };
    let (topic, channel, node) = (text("topic"), text("channel"), text("node"));
    let subject = match (&topic, &channel, &node) {
        (Some(topic), Some(channel), _) => Subject::Channel(topic, channel),
        (Some(topic), None, _) => Subject::Topic(topic),
        (None, Some(_), _) => return Err(Refusal::bad("MISSING_ARG_TOPIC")),
        (None, None, Some(node)) => Subject::Node(node),
        (None, None, None) => Subject::Cluster,
    };
    let span = text("span_s").map_or(Some(SPAN_S), |span| span.parse().ok());
    let series = span.and_then(|span_s| admin.live.history().read().series(subject, span_s, now_s()));
    Ok(respond::json(&series.ok_or_else(|| Refusal::bad("INVALID_ARG_SPAN_S"))?))
}

/// One metric of several topics.
///
/// # Errors
/// `INVALID_ARG_TOPICS`, `INVALID_ARG_METRIC`
pub(super) fn sparklines(admin: &Admin, query: &Query) -> Result<Response, Refusal> {
    let topics: Option<Vec<String>> = query.get("topics").and_then(|json| serde_json::from_slice(json).ok());
    let topics = topics.filter(|topics| topics.len() <= TOPICS_MAX);
    let topics = topics.ok_or_else(|| Refusal::bad("INVALID_ARG_TOPICS"))?;
    let metric = String::from_utf8_lossy(query.get("metric").unwrap_or_default());
    let lines = admin.live.history().read().sparklines(&metric, topics, now_s());
    Ok(respond::json(&lines.ok_or_else(|| Refusal::bad("INVALID_ARG_METRIC"))?))
}

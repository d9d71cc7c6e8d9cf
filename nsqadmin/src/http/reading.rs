//! What is asked of the cluster. The shapes are NSQ's.

use std::collections::{BTreeMap, BTreeSet};

use daemon::http::{
    query::Query,
    respond::{self, Refusal, Response},
};
use hyper::StatusCode;
use serde::Serialize;

use crate::{
    admin::{Admin, unix_seconds},
    cluster::{Nothing, Seen},
};

/// An object with the warnings of the questions behind it.
#[derive(Serialize)]
struct Told<T> {
    #[serde(flatten)]
    what: T,
    message: String,
}

impl From<Nothing> for Refusal {
    fn from(nothing: Nothing) -> Self {
        match nothing {
            Nothing::Upstream { .. } => {
                Self::new(StatusCode::BAD_GATEWAY, format!("UPSTREAM_ERROR: {nothing}"))
            }
            Nothing::Topic | Nothing::Channel | Nothing::Node => Self::not_found(&nothing.to_string()),
        }
    }
}

fn told<T: Serialize>(seen: Seen<T>) -> Response {
    let message = match seen.warnings.as_slice() {
        [] => String::new(),
        warnings => format!("WARNING: {}", warnings.join("; ")),
    };
    respond::json(&Told { what: seen.what, message })
}

/// `/api/topics`: all, or with `inactive=true` those that no nsqd has, with their channels.
pub(super) async fn topics(admin: &Admin, query: &Query) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Topics {
        topics: BTreeSet<String>,
    }
    #[derive(Serialize)]
    struct Inactive {
        /// `None` for one without channels.
        topics: BTreeMap<String, Option<BTreeSet<String>>>,
    }
    if query.get("inactive") == Some(b"true") {
        let inactive = admin.view.inactive().await?;
        return Ok(told(inactive.map(|topics| {
            let some = |channels: BTreeSet<String>| Some(channels).filter(|channels| !channels.is_empty());
            Inactive { topics: topics.into_iter().map(|(topic, channels)| (topic, some(channels))).collect() }
        })));
    }
    Ok(told(admin.view.topics().await?.map(|topics| Topics { topics })))
}

/// `/api/topics/:topic`
pub(super) async fn topic(admin: &Admin, topic: &str) -> Result<Response, Refusal> {
    Ok(told(admin.view.topic(topic, unix_seconds()).await?))
}

/// `/api/topics/:topic/:channel`
pub(super) async fn channel(admin: &Admin, topic: &str, channel: &str) -> Result<Response, Refusal> {
    Ok(told(admin.view.channel(topic, channel, unix_seconds()).await?))
}

/// `/api/nodes`
pub(super) async fn nodes(admin: &Admin) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Nodes<T> {
        nodes: T,
    }
    Ok(told(admin.view.nodes().await?.map(|nodes| Nodes { nodes })))
}

/// `/api/nodes/:node`
pub(super) async fn node(admin: &Admin, node: &str) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    #[expect(clippy::struct_field_names, reason = "the document of NSQ")]
    struct Node<T> {
        node: String,
        /// `None` without topics.
        topics: Option<T>,
        total_messages: i64,
        total_clients: usize,
    }
    let seen = admin.view.node(node, unix_seconds()).await?;
    Ok(told(seen.map(|topics| {
        let total_messages = topics.iter().fold(0i64, |sum, topic| sum.saturating_add(topic.message_count));
        let channels = topics.iter().flat_map(|topic| &topic.channels);
        let total_clients = channels.map(|channel| channel.clients.as_ref().map_or(0, Vec::len)).sum();
        let topics = Some(topics).filter(|topics| !topics.is_empty());
        Node { node: node.to_owned(), topics, total_messages, total_clients }
    })))
}

/// `/api/counter`
pub(super) async fn counter(admin: &Admin) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    #[expect(clippy::struct_field_names, reason = "the document of NSQ")]
    struct Count {
        node: String,
        topic_name: String,
        channel_name: String,
        message_count: i64,
    }
    #[derive(Serialize)]
    struct Counts {
        stats: BTreeMap<String, Count>,
    }
    let seen = admin.view.all_channels(unix_seconds()).await?;
    Ok(told(seen.map(|channels| {
        let count = |channel: crate::cluster::ChannelTally| {
            let key = format!("{}:{}:{}", channel.topic_name, channel.channel_name, channel.node);
            let (node, topic_name) = (channel.node, channel.topic_name);
            (
                key,
                Count {
                    node,
                    topic_name,
                    channel_name: channel.channel_name,
                    message_count: channel.message_count,
                },
            )
        };
        Counts { stats: channels.into_iter().map(count).collect() }
    })))
}

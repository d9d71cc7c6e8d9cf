//! What operators do to the cluster: NSQ's requests, with what came of it at each server.

use std::{net::SocketAddr, sync::Arc};

use daemon::http::{
    body,
    respond::{self, Refusal, Response},
};
use hyper::{
    body::Incoming,
    header::{HOST, HeaderName, USER_AGENT},
    http::request::Parts,
};
use protocol::{ChannelName, TopicName};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::info;

use super::messages::Draft;
use crate::{
    admin::{Admin, unix_seconds},
    cluster::{Kind, Node, NodeName, Nothing, QueryError, Seen},
    notify::Notice,
};

/// Of a request.
const BYTES_MAX: usize = 1 << 20;

/// What somebody wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Create {
        topic: TopicName,
        channel: Option<ChannelName>,
    },
    DeleteTopic {
        topic: String,
    },
    DeleteChannel {
        topic: String,
        channel: String,
    },
    Topic {
        topic: String,
        verb: Verb,
    },
    Channel {
        topic: String,
        channel: String,
        verb: Verb,
    },
    Tombstone {
        topic: TopicName,
        node: String,
    },
    /// `to` is as nsqd takes it.
    Seek {
        topic: String,
        channel: String,
        to: String,
    },
    Publish(Draft),
}

/// What is done to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Pause,
    Unpause,
    Empty,
}

/// What came of a step at one server.
#[derive(Debug, Serialize)]
struct StepResult {
    node: String,
    kind: String,
    step: &'static str,
    done: bool,
    error: Option<String>,
}

/// What came of an action.
#[derive(Debug, Default)]
struct Outcome {
    results: Vec<StepResult>,
    /// What was not done at all, and why.
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct CreateBody {
    #[serde(default)]
    topic: String,
    #[serde(default)]
    channel: String,
}

#[derive(Deserialize)]
struct VerbBody {
    #[serde(default)]
    action: String,
}

#[derive(Deserialize)]
struct TombstoneBody {
    #[serde(default)]
    topic: String,
}

/// The first JSON value of the body; what follows it is not looked at.
pub(super) async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, String> {
    let bytes = body::read(body, BYTES_MAX, "BODY_TOO_BIG").await.map_err(|refusal| refusal.message)?;
    let mut values = serde_json::Deserializer::from_slice(&bytes).into_iter();
    match values.next() {
        None => Err("EOF".to_owned()),
        Some(value) => value.map_err(|error| error.to_string()),
    }
}

impl Action {
    /// `POST /api/topics`
    pub(super) async fn create(body: Incoming) -> Result<Self, Refusal> {
        let body: CreateBody = read(body).await.map_err(|text| Refusal::bad(&text))?;
        let topic = body.topic.parse().map_err(|_| Refusal::bad("INVALID_TOPIC"))?;
        let channel = Some(body.channel).filter(|channel| !channel.is_empty());
        let channel =
            channel.map(|name| name.parse().map_err(|_| Refusal::bad("INVALID_CHANNEL"))).transpose()?;
        Ok(Self::Create { topic, channel })
    }

    /// `POST /api/topics/:topic`, or with a channel.
    pub(super) async fn verb(topic: &str, channel: Option<&str>, body: Incoming) -> Result<Self, Refusal> {
        let body: VerbBody = read(body).await.map_err(|text| Refusal::bad(&text))?;
        let verb = match body.action.as_str() {
            "pause" => Verb::Pause,
            "unpause" => Verb::Unpause,
            "empty" => Verb::Empty,
            _ => return Err(Refusal::bad("INVALID_ACTION")),
        };
        let topic = topic.to_owned();
        Ok(match channel {
            None => Self::Topic { topic, verb },
            Some(channel) => Self::Channel { topic, channel: channel.to_owned(), verb },
        })
    }

    /// `DELETE /api/nodes/:node`
    pub(super) async fn tombstone(node: &str, body: Incoming) -> Result<Self, Refusal> {
        let body: TombstoneBody = read(body).await.map_err(|_| Refusal::bad("INVALID_BODY"))?;
        let topic = body.topic.parse().map_err(|_| Refusal::bad("INVALID_TOPIC"))?;
        Ok(Self::Tombstone { topic, node: node.to_owned() })
    }

    fn topic(&self) -> &str {
        match self {
            Self::Create { topic, .. }
            | Self::Tombstone { topic, .. }
            | Self::Publish(Draft { topic, .. }) => topic.as_str(),
            Self::Seek { topic, .. }
            | Self::DeleteTopic { topic }
            | Self::DeleteChannel { topic, .. }
            | Self::Topic { topic, .. }
            | Self::Channel { topic, .. } => topic,
        }
    }

    fn channel(&self) -> &str {
        match self {
            Self::Create { channel, .. } => channel.as_ref().map_or("", ChannelName::as_str),
            Self::DeleteChannel { channel, .. }
            | Self::Channel { channel, .. }
            | Self::Seek { channel, .. } => channel,
            Self::DeleteTopic { .. } | Self::Topic { .. } | Self::Tombstone { .. } | Self::Publish(_) => "",
        }
    }

    /// As notifications call it; two of them for a topic and a channel at once.
    fn names(&self) -> &'static [&'static str] {
        match self {
            Self::Create { channel: None, .. } => &["create_topic"],
            Self::Create { channel: Some(_), .. } => &["create_topic", "create_channel"],
            Self::DeleteTopic { .. } => &["delete_topic"],
            Self::DeleteChannel { .. } => &["delete_channel"],
            Self::Topic { verb: Verb::Pause, .. } => &["pause_topic"],
            Self::Topic { verb: Verb::Unpause, .. } => &["unpause_topic"],
            Self::Topic { verb: Verb::Empty, .. } => &["empty_topic"],
            Self::Channel { verb: Verb::Pause, .. } => &["pause_channel"],
            Self::Channel { verb: Verb::Unpause, .. } => &["unpause_channel"],
            Self::Channel { verb: Verb::Empty, .. } => &["empty_channel"],
            Self::Tombstone { .. } => &["tombstone_topic_producer"],
            Self::Seek { .. } => &["seek_channel"],
            Self::Publish(_) => &["publish_message"],
        }
    }

    /// The path at an nsqd, and what the step is called.
    fn path(&self) -> (&'static str, &'static str) {
        match self {
            Self::Create { .. } => ("/topic/create", "create topic"),
            Self::DeleteTopic { .. } | Self::Tombstone { .. } => ("/topic/delete", "delete topic"),
            Self::DeleteChannel { .. } => ("/channel/delete", "delete channel"),
            Self::Topic { verb: Verb::Pause, .. } => ("/topic/pause", "pause topic"),
            Self::Topic { verb: Verb::Unpause, .. } => ("/topic/unpause", "unpause topic"),
            Self::Topic { verb: Verb::Empty, .. } => ("/topic/empty", "empty topic"),
            Self::Channel { verb: Verb::Pause, .. } => ("/channel/pause", "pause channel"),
            Self::Channel { verb: Verb::Unpause, .. } => ("/channel/unpause", "unpause channel"),
            Self::Channel { verb: Verb::Empty, .. } => ("/channel/empty", "empty channel"),
            Self::Seek { .. } => ("/channel/seek", "seek channel"),
            Self::Publish(_) => ("/pub", "publish message"),
        }
    }
}

/// Does it, tells of it, and answers.
///
/// # Errors
/// Nothing could be found out about what it is for; then nothing was done.
pub(super) async fn act(
    admin: &Arc<Admin>,
    action: Action,
    head: &Parts,
    peer: SocketAddr,
) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Done {
        message: String,
        results: Vec<StepResult>,
    }
    let mut outcome = Outcome::default();
    let found = outcome.carry_out(admin, &action).await;
    let error = found.as_ref().err().map_or_else(|| outcome.failures(), ToString::to_string);
    let user = admin.access.user(&head.headers);
    let done = outcome.results.iter().filter(|result| result.done).count();
    info!(
        "ACTION: {} topic={} channel={} by {} ({peer}): {done} of {} steps done{}{}",
        action.names().join(" and "),
        action.topic(),
        action.channel(),
        user.as_deref().unwrap_or("somebody"),
        outcome.results.len(),
        if error.is_empty() { "" } else { " - " },
        error.replace('\n', "; "),
    );
    for name in action.names() {
        let channel = if name.ends_with("_topic") { "" } else { action.channel() };
        let node = match &action {
            Action::Tombstone { node, .. } | Action::Publish(Draft { node: Some(node), .. }) => node.as_str(),
            _ => "",
        };
        admin.notifier.notify(notice(admin, head, peer, (name, action.topic(), channel, node), &error));
    }
    // Whoever watches sees it at once.
    admin.live.hurry();
    found.map_err(Refusal::from)?;
    let message = if error.is_empty() { error } else { format!("WARNING: {error}") };
    Ok(respond::json(&Done { message, results: outcome.results }))
}

fn notice(
    admin: &Admin,
    head: &Parts,
    peer: SocketAddr,
    (action, topic, channel, node): (&'static str, &str, &str, &str),
    error: &str,
) -> Notice {
    let header = |name: HeaderName| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let is_secure = header(HeaderName::from_static("x-scheme")) == "https";
    let scheme = if is_secure { "https" } else { "http" };
    Notice {
        action,
        topic: topic.to_owned(),
        channel: channel.to_owned(),
        node: node.to_owned(),
        timestamp: unix_seconds(),
        user: admin.access.user(&head.headers),
        remote_ip: peer.to_string(),
        user_agent: header(USER_AGENT),
        url: format!(
            "{scheme}://{}{}",
            header(HOST),
            head.uri.path_and_query().map_or("/", |path| path.as_str())
        ),
        via: admin.hostname.clone(),
        error: error.to_owned(),
    }
}

impl Outcome {
    /// What was not done, a line each.
    fn failures(&self) -> String {
        let failed = self.results.iter().filter_map(|result| {
            result.error.as_ref().map(|error| format!("{}: {}: {error}", result.node, result.step))
        });
        self.warnings.iter().cloned().chain(failed).collect::<Vec<_>>().join("\n")
    }

    async fn carry_out(&mut self, admin: &Admin, action: &Action) -> Result<(), Nothing> {
        match action {
            Action::Create { topic, channel } => self.create(admin, topic, channel.as_ref()).await,
            Action::Tombstone { topic, node } => self.tombstone(admin, topic.as_str(), node).await,
            Action::Publish(draft) => self.publish(admin, draft).await,
            _ => self.change(admin, action).await,
        }
    }

    /// Names are reserved at the nsqlookupds; a channel is made wherever its topic is. Without nsqlookupds, at each nsqd.
    async fn create(
        &mut self,
        admin: &Admin,
        topic: &TopicName,
        channel: Option<&ChannelName>,
    ) -> Result<(), Nothing> {
        let (lookupds, query) = (admin.view.lookupds(), [("topic", topic.as_str())]);
        let (kind, servers) = match lookupds.as_slice() {
            [] => (Kind::Nsqd, admin.view.nsqds()),
            lookupds => (Kind::Nsqlookupd, lookupds),
        };
        self.order(admin, kind, servers, ("/topic/create", "create topic"), &query).await;
        let Some(channel) = channel else { return Ok(()) };
        let (step, query) =
            (("/channel/create", "create channel"), [query[0], ("channel", channel.as_str())]);
        self.order(admin, kind, servers, step, &query).await;
        if kind == Kind::Nsqlookupd {
            let nodes = match admin.view.place(topic.as_str()).await {
                Ok(place) => self.nodes(place.map(|place| place.nodes)),
                // It was not to be had at any nsqlookupd, which is said already.
                Err(Nothing::Topic) => Vec::new(),
                Err(nothing) => {
                    self.warnings.push(nothing.to_string());
                    Vec::new()
                }
            };
            self.order(admin, Kind::Nsqd, &nodes, step, &query).await;
        }
        Ok(())
    }

    /// Hides a topic of an nsqd from those who look for it, and deletes it there.
    async fn tombstone(&mut self, admin: &Admin, topic: &str, node: &str) -> Result<(), Nothing> {
        let nodes = admin.view.nodes().await?.map(|nodes| nodes.iter().map(Node::name).collect());
        let nodes = self.nodes(nodes);
        if !nodes.iter().any(|address| address == node) {
            return Err(Nothing::Node);
        }
        let step = ("/topic/tombstone", "tombstone topic");
        let query = [("topic", topic), ("node", node)];
        self.order(admin, Kind::Nsqlookupd, &admin.view.lookupds(), step, &query).await;
        let step = ("/topic/delete", "delete topic");
        self.order(admin, Kind::Nsqd, &[node.to_owned()], step, &[("topic", topic)]).await;
        Ok(())
    }

    /// At one nsqd, and not at another if that one fails: it may have taken the message all the same.
    async fn publish(&mut self, admin: &Admin, draft: &Draft) -> Result<(), Nothing> {
        let nodes = if let Some(node) = &draft.node {
            let nodes = admin.view.nodes().await?.map(|nodes| nodes.iter().map(Node::name).collect());
            let mut nodes = self.nodes(nodes);
            nodes.retain(|address| address == node);
            nodes
        } else {
            let place = admin.view.place(draft.topic.as_str()).await?;
            self.nodes(place.map(|place| place.nodes))
        };
        let is_down = |node: &String| admin.live.is_down(node);
        let node = nodes.iter().find(|node| !is_down(node)).or(nodes.first());
        let Some(node) = node else { return Err(Nothing::Node) };
        let defer = draft.defer_ms.to_string();
        let query = [("topic", draft.topic.as_str()), ("defer", defer.as_str())];
        let query = if draft.defer_ms == 0 { &query[..1] } else { &query };
        let done = admin.view.upstream.post_body(node, "/pub", query, &draft.body).await;
        self.note(Kind::Nsqd, "publish message", node.clone(), done);
        Ok(())
    }

    /// What is done wherever the topic is.
    async fn change(&mut self, admin: &Admin, action: &Action) -> Result<(), Nothing> {
        let place = admin.view.place(action.topic()).await?;
        let nodes = self.nodes(place.map(|place| place.nodes));
        let mut query = vec![("topic", action.topic())];
        if !action.channel().is_empty() {
            query.push(("channel", action.channel()));
        }
        if let Action::Seek { to, .. } = action {
            query.push(("to", to));
        }
        if matches!(action, Action::DeleteTopic { .. } | Action::DeleteChannel { .. }) {
            // First, so that nobody is sent to where it was.
            self.order(admin, Kind::Nsqlookupd, &admin.view.lookupds(), action.path(), &query).await;
        } else if nodes.is_empty() {
            self.warnings.push("no nsqd has the topic: nothing was done".to_owned());
        }
        self.order(admin, Kind::Nsqd, &nodes, action.path(), &query).await;
        Ok(())
    }

    /// The addresses of nsqds; what could not be found out goes to the warnings.
    fn nodes(&mut self, seen: Seen<Vec<NodeName>>) -> Vec<String> {
        self.warnings.extend(seen.warnings);
        seen.what.into_iter().map(|node| node.address).collect()
    }

    async fn order(
        &mut self,
        admin: &Admin,
        kind: Kind,
        servers: &[String],
        (path, step): (&'static str, &'static str),
        query: &[(&str, &str)],
    ) {
        for (node, done) in admin.view.order(servers, path, query).await {
            self.note(kind, step, node, done);
        }
    }

    fn note(&mut self, kind: Kind, step: &'static str, node: String, done: Result<(), QueryError>) {
        let error = done.err().map(|error| error.to_string());
        self.results.push(StepResult { node, kind: kind.to_string(), step, done: error.is_none(), error });
    }
}

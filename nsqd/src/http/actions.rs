//! The operations on topics and channels.

use std::sync::Arc;

use hyper::StatusCode;

use super::{
    parameters::Parameters,
    respond::{self, Refusal, Response},
};
use crate::{
    channel::Channel,
    nsqd::Nsqd,
    topic::{Position, Topic},
};

/// What can be done to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopicAction {
    Create,
    Delete,
    Empty,
    Pause,
    Unpause,
}

/// What can be done to a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelAction {
    Create,
    Delete,
    Empty,
    Pause,
    Unpause,
    Seek,
}

/// Does it. Pauses and deletions are in the metadata file before the answer.
///
/// # Errors
/// The refusals of NSQ's table.
pub(super) async fn on_topic(
    nsqd: &Arc<Nsqd>,
    action: TopicAction,
    query: &str,
) -> Result<Response, Refusal> {
    let parameters = Parameters::parse(query)?;
    match action {
        TopicAction::Create => {
            let made = nsqd.topics.get_or_create(&parameters.topic_name()?);
            let refused = |text: String| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text);
            made.map_err(|error| refused(error.to_string()))?.ok_or_else(|| refused("EXITING".to_owned()))?;
        }
        TopicAction::Delete => {
            let topic = parameters.topic(nsqd)?;
            nsqd.topics.delete(topic.name().as_str());
            nsqd.topics.rewrite_now().await;
        }
        TopicAction::Empty => {
            parameters.topic_name()?;
            parameters.topic(nsqd)?.empty();
        }
        TopicAction::Pause | TopicAction::Unpause => {
            parameters.topic(nsqd)?.set_paused(action == TopicAction::Pause);
            nsqd.topics.rewrite_now().await;
        }
    }
    Ok(respond::empty())
}

/// Does it. Pauses and deletions are in the metadata file before the answer.
///
/// # Errors
/// The refusals of NSQ's table.
pub(super) async fn on_channel(
    nsqd: &Arc<Nsqd>,
    action: ChannelAction,
    query: &str,
) -> Result<Response, Refusal> {
    let parameters = Parameters::parse(query)?;
    match action {
        ChannelAction::Create => {
            let (topic, name) = parameters.topic_and_channel_name(nsqd)?;
            let from = parameters.get("from").map(|text| position("FROM", text)).transpose()?;
            let (channel, is_new) = topic.channel_or_create(&name);
            if is_new {
                nsqd.topics.rewrite_soon();
                if let Some(from) = from {
                    seek("FROM", topic, channel, from).await?;
                }
            }
        }
        ChannelAction::Seek => {
            let (topic, channel) = parameters.channel(nsqd)?;
            let to = parameters.get("to").ok_or_else(|| Refusal::bad("MISSING_ARG_TO"))?;
            seek("TO", topic, channel, position("TO", to)?).await?;
        }
        ChannelAction::Delete => {
            let (topic, channel) = parameters.channel(nsqd)?;
            topic.remove_channel(&channel);
            nsqd.topics.delete_if_unused(&topic);
            nsqd.topics.rewrite_now().await;
        }
        ChannelAction::Empty => {
            let (topic, channel) = parameters.channel(nsqd)?;
            channel.empty();
            topic.note_change();
        }
        ChannelAction::Pause | ChannelAction::Unpause => {
            let (topic, channel) = parameters.channel(nsqd)?;
            if channel.set_paused(action == ChannelAction::Pause) {
                topic.save_channel(&channel);
                nsqd.topics.rewrite_now().await;
            }
        }
    }
    Ok(respond::empty())
}

fn position(name: &str, text: &[u8]) -> Result<Position, Refusal> {
    let position = std::str::from_utf8(text).ok().and_then(Position::parse);
    position.ok_or_else(|| Refusal::bad(&format!("INVALID_ARG_{name}")))
}

async fn seek(name: &str, topic: Arc<Topic>, channel: Arc<Channel>, to: Position) -> Result<(), Refusal> {
    if topic.seek(channel, to).await { Ok(()) } else { Err(Refusal::bad(&format!("INVALID_ARG_{name}"))) }
}

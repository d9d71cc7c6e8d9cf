//! What operators change. All of it may be said again.

use daemon::http::{
    query::Query,
    respond::{self, Refusal, Response},
};
use hyper::StatusCode;
use protocol::{ChannelName, TopicName};
use tracing::info;

use crate::{clock, lookupd::Lookupd, registry::Full};

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    CreateTopic,
    DeleteTopic,
    Tombstone,
    CreateChannel,
    DeleteChannel,
}

/// NSQ takes it for every topic; here it is a name like another, which no topic has.
const ANY: &[u8] = b"*";

/// Does it.
///
/// # Errors
/// The refusals of NSQ's table, in its order; 503 if there are too many names.
pub(super) fn apply(lookupd: &Lookupd, change: Change, query: &Query) -> Result<Response, Refusal> {
    let value = |name: &str| query.get(name);
    let missing = |what: &str| Refusal::bad(&format!("MISSING_ARG_{what}"));
    let topic = value("topic").ok_or_else(|| missing("TOPIC"))?;
    let invalid_topic = || Refusal::bad("INVALID_ARG_TOPIC");
    let topic_name = || TopicName::parse(topic).map_err(|_| invalid_topic());
    let channel_name = || {
        let channel = value("channel").ok_or_else(|| missing("CHANNEL"))?;
        ChannelName::parse(channel).map_err(|_| Refusal::bad("INVALID_ARG_CHANNEL"))
    };
    if topic == ANY {
        return Err(invalid_topic());
    }
    // Not checked where a name that is not valid has nothing to find.
    let topic_text = String::from_utf8_lossy(topic);
    match change {
        Change::CreateTopic => {
            let topic = topic_name()?;
            if lookupd.directory.write().create_topic(&topic).map_err(|full| too_many(&full))? {
                info!("DB: adding topic({topic})");
            }
        }
        Change::DeleteTopic => {
            let deleted = lookupd.directory.write().delete_topic(&topic_text);
            if let Some(channels) = deleted {
                info!("DB: removing topic({topic_text}) with {} channels", channels.len());
            }
        }
        Change::Tombstone => {
            let node = value("node").ok_or_else(|| missing("NODE"))?;
            let node = String::from_utf8_lossy(node);
            let count = lookupd.directory.write().tombstone(&topic_text, &node, clock::now());
            info!(
                "DB: setting tombstone for producer@{node} of topic({topic_text}): {count} connections are hidden"
            );
        }
        Change::CreateChannel => {
            let (topic, channel) = (topic_name()?, channel_name()?);
            let created = lookupd.directory.write().create_channel(&topic, &channel);
            if created.map_err(|full| too_many(&full))? {
                info!("DB: adding channel({channel}) in topic({topic})");
            }
        }
        Change::DeleteChannel => {
            let (topic, channel) = (topic_name()?, channel_name()?);
            if !lookupd.directory.write().delete_channel(topic.as_str(), channel.as_str()) {
                return Err(Refusal::not_found("CHANNEL_NOT_FOUND"));
            }
            info!("DB: removing channel({channel}) from topic({topic})");
        }
    }
    Ok(respond::empty())
}

fn too_many(full: &Full) -> Refusal {
    let text = format!("there are {} {}, which is the limit", full.max, full.what);
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text)
}

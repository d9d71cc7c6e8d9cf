//! Policies of topics and channels: what an operator sets while the daemon runs, kept in the list of topics.

use std::time::Duration;

use daemon::{duration, options::nearest_name};
use protocol::TopicName;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};

use crate::{channel::Rules, log::Limits};

/// What happens to messages that wait. Of a channel, or, of a topic, for its channels that do not say otherwise. 0 lifts
/// a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueuePolicy {
    /// Older messages are dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_ttl: Option<Span>,
    /// What was delivered so often goes to the dead-letter topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead_letter_topic: Option<String>,
    /// Messages that wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_depth: Option<u64>,
    /// What happens beyond it; `refuse` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_full: Option<OnFull>,
    /// In which a client has to finish a message, unless it sets its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    msg_timeout: Option<Span>,
}

/// What a full channel does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnFull {
    /// Publishes to its topic are refused.
    Refuse,
    /// Its oldest messages are dropped.
    DropOldest,
}

/// What a topic stores, how, and what happens in it and its channels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopicPolicy {
    #[serde(flatten)]
    pub(super) queues: QueuePolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_age: Option<Span>,
    /// Bytes of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub_ack: Option<PubAck>,
}

/// When a publish is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PubAck {
    /// Once it outlives the process.
    Write,
    /// Once it is on the disk.
    Sync,
}

/// A duration: `1m30s`, or milliseconds as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span(Duration);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&duration::format(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Ms(i64),
            Text(String),
        }
        let wanted =
            || D::Error::custom("must be a duration such as \"1m30s\", or milliseconds; not negative");
        let ns = match Form::deserialize(deserializer).map_err(|_| wanted())? {
            Form::Ms(ms) => ms.checked_mul(1_000_000),
            Form::Text(text) => duration::parse_ns(&text).ok(),
        };
        let ns = ns.and_then(|ns| u64::try_from(ns).ok()).ok_or_else(wanted)?;
        Ok(Self(Duration::from_nanos(ns)))
    }
}

/// What the rules of queues say of one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Effective {
    pub(crate) rules: Rules,
    /// Publishes that would make it deeper are refused.
    pub(crate) refuse_above: Option<u64>,
    pub(crate) dead_letter_topic: Option<TopicName>,
}

const QUEUE_KEYS: [&str; 6] =
    ["message_ttl", "max_attempts", "dead_letter_topic", "max_depth", "on_full", "msg_timeout"];
const TOPIC_KEYS: [&str; 4] = ["retention_bytes", "retention_age", "max_bytes", "pub_ack"];

/// Why a change of a policy is refused. Nothing was changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PolicyError(String);

/// Applies a JSON merge patch (RFC 7396) to a document: keys that it has are set, or, with `null`, removed.
fn merged<T: Serialize + for<'de> Deserialize<'de>>(
    document: &T,
    patch: &[u8],
    keys: &[&str],
) -> Result<T, PolicyError> {
    let refused = |cause: String| PolicyError(cause);
    let patch: Map<String, Value> =
        serde_json::from_slice(patch).map_err(|_| refused("the body must be a JSON object".to_owned()))?;
    let Ok(Value::Object(mut all)) = serde_json::to_value(document) else {
        return Err(refused("the present policy cannot be read".to_owned()));
    };
    for (key, value) in patch {
        if !keys.contains(&key.as_str()) {
            let hint = nearest_name(keys.iter().copied(), &key);
            let hint = hint.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
            return Err(refused(format!("there is no {key:?} here{hint}")));
        }
        if value.is_null() {
            all.remove(&key);
            continue;
        }
        // By itself first, so that the error is about this key.
        let alone = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        serde_json::from_value::<T>(alone).map_err(|error| refused(format!("{key}: {error}")))?;
        all.insert(key, value);
    }
    serde_json::from_value(Value::Object(all)).map_err(|error| refused(error.to_string()))
}

impl QueuePolicy {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This policy, changed as JSON says.
    ///
    /// # Errors
    /// [`PolicyError`]
    pub(crate) fn patched(&self, patch: &[u8]) -> Result<Self, PolicyError> {
        merged(self, patch, &QUEUE_KEYS)
    }

    /// What it says, and for the rest `other`.
    pub(super) fn or(&self, other: &Self) -> Self {
        // What belongs together is taken together.
        let attempts = if self.max_attempts.is_some() { self } else { other };
        let depth = if self.max_depth.is_some() { self } else { other };
        Self {
            message_ttl: self.message_ttl.or(other.message_ttl),
            max_attempts: attempts.max_attempts,
            dead_letter_topic: self.dead_letter_topic.clone().or_else(|| other.dead_letter_topic.clone()),
            max_depth: depth.max_depth,
            on_full: self.on_full.or(other.on_full),
            msg_timeout: self.msg_timeout.or(other.msg_timeout),
        }
    }

    /// What it comes to for a channel of `topic`.
    ///
    /// # Errors
    /// [`PolicyError`]: there is a limit without the place where messages go.
    pub(super) fn effective(&self, topic: &TopicName) -> Result<Effective, PolicyError> {
        let refused = |cause: &str| Err(PolicyError(cause.to_owned()));
        let span = |span: Option<Span>| span.map(|span| span.0).filter(|span| !span.is_zero());
        let attempts_max = self.max_attempts.filter(|max| *max != 0);
        let dead_letter_topic = match &self.dead_letter_topic {
            None if attempts_max.is_some() => {
                return refused("max_attempts: give a dead_letter_topic, too, for the messages to go to");
            }
            None => None,
            Some(name) if name == topic.as_str() => {
                return refused("dead_letter_topic: must be another topic");
            }
            Some(name) => match TopicName::parse(name.as_bytes()) {
                Ok(name) => Some(name),
                Err(_) => return refused("dead_letter_topic: is not a valid name of a topic"),
            },
        };
        let depth_max = self.max_depth.filter(|max| *max != 0);
        let drops = self.on_full == Some(OnFull::DropOldest);
        let ttl = span(self.message_ttl);
        Ok(Effective {
            rules: Rules {
                ttl_ns: ttl.map(|ttl| u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX)),
                drop_above: depth_max.filter(|_| drops),
                attempts_max,
                msg_timeout: span(self.msg_timeout),
            },
            refuse_above: depth_max.filter(|_| !drops),
            dead_letter_topic,
        })
    }
}

impl TopicPolicy {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As [`QueuePolicy::patched`].
    ///
    /// # Errors
    /// [`PolicyError`]
    pub(crate) fn patched(&self, patch: &[u8]) -> Result<Self, PolicyError> {
        merged(self, patch, &[&QUEUE_KEYS[..], &TOPIC_KEYS[..]].concat())
    }

    /// What it says of storage, and for the rest `other`.
    pub(super) fn limits(&self, other: Limits) -> Limits {
        Limits {
            retention_bytes: self.retention_bytes.unwrap_or(other.retention_bytes),
            retention_age: self.retention_age.map_or(other.retention_age, |age| age.0),
            topic_bytes_max: self.max_bytes.unwrap_or(other.topic_bytes_max),
            free_bytes_min: other.free_bytes_min,
        }
    }

    /// Whether a publish is answered only when it is on the disk.
    pub(super) fn waits_for_disk(&self, by_default: bool) -> bool {
        self.pub_ack.map_or(by_default, |ack| ack == PubAck::Sync)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> TopicName {
        "t".parse().unwrap()
    }

    #[test]
    fn a_patch_sets_and_removes_and_leaves_the_rest() {
        let policy = TopicPolicy::default();
        assert!(policy.is_empty());
        let policy = policy
            .patched(br#"{"message_ttl":"90s","max_depth":5,"retention_age":60000,"pub_ack":"sync"}"#)
            .unwrap();
        assert_eq!(
            serde_json::to_string(&policy).unwrap(),
            r#"{"message_ttl":"1m30s","max_depth":5,"retention_age":"1m0s","pub_ack":"sync"}"#
        );
        let policy = policy.patched(br#"{"max_depth":null,"message_ttl":0}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&policy).unwrap(),
            r#"{"message_ttl":"0s","retention_age":"1m0s","pub_ack":"sync"}"#
        );
        assert_eq!(policy.queues.effective(&topic()).unwrap().rules, Rules::default());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (patch, expected) in [
            ("[]", "the body must be a JSON object"),
            ("{\"max_dept\":1}", "there is no \"max_dept\" here; did you mean max_depth?"),
            ("{\"zzzzzzzz\":1}", "there is no \"zzzzzzzz\" here"),
            (
                "{\"message_ttl\":\"soon\"}",
                "message_ttl: must be a duration such as \"1m30s\", or milliseconds; not negative",
            ),
            (
                "{\"message_ttl\":-1}",
                "message_ttl: must be a duration such as \"1m30s\", or milliseconds; not negative",
            ),
            ("{\"retention_bytes\":1,\"pub_ack\":2}", "there is no \"pub_ack\" here"),
        ] {
            let result = if patch.contains("retention") {
                QueuePolicy::default().patched(br#"{"pub_ack":2}"#).map(|_| ())
            } else {
                TopicPolicy::default().patched(patch.as_bytes()).map(|_| ())
            };
            assert_eq!(result.unwrap_err().to_string(), expected, "{patch}");
        }
        for (patch, expected) in [
            (
                "{\"max_attempts\":3}",
                "max_attempts: give a dead_letter_topic, too, for the messages to go to",
            ),
            ("{\"dead_letter_topic\":\"t\"}", "dead_letter_topic: must be another topic"),
            ("{\"dead_letter_topic\":\"a b\"}", "dead_letter_topic: is not a valid name of a topic"),
        ] {
            let policy = QueuePolicy::default().patched(patch.as_bytes()).unwrap();
            assert_eq!(policy.effective(&topic()).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_channel_overrules_its_topic() {
        let of_topic =
            QueuePolicy::default().patched(br#"{"max_depth":5,"on_full":"drop_oldest","message_ttl":"1s"}"#);
        let of_channel = QueuePolicy::default().patched(br#"{"max_depth":7}"#).unwrap();
        let effective = of_channel.or(&of_topic.unwrap()).effective(&topic()).unwrap();
        assert_eq!(effective.rules.drop_above, Some(7));
        assert_eq!(effective.rules.ttl_ns, Some(1_000_000_000));
        let lifted = QueuePolicy::default().patched(br#"{"max_depth":0}"#).unwrap();
        assert_eq!(lifted.or(&of_channel).effective(&topic()).unwrap(), Effective::default());
    }
}

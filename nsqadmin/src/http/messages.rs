//! Actions on messages: moving a channel in its topic's log, publishing one.

use base64::prelude::{BASE64_STANDARD, Engine};
use daemon::{duration, http::respond::Refusal};
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use protocol::TopicName;
use serde::Deserialize;

use super::acting::{Action, read};

/// A message that somebody wants published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) topic: TopicName,
    /// `None`: any that has the topic.
    pub(super) node: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) defer_ms: u64,
}

#[derive(Deserialize)]
struct SeekBody {
    #[serde(default)]
    topic: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    to: String,
}

#[derive(Deserialize)]
struct PublishBody {
    #[serde(default)]
    topic: String,
    node: Option<String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    encoding: Encoding,
    #[serde(default)]
    defer_ms: u64,
}

/// How a body is written in JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Text,
    Base64,
}

impl Action {
    /// `POST /api/seek`
    pub(super) async fn seek(body: Incoming) -> Result<Self, Refusal> {
        let SeekBody { topic, channel, to } = read(body).await.map_err(|text| Refusal::bad(&text))?;
        let to = position(&to, Timestamp::now()).ok_or_else(|| Refusal::bad("INVALID_TO"))?;
        if topic.is_empty() || channel.is_empty() {
            return Err(Refusal::bad(if topic.is_empty() { "INVALID_TOPIC" } else { "INVALID_CHANNEL" }));
        }
        Ok(Self::Seek { topic, channel, to })
    }

    /// `POST /api/publish`
    pub(super) async fn publish(body: Incoming) -> Result<Self, Refusal> {
        let draft: PublishBody = read(body).await.map_err(|text| Refusal::bad(&text))?;
        let body = match draft.encoding {
            Encoding::Text => draft.body.into_bytes(),
            Encoding::Base64 => {
                BASE64_STANDARD.decode(&draft.body).map_err(|_| Refusal::bad("INVALID_BODY"))?
            }
        };
        Ok(Self::Publish(Draft {
            topic: draft.topic.parse().map_err(|_| Refusal::bad("INVALID_TOPIC"))?,
            node: draft.node,
            body,
            defer_ms: draft.defer_ms,
        }))
    }
}

/// What an nsqd takes for a place: `start`, `end`, a time as in RFC 3339, or how long ago, as `-1h`.
fn position(to: &str, now: Timestamp) -> Option<String> {
    let time = match to {
        "start" => return Some("earliest".to_owned()),
        "end" => return Some("latest".to_owned()),
        to => match to.strip_prefix('-') {
            Some(ago) => {
                let ago = duration::parse_ns(ago).ok().filter(|ns| 0 <= *ns)?;
                now.checked_sub(SignedDuration::from_nanos(ago)).ok()?
            }
            None => to.parse().ok()?,
        },
    };
    Some(time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: every nsqd is told the same time, whatever its clock says.
    #[test]
    fn places_are_told_as_nsqd_takes_them() {
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        for (to, expected) in [
            ("start", Some("earliest")),
            ("end", Some("latest")),
            ("-1h", Some("2026-11-20T09:00:00Z")),
            ("-1h30m", Some("2026-11-20T08:30:00Z")),
            ("2026-11-20T10:00:00+01:00", Some("2026-11-20T09:00:00Z")),
            ("-", None),
            ("--1h", None),
            ("5", None),
            ("", None),
            ("yesterday", None),
        ] {
            assert_eq!(position(to, now).as_deref(), expected, "{to}");
        }
    }
}

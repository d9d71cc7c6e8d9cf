//! The answer of an authorization server.

use std::time::{Duration, Instant};

use daemon::re2;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

/// Authorizations in an answer.
const AUTHORIZATIONS_MAX: usize = 10_000;

/// What one secret allows, until it expires.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) identity: String,
    pub(crate) identity_url: String,
    authorizations: Vec<Authorization>,
    expires: Instant,
}

/// Topics, and channels of them.
#[derive(Debug)]
struct Authorization {
    topic: Regex,
    channels: Vec<Regex>,
    may_subscribe: bool,
    may_publish: bool,
}

/// The answer as sent. What is missing or null is empty, as in the reference.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    ttl: Option<i64>,
    identity: Option<String>,
    identity_url: Option<String>,
    authorizations: Option<Vec<Entry>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    topic: Option<String>,
    channels: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
}

/// Why an answer is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Invalid {
    #[error("the answer is not the JSON that is expected: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the answer is not a JSON object of objects")]
    NoObject,
    #[error("invalid TTL {0} (must be >0)")]
    Ttl(i64),
    #[error("unknown permission {0}")]
    Permission(String),
    #[error("unable to compile {what} {expression:?}: {cause}")]
    Expression { what: &'static str, expression: String, cause: Box<regex::Error> },
    #[error("more than {AUTHORIZATIONS_MAX} authorizations")]
    TooMany,
}

impl Grant {
    /// Reads an answer that came at `now`.
    ///
    /// # Errors
    /// [`Invalid`]: one wrong part makes all of it void.
    pub(super) fn parse(json: &[u8], now: Instant) -> Result<Self, Invalid> {
        let value = with_lower_keys(serde_json::from_slice(json)?);
        let entries = value.get("authorizations").and_then(Value::as_array);
        if !value.is_object() || !entries.into_iter().flatten().all(Value::is_object) {
            // serde would take a list for the fields of an object in their order.
            return Err(Invalid::NoObject);
        }
        let answer: Answer = serde_json::from_value(value)?;
        let ttl = answer.ttl.unwrap_or(0);
        let seconds = u64::try_from(ttl).ok().filter(|seconds| *seconds != 0).ok_or(Invalid::Ttl(ttl))?;
        let entries = answer.authorizations.unwrap_or_default();
        if AUTHORIZATIONS_MAX < entries.len() {
            return Err(Invalid::TooMany);
        }
        Ok(Self {
            identity: answer.identity.unwrap_or_default(),
            identity_url: answer.identity_url.unwrap_or_default(),
            authorizations: entries.into_iter().map(Authorization::new).collect::<Result<_, _>>()?,
            // What lasts for centuries does not end.
            expires: now + Duration::from_secs(seconds.min(u64::from(u32::MAX))),
        })
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expires <= now
    }

    /// Number of authorizations.
    pub(crate) fn len(&self) -> usize {
        self.authorizations.len()
    }

    /// Whether one of the authorizations allows to subscribe to a channel, or, the channel being empty, to publish.
    pub(crate) fn allows(&self, topic: &str, channel: &str) -> bool {
        self.authorizations.iter().any(|authorization| {
            let may =
                if channel.is_empty() { authorization.may_publish } else { authorization.may_subscribe };
            may && authorization.topic.is_match(topic)
                && authorization.channels.iter().any(|expression| expression.is_match(channel))
        })
    }
}

impl Authorization {
    fn new(entry: Entry) -> Result<Self, Invalid> {
        let (mut may_subscribe, mut may_publish) = (false, false);
        for permission in entry.permissions.unwrap_or_default() {
            match permission.as_str() {
                "subscribe" => may_subscribe = true,
                "publish" => may_publish = true,
                _ => return Err(Invalid::Permission(permission)),
            }
        }
        let channels = entry.channels.unwrap_or_default();
        Ok(Self {
            topic: compile("topic", &entry.topic.unwrap_or_default())?,
            channels: channels.iter().map(|channel| compile("channel", channel)).collect::<Result<_, _>>()?,
            may_subscribe,
            may_publish,
        })
    }
}

fn compile(what: &'static str, expression: &str) -> Result<Regex, Invalid> {
    re2::compile(expression).map_err(|cause| Invalid::Expression {
        what,
        expression: expression.to_owned(),
        cause: Box::new(cause),
    })
}

/// Keys match whatever their case, as in the reference.
fn with_lower_keys(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter().map(|(key, value)| (key.to_lowercase(), with_lower_keys(value))).collect(),
        ),
        Value::Array(values) => Value::Array(values.into_iter().map(with_lower_keys).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(authorizations: &str) -> Result<Grant, Invalid> {
        Grant::parse(format!(r#"{{"ttl":1,"authorizations":[{authorizations}]}}"#).as_bytes(), Instant::now())
    }

    #[test]
    fn one_authorization_must_allow_all_of_it() {
        let both = r#"{"topic":"^t$","channels":["^c$","^$"],"permissions":["subscribe","publish"]}"#;
        let granted = grant(both).unwrap();
        assert!(granted.allows("t", "c") && granted.allows("t", ""));
        assert!(!granted.allows("t", "d") && !granted.allows("x", "c") && !granted.allows("x", ""));
        // Recorded: publishing needs a channel expression that matches nothing.
        for (channels, may_publish) in
            [("[]", false), (r#"["^c$"]"#, false), (r#"[".*"]"#, true), (r#"[""]"#, true)]
        {
            let entry = format!(r#"{{"topic":"t","channels":{channels},"permissions":["publish"]}}"#);
            assert_eq!(grant(&entry).unwrap().allows("t", ""), may_publish, "{channels}");
            assert!(!grant(&entry).unwrap().allows("t", "c"), "no permission to subscribe");
        }
        let split = r#"{"topic":"a","channels":[".*"],"permissions":["publish"]},{"topic":"b","channels":["c"],"permissions":["subscribe"]}"#;
        let granted = grant(split).unwrap();
        assert!(
            granted.allows("a", "") && granted.allows("b", "c") && granted.allows("xbx", "xcx"),
            "unanchored"
        );
        assert!(!granted.allows("a", "c") && !granted.allows("b", ""));
        assert_eq!(granted.len(), 2);
    }

    #[test]
    fn one_wrong_part_makes_all_void() {
        for (json, expected) in [
            (r#"{"ttl":0}"#, "invalid TTL 0 (must be >0)"),
            (r#"{"ttl":-5}"#, "invalid TTL -5 (must be >0)"),
            ("{}", "invalid TTL 0 (must be >0)"),
            (r#"{"ttl":1,"authorizations":[{"permissions":["foo"]}]}"#, "unknown permission foo"),
            (r#"{"ttl":1,"authorizations":[{"topic":"("}]}"#, "unable to compile topic \"(\""),
            (r#"{"ttl":1,"authorizations":[{"channels":["ok","["]}]}"#, "unable to compile channel \"[\""),
            (r#"{"ttl":1.5}"#, "the answer is not"),
            (r#"{"ttl":"1"}"#, "the answer is not"),
            ("[]", "the answer is not"),
            ("[5]", "the answer is not"),
            (r#"{"ttl":1,"authorizations":[["t"]]}"#, "the answer is not"),
            ("", "the answer is not"),
        ] {
            let error = Grant::parse(json.as_bytes(), Instant::now()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{json}: {error}");
        }
        let bomb = format!(r#"{{"topic":"{}"}}"#, "(a{1000}){1000}");
        assert!(grant(&bomb).is_err(), "an expression that takes the memory");
    }

    #[test]
    fn it_lasts_as_long_as_it_says() {
        let now = Instant::now();
        let granted = Grant::parse(br#"{"TTL":2,"Identity":"bob","authorizations":null}"#, now).unwrap();
        assert_eq!((granted.identity.as_str(), granted.len()), ("bob", 0));
        assert!(!granted.is_expired(now + Duration::from_millis(1999)));
        assert!(granted.is_expired(now + Duration::from_secs(2)));
        let long = Grant::parse(br#"{"ttl":9223372036854775807}"#, now).unwrap();
        assert!(!long.is_expired(now + Duration::from_hours(1_000_000)));
    }
}

//! The query of a request, and the names in it.

use std::sync::Arc;

use protocol::{ChannelName, TopicName, is_valid_name};

use super::respond::Refusal;
use crate::{channel::Channel, nsqd::Nsqd, topic::Topic};

/// Decoded parameters, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(Vec<(Vec<u8>, Vec<u8>)>);

impl Parameters {
    /// Reads a query.
    ///
    /// # Errors
    /// `INVALID_REQUEST`: a bad escape, or a `;`.
    pub(super) fn parse(query: &str) -> Result<Self, Refusal> {
        let invalid = || Refusal::bad("INVALID_REQUEST");
        let mut parameters = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            if part.contains(';') {
                return Err(invalid());
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            parameters.push((unescape(name).ok_or_else(invalid)?, unescape(value).ok_or_else(invalid)?));
        }
        Ok(Self(parameters))
    }

    /// The first value of that name.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// Whether it is there and says neither `false` nor `0`, or is not there and `default` holds.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |value| !matches!(value, b"false" | b"0"))
    }

    fn topic_value(&self) -> Result<&[u8], Refusal> {
        self.get("topic").ok_or_else(|| Refusal::bad("MISSING_ARG_TOPIC"))
    }

    /// The topic to publish to, or to create.
    ///
    /// # Errors
    /// It is missing, or no legal name.
    pub(super) fn topic_name(&self) -> Result<TopicName, Refusal> {
        TopicName::parse(self.topic_value()?).map_err(|_| Refusal::bad("INVALID_TOPIC"))
    }

    /// A topic that exists.
    ///
    /// # Errors
    /// It is missing or does not exist; that its name is not legal makes no difference.
    pub(super) fn topic(&self, nsqd: &Nsqd) -> Result<Arc<Topic>, Refusal> {
        let name = String::from_utf8_lossy(self.topic_value()?);
        nsqd.topics.get(&name).ok_or_else(|| Refusal::not_found("TOPIC_NOT_FOUND"))
    }

    /// The topic and the name of a channel, for the channel operations.
    ///
    /// # Errors
    /// In this order: topic missing, bad, channel missing, bad, topic not found.
    pub(super) fn topic_and_channel_name(&self, nsqd: &Nsqd) -> Result<(Arc<Topic>, ChannelName), Refusal> {
        if !is_valid_name(self.topic_value()?) {
            return Err(Refusal::bad("INVALID_ARG_TOPIC"));
        }
        let channel = self.get("channel").ok_or_else(|| Refusal::bad("MISSING_ARG_CHANNEL"))?;
        let channel = ChannelName::parse(channel).map_err(|_| Refusal::bad("INVALID_ARG_CHANNEL"))?;
        Ok((self.topic(nsqd)?, channel))
    }

    /// A channel that exists.
    ///
    /// # Errors
    /// As [`Parameters::topic_and_channel_name`], then channel not found.
    pub(super) fn channel(&self, nsqd: &Nsqd) -> Result<(Arc<Topic>, Arc<Channel>), Refusal> {
        let (topic, name) = self.topic_and_channel_name(nsqd)?;
        let channel = topic.channel(name.as_str()).ok_or_else(|| Refusal::not_found("CHANNEL_NOT_FOUND"))?;
        Ok((topic, channel))
    }

    /// `defer` in ms, as ns; 0 if there is none.
    ///
    /// # Errors
    /// `INVALID_DEFER`: no decimal number with an optional sign, or beyond the limit.
    pub(super) fn defer_ns(&self, max: std::time::Duration) -> Result<u64, Refusal> {
        let Some(value) = self.get("defer") else { return Ok(0) };
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
        number
            .and_then(|ms| u64::try_from(ms).ok())
            .filter(|ms| u128::from(*ms) <= max.as_millis())
            .and_then(|ms| ms.checked_mul(1_000_000))
            .ok_or_else(|| Refusal::bad("INVALID_DEFER"))
    }
}

/// Undoes form encoding. `None` for an escape without two hex digits.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => u8::try_from(digit(bytes.next())? << 4 | digit(bytes.next())?).ok()?,
            other => other,
        });
    }
    Some(out)
}

/// The path with its escapes undone, if they are escapes.
pub(super) fn unescape_path(path: &str) -> Option<String> {
    String::from_utf8(unescape(&path.replace('+', "%2B"))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, name: &str, expected: Option<&str>) {
        let parameters = Parameters::parse(query).unwrap();
        assert_eq!(parameters.get(name), expected.map(str::as_bytes), "{query}");
    }

    /// Protects: NSQ's reading of queries: the first value counts, `+` is a blank, names are case-sensitive.
    #[test]
    fn queries_are_read_as_forms() {
        check("topic=a&topic=b", "topic", Some("a"));
        check("topic=a%23ephemeral", "topic", Some("a#ephemeral"));
        check("topic=a+b", "topic", Some("a b"));
        check("Topic=a", "topic", None);
        check("topic", "topic", Some(""));
        check("a=1&&topic=x=y", "topic", Some("x=y"));
    }

    #[test]
    fn bad_escapes_and_semicolons_are_refused() {
        for query in ["topic=a%zz", "topic=a%2", "topic=a;b=c", "a=1&;", "%"] {
            assert_eq!(Parameters::parse(query), Err(Refusal::bad("INVALID_REQUEST")), "{query}");
        }
    }

    /// Protects: `defer` is checked for overflow and range.
    #[test]
    fn defer_is_a_number_in_range() {
        let max = std::time::Duration::from_hours(1);
        let defer = |text: &str| Parameters::parse(&format!("defer={text}")).unwrap().defer_ns(max).ok();
        assert_eq!(defer("0"), Some(0));
        assert_eq!(defer("%2B5"), Some(5_000_000));
        assert_eq!(defer("3600000"), Some(3_600_000_000_000));
        for text in ["", "-1", "abc", "1.5", "3600001", "18446744073710", "99999999999999999999"] {
            assert_eq!(defer(text), None, "{text}");
        }
        assert_eq!(Parameters::default().defer_ns(max), Ok(0));
    }
}

//! The names and numbers in the query of a request.

use std::{ops::Deref, sync::Arc};

use daemon::http::{query::Query, respond::Refusal};
use protocol::{ChannelName, TopicName, is_valid_name};

use crate::{channel::Channel, nsqd::Nsqd, topic::Topic};

/// A query, and what nsqd reads in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(Query);

impl Deref for Parameters {
    type Target = Query;

    fn deref(&self) -> &Query {
        &self.0
    }
}

impl Parameters {
    /// As [`Query::parse`].
    ///
    /// # Errors
    /// `INVALID_REQUEST`
    pub(super) fn parse(query: &str) -> Result<Self, Refusal> {
        Query::parse(query).map(Self)
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

#[cfg(test)]
mod tests {
    use super::*;

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

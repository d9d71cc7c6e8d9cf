//! A command line: its name and its parameters, each checked when it is asked for.

use std::time::Duration;

use super::Verb;
use crate::names::valid_name;
use crate::{ChannelName, MessageId, ProtocolError, TopicName};

/// A command line, split at its first blank.
///
/// The accessors check in the protocol's order; the first failure wins. They trust the caller that the line is of their
/// command, and that the state of the connection was checked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandLine<'a> {
    name: &'a [u8],
    verb: Option<Verb>,
    params: Params<'a>,
}

/// The parameters of a line, split at every single blank: two in a row make an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params<'a>(Option<&'a [u8]>);

impl<'a> Params<'a> {
    /// The parameter at `index`, which may be empty.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.iter().nth(index)
    }

    /// Number of parameters.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// All parameters.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.0.into_iter().flat_map(|params| params.split(|&byte| byte == b' '))
    }
}

impl<'a> CommandLine<'a> {
    /// Splits a line that [`next_line`](crate::next_line) found.
    #[inline]
    pub fn parse(line: &'a [u8]) -> Self {
        let mut parts = line.splitn(2, |&byte| byte == b' ');
        let name = parts.next().unwrap_or_default();
        Self { name, verb: Verb::parse(name), params: Params(parts.next()) }
    }

    /// The command, or `None` if there is none of that name.
    #[inline]
    pub fn verb(&self) -> Option<Verb> {
        self.verb
    }

    /// The name as sent.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// The parameters.
    #[inline]
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The error for a name that is no command's.
    #[cold]
    pub fn unknown(&self) -> ProtocolError {
        ProtocolError::UnknownCommand { name: self.name.into() }
    }

    /// The error for a plain connection where TLS is required.
    #[cold]
    pub fn tls_required(&self) -> ProtocolError {
        ProtocolError::TlsRequired { name: self.name.into() }
    }

    /// The names of `SUB topic channel`.
    ///
    /// # Errors
    /// Parameters missing, [`ProtocolError::BadTopic`], [`ProtocolError::BadChannel`].
    pub fn sub_names(&self) -> Result<(TopicName, ChannelName), ProtocolError> {
        let [topic, channel] = self.two_params(Verb::Sub)?;
        let topic = TopicName::parse(topic).map_err(|_| bad_topic(Verb::Sub, topic))?;
        let channel =
            ChannelName::parse(channel).map_err(|_| ProtocolError::BadChannel { name: channel.into() })?;
        Ok((topic, channel))
    }

    /// The topic of `PUB topic`, valid; no copy.
    ///
    /// # Errors
    /// Parameters missing, [`ProtocolError::BadTopic`].
    #[inline]
    pub fn pub_topic(&self) -> Result<&'a str, ProtocolError> {
        self.topic(Verb::Pub)
    }

    /// The topic of `MPUB topic`, valid; no copy.
    ///
    /// # Errors
    /// Parameters missing, [`ProtocolError::BadTopic`].
    #[inline]
    pub fn mpub_topic(&self) -> Result<&'a str, ProtocolError> {
        self.topic(Verb::Mpub)
    }

    /// The topic, valid, and the delay of `DPUB topic ms`.
    ///
    /// # Errors
    /// Parameters missing, [`ProtocolError::BadTopic`], the delay is no number or above `max_req_timeout`.
    pub fn dpub_args(&self, max_req_timeout: Duration) -> Result<(&'a str, Duration), ProtocolError> {
        let [topic, delay] = self.two_params(Verb::Dpub)?;
        let topic = valid_name(topic).ok_or_else(|| bad_topic(Verb::Dpub, topic))?;
        let timeout_ms = parse_decimal(delay).ok_or_else(|| unreadable_timeout(Verb::Dpub, delay))?;
        let max_ms = u64::try_from(max_req_timeout.as_millis()).unwrap_or(u64::MAX);
        if timeout_ms > max_ms {
            return Err(ProtocolError::TimeoutOutOfRange { timeout_ms, max_ms });
        }
        Ok((topic, Duration::from_millis(timeout_ms)))
    }

    /// The count of `RDY [count]`: 1 if absent, 0 if empty.
    ///
    /// # Errors
    /// The count is no number or above `max`.
    #[inline]
    pub fn rdy_count(&self, max: u32) -> Result<u32, ProtocolError> {
        let Some(text) = self.params.get(0) else { return Ok(1) };
        let count =
            parse_decimal(text).ok_or_else(|| ProtocolError::UnreadableCount { text: text.into() })?;
        match u32::try_from(count) {
            Ok(small) if small <= max => Ok(small),
            _ => Err(ProtocolError::CountOutOfRange { count, max }),
        }
    }

    /// The id of `FIN id`.
    ///
    /// # Errors
    /// Parameters missing, [`ProtocolError::InvalidMessageId`].
    #[inline]
    pub fn fin_id(&self) -> Result<MessageId, ProtocolError> {
        self.id(Verb::Fin)
    }

    /// The id of `TOUCH id`.
    ///
    /// # Errors
    /// Parameters missing, [`ProtocolError::InvalidMessageId`].
    #[inline]
    pub fn touch_id(&self) -> Result<MessageId, ProtocolError> {
        self.id(Verb::Touch)
    }

    /// The id and the delay of `REQ id ms`. The delay is as sent, saturated; the caller clamps it.
    ///
    /// # Errors
    /// Parameters missing, [`ProtocolError::InvalidMessageId`], the delay is no number.
    #[inline]
    pub fn req_args(&self) -> Result<(MessageId, Duration), ProtocolError> {
        let [id, delay] = self.two_params(Verb::Req)?;
        let id = MessageId::from_slice(id).ok_or(ProtocolError::InvalidMessageId)?;
        let delay_ms = parse_decimal(delay).ok_or_else(|| unreadable_timeout(Verb::Req, delay))?;
        Ok((id, Duration::from_millis(delay_ms)))
    }

    /// Checks that `AUTH` has no parameters.
    ///
    /// # Errors
    /// [`ProtocolError::AuthParameters`], even for a blank at the end.
    pub fn auth_check(&self) -> Result<(), ProtocolError> {
        if self.params.0.is_some() { Err(ProtocolError::AuthParameters) } else { Ok(()) }
    }

    #[inline]
    fn topic(&self, verb: Verb) -> Result<&'a str, ProtocolError> {
        let name = self.params.get(0).ok_or(ProtocolError::TooFewParameters { verb })?;
        valid_name(name).ok_or_else(|| bad_topic(verb, name))
    }

    #[inline]
    fn id(&self, verb: Verb) -> Result<MessageId, ProtocolError> {
        let id = self.params.get(0).ok_or(ProtocolError::TooFewParameters { verb })?;
        MessageId::from_slice(id).ok_or(ProtocolError::InvalidMessageId)
    }

    #[inline]
    fn two_params(&self, verb: Verb) -> Result<[&'a [u8]; 2], ProtocolError> {
        let mut params = self.params.iter();
        match (params.next(), params.next()) {
            (Some(first), Some(second)) => Ok([first, second]),
            _ => Err(ProtocolError::TooFewParameters { verb }),
        }
    }
}

/// Digits only, saturating; the empty text is 0.
#[inline]
fn parse_decimal(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    })
}

#[cold]
fn bad_topic(verb: Verb, name: &[u8]) -> ProtocolError {
    ProtocolError::BadTopic { verb, name: name.into() }
}

#[cold]
fn unreadable_timeout(verb: Verb, text: &[u8]) -> ProtocolError {
    ProtocolError::UnreadableTimeout { verb, text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_DELAY: Duration = Duration::from_hours(1);

    /// What a daemon in the right state answers to the line alone: `Ok` if it goes on to the body or executes.
    fn outcome(line: &[u8]) -> Result<(), ProtocolError> {
        let line = CommandLine::parse(line);
        match line.verb() {
            None => Err(line.unknown()),
            Some(Verb::Sub) => line.sub_names().map(drop),
            Some(Verb::Pub) => line.pub_topic().map(drop),
            Some(Verb::Mpub) => line.mpub_topic().map(drop),
            Some(Verb::Dpub) => line.dpub_args(MAX_DELAY).map(drop),
            Some(Verb::Rdy) => line.rdy_count(2500).map(drop),
            Some(Verb::Fin) => line.fin_id().map(drop),
            Some(Verb::Req) => line.req_args().map(drop),
            Some(Verb::Touch) => line.touch_id().map(drop),
            Some(Verb::Auth) => line.auth_check(),
            Some(Verb::Identify | Verb::Cls | Verb::Nop) => Ok(()),
        }
    }

    fn check(line: impl AsRef<[u8]>, expected: &[u8]) {
        let line = line.as_ref();
        let text = outcome(line).map_or_else(|error| error.wire_text().to_vec(), |()| b"-".to_vec());
        assert_eq!(text, expected, "{}: {}", line.escape_ascii(), text.escape_ascii());
    }

    #[test]
    fn recorded_names_of_commands() {
        for line in ["NOP", "NOP a b c", "IDENTIFY x y z", "CLS"] {
            check(line, b"-");
        }
        check("", b"E_INVALID invalid command ");
        check(" NOP", b"E_INVALID invalid command ");
        check("nop", b"E_INVALID invalid command nop");
        check("NOP\r", b"E_INVALID invalid command NOP\r");
        check("FOO bar", b"E_INVALID invalid command FOO");
        check(b"F\xffO \"x\"\tz", b"E_INVALID invalid command F\xffO");
        check("FIN\t0123456789abcdef", b"E_INVALID invalid command FIN\t0123456789abcdef");
    }

    #[test]
    fn recorded_sub_lines() {
        let a = |count| "a".repeat(count);
        for line in ["SUB", "SUB t", "SUB t!"] {
            check(line, b"E_INVALID SUB insufficient number of parameters");
        }
        check("SUB t! c!", b"E_BAD_TOPIC SUB topic name \"t!\" is not valid");
        check("SUB t c!", b"E_BAD_CHANNEL SUB channel name \"c!\" is not valid");
        check("SUB t  c", b"E_BAD_CHANNEL SUB channel name \"\" is not valid");
        for line in ["SUB t c", "SUB t c extra", "SUB . .."] {
            check(line, b"-");
        }
        check(format!("SUB {} c", a(64)), b"-");
        check(format!("SUB {}#ephemeral c", a(54)), b"-");
        for name in [a(65), a(55) + "#ephemeral", "#ephemeral".into(), "a#ephemeralx".into()] {
            let text = format!("E_BAD_TOPIC SUB topic name \"{name}\" is not valid");
            check(format!("SUB {name} c"), text.as_bytes());
        }
    }

    #[test]
    fn recorded_publish_lines() {
        check("PUB", b"E_INVALID PUB insufficient number of parameters");
        check("PUB ", b"E_BAD_TOPIC PUB topic name \"\" is not valid");
        check("PUB t extra args", b"-");
        check("MPUB", b"E_INVALID MPUB insufficient number of parameters");
        check("MPUB t!", b"E_BAD_TOPIC E_BAD_TOPIC MPUB topic name \"t!\" is not valid");
        for line in ["DPUB", "DPUB t", "DPUB t!"] {
            check(line, b"E_INVALID DPUB insufficient number of parameters");
        }
        check("DPUB t! 5", b"E_BAD_TOPIC DPUB topic name \"t!\" is not valid");
        check("DPUB t x", b"E_INVALID DPUB could not parse timeout x");
        check("DPUB t -1", b"E_INVALID DPUB could not parse timeout -1");
        check("DPUB t 3600001", b"E_INVALID DPUB timeout 3600001 out of range 0-3600000");
        check(
            "DPUB t 18446744073709551615",
            b"E_INVALID DPUB timeout 18446744073709551615 out of range 0-3600000",
        );
        // A number that wraps in the reference.
        check(
            "DPUB t 18446744073709551617",
            b"E_INVALID DPUB timeout 18446744073709551615 out of range 0-3600000",
        );
        assert_eq!(CommandLine::parse(b"DPUB t 3600000").dpub_args(MAX_DELAY), Ok(("t", MAX_DELAY)));
        assert_eq!(CommandLine::parse(b"DPUB t ").dpub_args(MAX_DELAY), Ok(("t", Duration::ZERO)));
    }

    #[test]
    fn recorded_consumer_lines() {
        for (line, count) in [("RDY", 1), ("RDY ", 0), ("RDY  5", 0), ("RDY 2500", 2500), ("RDY 5 6", 5)] {
            assert_eq!(CommandLine::parse(line.as_bytes()).rdy_count(2500), Ok(count), "{line}");
        }
        check("RDY 2501", b"E_INVALID RDY count 2501 out of range 0-2500");
        check("RDY 4294967297", b"E_INVALID RDY count 4294967297 out of range 0-2500");
        check("RDY 18446744073709551616", b"E_INVALID RDY count 18446744073709551615 out of range 0-2500");
        for text in ["-1", "x", "+1", "0x1", "1.5"] {
            check(format!("RDY {text}"), format!("E_INVALID RDY could not parse count {text}").as_bytes());
        }
        for verb in ["FIN", "REQ", "TOUCH"] {
            let text = format!("E_INVALID {verb} insufficient number of params");
            check(verb, text.as_bytes());
            check(format!("{verb} abc 1"), b"E_INVALID invalid message ID");
            check(format!("{verb} 0123456789abcdef0 1"), b"E_INVALID invalid message ID");
            check(format!("{verb}  1"), b"E_INVALID invalid message ID");
            check(format!("{verb} 0123 56789abcdef 1"), b"E_INVALID invalid message ID");
            check(format!("{verb} 01234567éé-- 1"), b"E_INVALID invalid message ID");
            check(format!("{verb} 01234567éé---- 1"), b"-");
        }
    }

    #[test]
    fn recorded_requeue_lines() {
        check("REQ 0123456789abcdef", b"E_INVALID REQ insufficient number of params");
        check("REQ 0123456789abcdef x", b"E_INVALID REQ could not parse timeout x");
        check("REQ 0123456789abcdef -1", b"E_INVALID REQ could not parse timeout -1");
        let id = MessageId(*b"0123456789abcdef");
        for (delay, ms) in
            [("5", 5), ("", 0), ("99999999999", 99_999_999_999), ("99999999999999999999", u64::MAX)]
        {
            let line = format!("REQ 0123456789abcdef {delay}");
            assert_eq!(CommandLine::parse(line.as_bytes()).req_args(), Ok((id, Duration::from_millis(ms))));
        }
    }

    #[test]
    fn auth_takes_no_parameters() {
        check("AUTH", b"-");
        check("AUTH x", b"E_INVALID AUTH invalid number of parameters");
        check("AUTH ", b"E_INVALID AUTH invalid number of parameters");
    }

    #[test]
    fn every_single_blank_separates() {
        let params = CommandLine::parse(b"X a  b ").params();
        assert_eq!(params.iter().collect::<Vec<_>>(), [b"a".as_slice(), b"", b"b", b""]);
        assert_eq!((params.count(), params.get(2), params.get(4)), (4, Some(b"b".as_slice()), None));
        assert_eq!(CommandLine::parse(b"X").params().count(), 0);
        assert_eq!(CommandLine::parse(b"X ").params().count(), 1);
    }
}

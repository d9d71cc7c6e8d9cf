//! The commands of an nsqd, as nsqlookupd reads them.

use super::{LookupError, LookupPeer};
use crate::{ChannelName, TopicName};

/// Longest command line, its `\n` included. UNREGISTER with two names of 64 bytes has 141; the rest is for blanks.
pub const LOOKUP_LINE_BYTES_MAX: usize = 4 * 1024;

/// Longest body of IDENTIFY. An nsqd's has some 200 bytes.
pub const LOOKUP_BODY_BYTES_MAX: usize = 64 * 1024;

const SIZE_BYTES: usize = 4;

/// A command of an nsqd, whole and right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupRequest {
    /// Who it is.
    Identify(LookupPeer),
    /// It has a topic, or a channel of it.
    Register(TopicName, Option<ChannelName>),
    /// It has it no longer.
    Unregister(TopicName, Option<ChannelName>),
    /// It lives.
    Ping,
}

impl LookupRequest {
    /// The first command of `input`, and how many bytes it has; `None` while it is incomplete.
    ///
    /// What is wrong is told as early as NSQ tells it: a second IDENTIFY before its body is there, a body's length before
    /// the body.
    ///
    /// # Errors
    /// [`LookupError`], after which the connection ends. What follows the command is not looked at.
    pub fn decode(input: &[u8], is_identified: bool) -> Result<Option<(Self, usize)>, LookupError> {
        let window = input.get(..LOOKUP_LINE_BYTES_MAX).unwrap_or(input);
        let Some(end) = memchr::memchr(b'\n', window) else {
            let is_full = window.len() == LOOKUP_LINE_BYTES_MAX;
            return if is_full { Err(LookupError::LineTooLong) } else { Ok(None) };
        };
        let (line, rest) = input.split_at(end);
        let rest = rest.get(1..).unwrap_or_default();
        let mut words = trim(line).split(|byte| *byte == b' ');
        let request = match words.next().unwrap_or_default() {
            b"PING" => Self::Ping,
            b"IDENTIFY" if is_identified => return Err(LookupError::IdentifiedAlready),
            b"IDENTIFY" => {
                let Some(body) = body(rest)? else { return Ok(None) };
                return Ok(Some((
                    Self::Identify(LookupPeer::parse(body)?),
                    end + 1 + SIZE_BYTES + body.len(),
                )));
            }
            b"REGISTER" => {
                let (topic, channel) = names("REGISTER", words, is_identified)?;
                Self::Register(topic, channel)
            }
            b"UNREGISTER" => {
                let (topic, channel) = names("UNREGISTER", words, is_identified)?;
                Self::Unregister(topic, channel)
            }
            other => return Err(LookupError::InvalidCommand(other.to_vec())),
        };
        Ok(Some((request, end + 1)))
    }

    /// What is to be said when nothing follows `input`, the beginning of a command: only a body that is cut is an error.
    pub fn cut(input: &[u8]) -> Option<LookupError> {
        let (line, rest) = input.split_at(memchr::memchr(b'\n', input)?);
        let is_identify = trim(line).split(|byte| *byte == b' ').next() == Some(b"IDENTIFY");
        let error = if rest.len() < 1 + SIZE_BYTES { LookupError::BodySize } else { LookupError::Body };
        is_identify.then_some(error)
    }
}

/// The body behind its length; `None` while it is incomplete.
fn body(input: &[u8]) -> Result<Option<&[u8]>, LookupError> {
    let Some(size) = input.first_chunk() else { return Ok(None) };
    let size = usize::try_from(i32::from_be_bytes(*size)).ok().filter(|size| *size <= LOOKUP_BODY_BYTES_MAX);
    let size = size.ok_or(LookupError::BodySize)?;
    Ok(input.get(SIZE_BYTES..SIZE_BYTES + size))
}

/// A topic, and a channel unless it is absent or empty.
fn names<'a>(
    verb: &'static str,
    mut words: impl Iterator<Item = &'a [u8]>,
    is_identified: bool,
) -> Result<(TopicName, Option<ChannelName>), LookupError> {
    if !is_identified {
        return Err(LookupError::NotIdentified);
    }
    let topic = words.next().ok_or(LookupError::NoTopic(verb))?;
    let topic = TopicName::parse(topic).map_err(|_| LookupError::BadTopic(verb, topic.to_vec()))?;
    let channel = words.next().filter(|channel| !channel.is_empty());
    let channel = channel.map(|channel| {
        ChannelName::parse(channel).map_err(|_| LookupError::BadChannel(verb, channel.to_vec()))
    });
    Ok((topic, channel.transpose()?))
}

/// Without white space at both ends, as Unicode knows it; bytes that are not UTF-8 are none.
fn trim(line: &[u8]) -> &[u8] {
    let mut line = line;
    if let Some(first) = line.utf8_chunks().next() {
        let blank = first.valid().len() - first.valid().trim_start().len();
        line = line.get(blank..).unwrap_or_default();
    }
    if let Some(last) = line.utf8_chunks().last()
        && last.invalid().is_empty()
    {
        let blank = last.valid().len() - last.valid().trim_end().len();
        line = line.get(..line.len() - blank).unwrap_or_default();
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PEER: &str = r#"{"broadcast_address":"n1","tcp_port":1,"http_port":2,"version":"v"}"#;

    fn identify(body: &str) -> Vec<u8> {
        [b"IDENTIFY\n", &u32::try_from(body.len()).unwrap().to_be_bytes()[..], body.as_bytes()].concat()
    }

    /// A command of an nsqd that has said who it is.
    #[track_caller]
    fn check(input: impl AsRef<[u8]>, expected: LookupRequest) {
        let input = input.as_ref();
        assert_eq!(LookupRequest::decode(input, true), Ok(Some((expected.clone(), input.len()))));
        let more = [input, b"X"].concat();
        assert_eq!(LookupRequest::decode(&more, true), Ok(Some((expected, input.len()))));
        for end in 0..input.len() {
            assert_eq!(LookupRequest::decode(&input[..end], true), Ok(None));
        }
    }

    #[track_caller]
    fn check_error(input: impl AsRef<[u8]>, is_identified: bool, text: impl AsRef<[u8]>) {
        let error = LookupRequest::decode(input.as_ref(), is_identified).unwrap_err().to_bytes();
        assert_eq!(error.escape_ascii().to_string(), text.as_ref().escape_ascii().to_string());
    }

    fn topic(name: &str) -> TopicName {
        name.parse().unwrap()
    }

    fn channel(name: &str) -> ChannelName {
        name.parse().unwrap()
    }

    #[test]
    fn commands_are_lines_of_words() {
        for line in ["PING\n", "PING\r\n", " \t PING more of it \n", "\u{a0}PING\u{2028}\r\r\n"] {
            check(line, LookupRequest::Ping);
        }
        for line in ["REGISTER t\n", "REGISTER t \n", "REGISTER t  ch\n", "REGISTER t  \n"] {
            check(line, LookupRequest::Register(topic("t"), None));
        }
        check(
            "REGISTER t c#ephemeral x\n",
            LookupRequest::Register(topic("t"), Some(channel("c#ephemeral"))),
        );
        check("UNREGISTER t\n", LookupRequest::Unregister(topic("t"), None));
        check("UNREGISTER t c\n", LookupRequest::Unregister(topic("t"), Some(channel("c"))));
    }

    #[test]
    fn identify_has_a_body() {
        let peer = LookupPeer::parse(PEER.as_bytes()).unwrap();
        let input = identify(PEER);
        let expected = Ok(Some((LookupRequest::Identify(peer), input.len())));
        assert_eq!(LookupRequest::decode(&input, false), expected);
        for end in 0..input.len() {
            assert_eq!(LookupRequest::decode(&input[..end], false), Ok(None));
        }
        check_error("IDENTIFY\n", true, "E_INVALID cannot IDENTIFY again");
        for size in [-1, i32::MIN, i32::MAX, 64 * 1024 + 1] {
            let input = [b"IDENTIFY\n", &size.to_be_bytes()[..]].concat();
            check_error(input, false, "E_BAD_BODY IDENTIFY failed to read body size");
        }
        assert_eq!(LookupRequest::decode(b"IDENTIFY\n\0\x01\0\0", false), Ok(None));
        check_error(identify("[]"), false, "E_BAD_BODY IDENTIFY failed to decode JSON body");
        check_error(identify(""), false, "E_BAD_BODY IDENTIFY failed to decode JSON body");
        check_error(identify("{}"), false, "E_BAD_BODY IDENTIFY missing fields");
    }

    #[test]
    fn errors_have_the_recorded_texts() {
        for (line, text) in [
            ("FOO bar\n", "E_INVALID invalid command FOO"),
            ("\n", "E_INVALID invalid command "),
            ("ping\n", "E_INVALID invalid command ping"),
            ("REGISTER\tfoo\n", "E_INVALID invalid command REGISTER\tfoo"),
            ("REGISTER\n", "E_INVALID REGISTER insufficient number of params"),
            ("UNREGISTER \n", "E_INVALID UNREGISTER insufficient number of params"),
            ("REGISTER bad!\n", "E_BAD_TOPIC REGISTER topic name 'bad!' is not valid"),
            ("REGISTER  t\n", "E_BAD_TOPIC REGISTER topic name '' is not valid"),
            ("UNREGISTER * c\n", "E_BAD_TOPIC UNREGISTER topic name '*' is not valid"),
            ("REGISTER t bad!\n", "E_BAD_CHANNEL REGISTER channel name 'bad!' is not valid"),
            ("UNREGISTER t *\n", "E_BAD_CHANNEL UNREGISTER channel name '*' is not valid"),
        ] {
            check_error(line, true, text);
        }
        check_error("FOO\n", false, "E_INVALID invalid command FOO");
        check_error("REGISTER\n", false, "E_INVALID client must IDENTIFY");
        check_error("UNREGISTER bad!\n", false, "E_INVALID client must IDENTIFY");
        check_error(b"\xff\xa0 x\n", true, b"E_INVALID invalid command \xff\xa0");
        check_error(b"REGISTER \xfft\n", true, b"E_BAD_TOPIC REGISTER topic name '\xfft' is not valid");
    }

    #[test]
    fn a_line_has_at_most_4096_bytes() {
        let mut input = [b"PING", vec![b' '; LOOKUP_LINE_BYTES_MAX - 5].as_slice(), b"\n"].concat();
        check(&input, LookupRequest::Ping);
        input.insert(0, b' ');
        check_error(&input, true, "E_INVALID command line is over 4096 bytes");
        input.pop();
        check_error(&input, true, "E_INVALID command line is over 4096 bytes");
    }

    #[test]
    fn only_a_cut_body_is_an_error() {
        for input in ["", "PI", "IDENTIFY", "REGISTER t"] {
            assert_eq!(LookupRequest::cut(input.as_bytes()), None, "{input}");
        }
        for input in ["IDENTIFY\n", " IDENTIFY x\r\n\0\0\0"] {
            assert_eq!(LookupRequest::cut(input.as_bytes()), Some(LookupError::BodySize), "{input}");
        }
        assert_eq!(LookupRequest::cut(b"IDENTIFY\n\0\0\0\x02{"), Some(LookupError::Body));
    }

    proptest! {
        #[test]
        fn white_space_goes_from_both_ends(text in r"[ \t\r\x0b\x85\u{a0}\u{2003}aé]{0,9}") {
            prop_assert_eq!(trim(text.as_bytes()), text.trim().as_bytes());
        }
    }
}

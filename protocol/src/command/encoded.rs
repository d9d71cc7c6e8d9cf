//! Commands as a client builds them, and as a test or a mock server takes them apart.

use std::time::Duration;

use bytes::{BufMut, BytesMut};

use super::{BODY_SIZE_BYTES, CommandLine, Limits, LineStatus, MpubScan, Verb, body_size, next_line};
use crate::{ChannelName, MessageId, ProtocolError, TopicName, parse_fin_fast};

/// What a client sends first.
pub const MAGIC: [u8; 4] = *b"  V2";

/// Checks the first four bytes of a connection.
///
/// # Errors
/// [`ProtocolError::BadMagic`] unless they are [`MAGIC`].
pub fn check_magic(magic: [u8; 4]) -> Result<(), ProtocolError> {
    if magic == MAGIC { Ok(()) } else { Err(ProtocolError::BadMagic) }
}

/// A whole command with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// Settings: the JSON of [`IdentifyRequest`](crate::IdentifyRequest).
    Identify {
        /// JSON, at least 1 byte.
        body: &'a [u8],
    },
    /// Authorization.
    Auth {
        /// At least 1 byte.
        secret: &'a [u8],
    },
    /// Join a channel.
    Sub {
        /// Its topic.
        topic: TopicName,
        /// The channel.
        channel: ChannelName,
    },
    /// Publish a message.
    Pub {
        /// Where to.
        topic: TopicName,
        /// At least 1 byte.
        body: &'a [u8],
    },
    /// Publish several messages; see [`put_mpub`] for messages in other containers.
    Mpub {
        /// Where to.
        topic: TopicName,
        /// At least 1 message, each of at least 1 byte.
        messages: Vec<&'a [u8]>,
    },
    /// Publish a message that is delivered later.
    Dpub {
        /// Where to.
        topic: TopicName,
        /// Rounded down to milliseconds on the wire.
        delay: Duration,
        /// At least 1 byte.
        body: &'a [u8],
    },
    /// Allow so many messages in flight.
    Rdy {
        /// The number.
        count: u32,
    },
    /// A message is done.
    Fin {
        /// Which.
        id: MessageId,
    },
    /// A message is to come again.
    Req {
        /// Which.
        id: MessageId,
        /// Rounded down to milliseconds on the wire.
        delay: Duration,
    },
    /// A message needs more time.
    Touch {
        /// Which.
        id: MessageId,
    },
    /// No more messages.
    Cls,
    /// A sign of life.
    Nop,
}

impl<'a> Command<'a> {
    /// Appends the command's bytes, which [`Command::decode`] reads back.
    ///
    /// # Panics
    /// If a body has 4 GiB or more.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Identify { body } => {
                out.put_slice(b"IDENTIFY\n");
                put_sized(out, body);
            }
            Self::Auth { secret } => {
                out.put_slice(b"AUTH\n");
                put_sized(out, secret);
            }
            Self::Sub { topic, channel } => put_line(out, &["SUB ", topic.as_str(), " ", channel.as_str()]),
            Self::Pub { topic, body } => {
                put_line(out, &["PUB ", topic.as_str()]);
                put_sized(out, body);
            }
            Self::Mpub { topic, messages } => put_mpub(out, topic, messages),
            Self::Dpub { topic, delay, body } => {
                put_line(out, &["DPUB ", topic.as_str(), " ", &delay.as_millis().to_string()]);
                put_sized(out, body);
            }
            Self::Rdy { count } => put_line(out, &["RDY ", &count.to_string()]),
            Self::Fin { id } => put_id_line(out, b"FIN ", *id, b"\n"),
            Self::Req { id, delay } => {
                put_id_line(out, b"REQ ", *id, b" ");
                put_line(out, &[&delay.as_millis().to_string()]);
            }
            Self::Touch { id } => put_id_line(out, b"TOUCH ", *id, b"\n"),
            Self::Cls => out.put_slice(b"CLS\n"),
            Self::Nop => out.put_slice(b"NOP\n"),
        }
    }

    /// Reads the command at the start of `buf`, and how many bytes it took; `None` while it is incomplete.
    ///
    /// It knows no states and starts anew at every call, so it suits tests and mock servers; a daemon goes by steps (see
    /// the crate's docs).
    ///
    /// # Errors
    /// As a daemon would answer, as soon as the bytes show it.
    pub fn decode(buf: &'a [u8], limits: &Limits) -> Result<Option<(Self, usize)>, ProtocolError> {
        if let Some((id, consumed)) = parse_fin_fast(buf) {
            return Ok(Some((Self::Fin { id }, consumed)));
        }
        let (line, consumed) = match next_line(buf) {
            LineStatus::Incomplete => return Ok(None),
            LineStatus::TooLong => return Err(ProtocolError::LineTooLong),
            LineStatus::Line { line, consumed } => (CommandLine::parse(line), consumed),
        };
        let rest = buf.get(consumed..).unwrap_or_default();
        let verb = line.verb().ok_or_else(|| line.unknown())?;
        let command = match verb {
            Verb::Sub => {
                let (topic, channel) = line.sub_names()?;
                Self::Sub { topic, channel }
            }
            Verb::Rdy => Self::Rdy { count: line.rdy_count(limits.max_rdy_count)? },
            Verb::Fin => Self::Fin { id: line.fin_id()? },
            Verb::Req => {
                let (id, delay) = line.req_args()?;
                Self::Req { id, delay }
            }
            Verb::Touch => Self::Touch { id: line.touch_id()? },
            Verb::Cls => Self::Cls,
            Verb::Nop => Self::Nop,
            Verb::Identify | Verb::Auth | Verb::Pub | Verb::Dpub | Verb::Mpub => {
                let with_body = Self::decode_with_body(verb, &line, rest, limits)?;
                return Ok(with_body.map(|(command, body_bytes)| (command, consumed + body_bytes)));
            }
        };
        Ok(Some((command, consumed)))
    }

    /// Goes on behind the line of a command with a body: the command, and the bytes of length and body.
    fn decode_with_body(
        verb: Verb,
        line: &CommandLine<'_>,
        rest: &'a [u8],
        limits: &Limits,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let (topic, delay) = match verb {
            Verb::Pub => (Some(line.pub_topic()?), Duration::ZERO),
            Verb::Mpub => (Some(line.mpub_topic()?), Duration::ZERO),
            Verb::Dpub => {
                line.dpub_args(limits.max_req_timeout).map(|(topic, delay)| (Some(topic), delay))?
            }
            Verb::Auth => line.auth_check().map(|()| (None, Duration::ZERO))?,
            _ => (None, Duration::ZERO),
        };
        let Some(size) = body_size(verb, rest, limits)? else { return Ok(None) };
        let available = rest.get(BODY_SIZE_BYTES..).unwrap_or_default();
        let consumed = BODY_SIZE_BYTES + size as usize;
        let topic = topic.and_then(|topic| topic.parse::<TopicName>().ok());
        if let (Verb::Mpub, Some(topic)) = (verb, topic.clone()) {
            let body = MpubScan::new(size, limits).advance(available)?;
            return Ok(body.map(|body| (Self::Mpub { topic, messages: body.messages().collect() }, consumed)));
        }
        let Some(body) = available.get(..size as usize) else { return Ok(None) };
        let command = match (verb, topic) {
            (Verb::Dpub, Some(topic)) => Self::Dpub { topic, delay, body },
            (_, Some(topic)) => Self::Pub { topic, body },
            (Verb::Auth, None) => Self::Auth { secret: body },
            (_, None) => Self::Identify { body },
        };
        Ok(Some((command, consumed)))
    }
}

/// Appends an MPUB of `messages`, of which there is at least one, none empty.
///
/// # Panics
/// If they have 4 GiB or more together.
pub fn put_mpub(out: &mut BytesMut, topic: &TopicName, messages: &[impl AsRef<[u8]>]) {
    let sized_bytes: usize = messages.iter().map(|message| BODY_SIZE_BYTES + message.as_ref().len()).sum();
    let body_bytes = BODY_SIZE_BYTES + sized_bytes;
    out.reserve(body_bytes + 128);
    put_line(out, &["MPUB ", topic.as_str()]);
    out.put_u32(u32::try_from(body_bytes).expect("an MPUB is below 4 GiB"));
    out.put_u32(u32::try_from(messages.len()).expect("there are fewer messages than bytes"));
    for message in messages {
        put_sized(out, message.as_ref());
    }
}

fn put_line(out: &mut BytesMut, parts: &[&str]) {
    for part in parts {
        out.put_slice(part.as_bytes());
    }
    out.put_u8(b'\n');
}

#[inline]
fn put_id_line(out: &mut BytesMut, name: &[u8], id: MessageId, end: &[u8]) {
    out.put_slice(name);
    out.put_slice(&id.0);
    out.put_slice(end);
}

fn put_sized(out: &mut BytesMut, body: &[u8]) {
    out.put_u32(u32::try_from(body.len()).expect("a body is below 4 GiB"));
    out.put_slice(body);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(command: &Command<'_>) -> BytesMut {
        let mut out = BytesMut::new();
        command.encode(&mut out);
        out
    }

    #[test]
    fn only_v2_is_spoken() {
        assert_eq!(check_magic(*b"  V2"), Ok(()));
        assert_eq!(check_magic(*b"  V1"), Err(ProtocolError::BadMagic));
        assert_eq!(check_magic(*b"GET "), Err(ProtocolError::BadMagic));
    }

    #[test]
    fn commands_are_written_as_documented() {
        let topic = TopicName::parse(b"t").unwrap();
        let id = MessageId(*b"0123456789abcdef");
        let delay = Duration::from_micros(1500);
        let mpub = Command::Mpub { topic: topic.clone(), messages: vec![b"A", b"BC"] };
        assert_eq!(encoded(&mpub), b"MPUB t\n\0\0\0\x0f\0\0\0\x02\0\0\0\x01A\0\0\0\x02BC".as_slice());
        let dpub = Command::Dpub { topic, delay, body: b"x" };
        assert_eq!(encoded(&dpub), b"DPUB t 1\n\0\0\0\x01x".as_slice());
        assert_eq!(encoded(&Command::Req { id, delay }), b"REQ 0123456789abcdef 1\n".as_slice());
        assert_eq!(encoded(&Command::Rdy { count: 5 }), b"RDY 5\n".as_slice());
    }

    fn check_refused(bytes: &[u8], text: &str) {
        let error = Command::decode(bytes, &Limits::default()).expect_err(text);
        assert_eq!(error.to_string(), text);
    }

    /// Each stage of a command with a body refuses on its own; the details are tested with the stages.
    #[test]
    fn the_first_failing_check_wins() {
        check_refused(b"PUB t!\n\0\0\0\0", "E_BAD_TOPIC PUB topic name \"t!\" is not valid");
        check_refused(b"PUB t\n\0\0\0\0", "E_BAD_MESSAGE PUB invalid message body size 0");
        check_refused(
            b"MPUB t\n\0\0\0\x04\0\0\0\x01\0\x10\0\x01",
            "E_BAD_MESSAGE MPUB message too big 1048577 > 1048576",
        );
        check_refused(b"AUTH \n\0\0\0\x01x", "E_INVALID AUTH invalid number of parameters");
        check_refused(b"IDENTIFY\n\x7f\xff\xff\xff", "E_BAD_BODY IDENTIFY body too big 2147483647 > 5242880");
        check_refused(&[b'a'; 16384], "E_INVALID command line is over 16384 bytes");
    }

    #[derive(Debug, Clone)]
    struct Parts {
        kind: u8,
        topic: String,
        channel: String,
        bodies: Vec<Vec<u8>>,
        id: [u8; 16],
        number: u32,
    }

    fn parts() -> impl Strategy<Value = Parts> {
        let name = || "[.a-zA-Z0-9_-]{1,54}(#ephemeral)?";
        let body = prop::collection::vec(any::<u8>(), 1..40);
        let id = any::<[u8; 16]>()
            .prop_map(|id| id.map(|byte| if b" \r\n".contains(&byte) { b'0' } else { byte }));
        (0..12_u8, name(), name(), prop::collection::vec(body, 1..5), id, 0..=2500_u32).prop_map(
            |(kind, topic, channel, bodies, id, number)| Parts { kind, topic, channel, bodies, id, number },
        )
    }

    impl Parts {
        fn command(&self) -> Command<'_> {
            let topic = self.topic.parse::<TopicName>().unwrap();
            let channel = self.channel.parse::<ChannelName>().unwrap();
            let body = self.bodies[0].as_slice();
            let id = MessageId(self.id);
            let delay = Duration::from_millis(self.number.into());
            match self.kind {
                0 => Command::Identify { body },
                1 => Command::Auth { secret: body },
                2 => Command::Sub { topic, channel },
                3 => Command::Pub { topic, body },
                4 => Command::Mpub { topic, messages: self.bodies.iter().map(Vec::as_slice).collect() },
                5 => Command::Dpub { topic, delay, body },
                6 => Command::Rdy { count: self.number },
                7 => Command::Fin { id },
                8 => Command::Req { id, delay },
                9 => Command::Touch { id },
                10 => Command::Cls,
                _ => Command::Nop,
            }
        }
    }

    proptest! {
        #[test]
        fn commands_survive_the_round_trip_and_any_cut(
            sent in prop::collection::vec(parts(), 1..4), cut_at: prop::sample::Index,
        ) {
            let limits = Limits::default();
            let mut stream = BytesMut::new();
            for parts in &sent {
                parts.command().encode(&mut stream);
            }
            let mut at = 0;
            for parts in &sent {
                let (command, bytes) = Command::decode(&stream[at..], &limits).unwrap().expect("a whole command");
                prop_assert_eq!(&command, &parts.command());
                let cut = at + cut_at.index(bytes);
                prop_assert_eq!(Command::decode(&stream[at..cut], &limits), Ok(None));
                at += bytes;
            }
            prop_assert_eq!(at, stream.len());
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            start in prop::sample::select(vec!["", "FIN ", "REQ ", "MPUB t\n", "PUB t\n", "IDENTIFY\n", "RDY ", "DPUB t ", "SUB "]),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let buf = [start.as_bytes(), &bytes].concat();
            if let Ok(Some((_, consumed))) = Command::decode(&buf, &Limits::default()) {
                prop_assert!(0 < consumed && consumed <= buf.len());
            }
        }
    }
}

//! What is published, checked and encoded.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use protocol::{BODY_SIZE_BYTES, ProtocolError, TopicName, Verb, is_valid_name, put_mpub};

use super::PublishError;

/// Bytes of the line, the size and what is kept about a publish, at least.
const OVERHEAD_BYTES: usize = 1 << 10;
/// What a size on the wire can say: nsqd reads it as a signed number.
const BODY_BYTES_MAX: usize = i32::MAX as usize;

/// A command of a producer. nsqd closes the connection behind one that it refuses, so what is sure to be refused is not sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Publication<'a> {
    Pub { topic: &'a str, body: &'a Bytes },
    Dpub { topic: &'a str, delay: Duration, body: &'a Bytes },
    Mpub { topic: &'a str, bodies: &'a [Bytes] },
}

impl Publication<'_> {
    /// # Errors
    /// As nsqd would refuse it.
    pub(super) fn check(&self) -> Result<(), PublishError> {
        let refused = |error: &ProtocolError| Err(PublishError::Refused { text: error.to_string() });
        let (verb, topic) = match *self {
            Self::Pub { topic, .. } => (Verb::Pub, topic),
            Self::Dpub { topic, .. } => (Verb::Dpub, topic),
            Self::Mpub { topic, .. } => (Verb::Mpub, topic),
        };
        if !is_valid_name(topic.as_bytes()) {
            return refused(&ProtocolError::BadTopic { verb, name: topic.as_bytes().into() });
        }
        match *self {
            Self::Pub { body, .. } | Self::Dpub { body, .. } if body.is_empty() => {
                refused(&ProtocolError::InvalidMessageSize { verb, size: 0 })
            }
            Self::Pub { body, .. } | Self::Dpub { body, .. } if BODY_BYTES_MAX < body.len() => {
                refused(&ProtocolError::MessageTooBig { verb, size: u32::MAX, limit: i32::MAX as u32 })
            }
            Self::Pub { .. } | Self::Dpub { .. } => Ok(()),
            Self::Mpub { bodies: [], .. } => refused(&ProtocolError::InvalidMpubCount { count: 0 }),
            Self::Mpub { bodies, .. } => {
                if let Some(index) = bodies.iter().position(Bytes::is_empty) {
                    let index = u32::try_from(index).unwrap_or(u32::MAX);
                    return refused(&ProtocolError::InvalidMpubMessageSize { index, size: 0 });
                }
                if BODY_BYTES_MAX < self.body_bytes() {
                    return refused(&ProtocolError::BodyTooBig {
                        verb,
                        size: u32::MAX,
                        limit: i32::MAX as u32,
                    });
                }
                Ok(())
            }
        }
    }

    /// What it takes of the memory for publishes under way.
    pub(super) fn cost(&self) -> usize {
        OVERHEAD_BYTES + self.body_bytes()
    }

    fn body_bytes(&self) -> usize {
        match self {
            Self::Pub { body, .. } | Self::Dpub { body, .. } => body.len(),
            Self::Mpub { bodies, .. } => {
                BODY_SIZE_BYTES + bodies.iter().map(|body| BODY_SIZE_BYTES + body.len()).sum::<usize>()
            }
        }
    }

    /// Appends the command. It was checked.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        match *self {
            Self::Pub { topic, body } => {
                out.put_slice(b"PUB ");
                out.put_slice(topic.as_bytes());
                put_body(out, body);
            }
            Self::Dpub { topic, delay, body } => {
                out.put_slice(b"DPUB ");
                out.put_slice(topic.as_bytes());
                out.put_u8(b' ');
                out.put_slice(delay.as_millis().to_string().as_bytes());
                put_body(out, body);
            }
            Self::Mpub { topic, bodies } => {
                let topic = TopicName::parse(topic.as_bytes()).expect("the name was checked");
                put_mpub(out, &topic, bodies);
            }
        }
    }
}

fn put_body(out: &mut BytesMut, body: &Bytes) {
    out.put_u8(b'\n');
    out.put_u32(u32::try_from(body.len()).expect("the size was checked"));
    out.put_slice(body);
}

#[cfg(test)]
mod tests {
    use protocol::{Command, Limits};

    use super::*;

    fn check_refused(publication: Publication<'_>, text: &str) {
        assert_eq!(publication.check().unwrap_err().to_string(), text);
    }

    #[test]
    fn what_nsqd_would_refuse_is_refused_in_its_words() {
        let (body, empty) = (Bytes::from_static(b"x"), Bytes::new());
        let bad = Publication::Pub { topic: "bad!", body: &body };
        check_refused(bad, r#"E_BAD_TOPIC PUB topic name "bad!" is not valid"#);
        let bad = Publication::Pub { topic: "t\nPUB u", body: &body };
        check_refused(bad, r#"E_BAD_TOPIC PUB topic name "t\nPUB u" is not valid"#);
        let bad = Publication::Dpub { topic: "t", delay: Duration::ZERO, body: &empty };
        check_refused(bad, "E_BAD_MESSAGE DPUB invalid message body size 0");
        check_refused(
            Publication::Mpub { topic: "t", bodies: &[] },
            "E_BAD_BODY MPUB invalid message count 0",
        );
        let bodies = [body.clone(), empty];
        let bad = Publication::Mpub { topic: "t", bodies: &bodies };
        check_refused(bad, "E_BAD_MESSAGE MPUB invalid message(1) body size 0");
    }

    #[test]
    fn what_is_encoded_is_what_nsqd_reads() {
        let topic: TopicName = "t#ephemeral".parse().unwrap();
        let body = Bytes::from_static(b"hello");
        let delay = Duration::from_micros(1_500_700);
        let check = |publication: Publication<'_>, expected: Command<'_>| {
            publication.check().unwrap();
            let mut out = BytesMut::new();
            publication.encode(&mut out);
            let (command, bytes) = Command::decode(&out, &Limits::default()).unwrap().unwrap();
            assert_eq!((command, bytes), (expected, out.len()));
        };
        let name = topic.as_str();
        check(
            Publication::Pub { topic: name, body: &body },
            Command::Pub { topic: topic.clone(), body: &body },
        );
        let on_the_wire = Duration::from_millis(1500);
        check(
            Publication::Dpub { topic: name, delay, body: &body },
            Command::Dpub { topic: topic.clone(), delay: on_the_wire, body: &body },
        );
        let bodies = [body.clone(), body.clone()];
        check(
            Publication::Mpub { topic: name, bodies: &bodies },
            Command::Mpub { topic: topic.clone(), messages: vec![&body, &body] },
        );
    }
}

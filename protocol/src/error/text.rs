//! The texts of the errors, to the byte.

use std::fmt::{self, Write};

use bytes::{BufMut, BytesMut};

use super::{IdentifyField, MessageFailure, ProtocolError, PublishFailure, SubFailure};
use crate::{MAX_LINE_BYTES, Verb, quote};

impl ProtocolError {
    /// The data of the error frame: the code, a blank, the text.
    #[cold]
    pub fn wire_text(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(128);
        self.write_text(&mut out);
        out
    }

    /// Appends the data of the error frame.
    #[cold]
    pub fn write_text(&self, out: &mut BytesMut) {
        out.put_slice(self.code().as_str().as_bytes());
        let written = self.write_after_code(out);
        debug_assert!(written.is_ok(), "a BytesMut takes all it is given");
    }

    #[expect(clippy::too_many_lines, reason = "a table of texts, one per error")]
    fn write_after_code(&self, out: &mut BytesMut) -> fmt::Result {
        match self {
            Self::BadMagic => Ok(()),
            Self::TooManyConnections => out.write_str(" too many connections"),
            Self::UnknownCommand { name } => echo(out, " invalid command ", name),
            Self::LineTooLong => write!(out, " command line is over {MAX_LINE_BYTES} bytes"),
            Self::WrongState { verb } => write!(out, " cannot {verb} in current state"),
            Self::TlsRequired { name } => {
                echo(out, " cannot ", name)?;
                out.write_str(" in current state (TLS required)")
            }
            Self::HeartbeatsDisabled => out.write_str(" cannot SUB with heartbeats disabled"),
            Self::TooFewParameters { verb: verb @ (Verb::Fin | Verb::Req | Verb::Touch) } => {
                write!(out, " {verb} insufficient number of params")
            }
            Self::TooFewParameters { verb } => write!(out, " {verb} insufficient number of parameters"),
            Self::AuthParameters => out.write_str(" AUTH invalid number of parameters"),
            Self::AuthAlreadySet => out.write_str(" AUTH already set"),
            Self::InvalidMessageId => out.write_str(" invalid message ID"),
            Self::UnreadableCount { text } => echo(out, " RDY could not parse count ", text),
            Self::CountOutOfRange { count, max } => write!(out, " RDY count {count} out of range 0-{max}"),
            Self::UnreadableTimeout { verb, text } => {
                write!(out, " {verb}")?;
                echo(out, " could not parse timeout ", text)
            }
            Self::TimeoutOutOfRange { timeout_ms, max_ms } => {
                write!(out, " DPUB timeout {timeout_ms} out of range 0-{max_ms}")
            }
            // Clients have seen the code twice here for years, so it stays.
            Self::BadTopic { verb: Verb::Mpub, name } => {
                write!(out, " E_BAD_TOPIC MPUB topic name {} is not valid", quote(name))
            }
            Self::BadTopic { verb, name } => write!(out, " {verb} topic name {} is not valid", quote(name)),
            Self::BadChannel { name } => write!(out, " SUB channel name {} is not valid", quote(name)),
            Self::BodySizeCut { verb } => write!(out, " {verb} failed to read body size"),
            Self::BodyCut { verb } => write!(out, " {verb} failed to read body"),
            Self::BodyTooBig { verb, size, limit } => write!(out, " {verb} body too big {size} > {limit}"),
            Self::InvalidBodySize { verb, size } => write!(out, " {verb} invalid body size {size}"),
            Self::MessageSizeCut { verb } => write!(out, " {verb} failed to read message body size"),
            Self::MessageCut { verb } => write!(out, " {verb} failed to read message body"),
            Self::MessageTooBig { verb, size, limit } => {
                write!(out, " {verb} message too big {size} > {limit}")
            }
            Self::InvalidMessageSize { verb, size } => {
                write!(out, " {verb} invalid message body size {size}")
            }
            Self::MpubCountCut => out.write_str(" MPUB failed to read message count"),
            Self::InvalidMpubCount { count } => write!(out, " MPUB invalid message count {count}"),
            Self::MpubMessageSizeCut { index } => {
                write!(out, " MPUB failed to read message({index}) body size")
            }
            Self::InvalidMpubMessageSize { index, size } => {
                write!(out, " MPUB invalid message({index}) body size {size}")
            }
            Self::MpubSizeMismatch { size } => write!(out, " MPUB messages do not fill body size {size}"),
            Self::IdentifyJson => out.write_str(" IDENTIFY failed to decode JSON body"),
            Self::IdentifyRange { field, value } => write!(out, " IDENTIFY {field} ({value}) is invalid"),
            Self::BothCompressions => out.write_str(" cannot enable both deflate and snappy compression"),
            Self::UpgradeFailed { cause } => write!(out, " IDENTIFY failed {cause}"),
            Self::AuthDisabled => out.write_str(" AUTH disabled"),
            Self::AuthFirst { verb } => write!(out, " AUTH required before {verb}"),
            Self::AuthFailed => out.write_str(" AUTH failed"),
            Self::AuthError { cause } => write!(out, " AUTH error {cause}"),
            Self::NoAuthorizations => out.write_str(" AUTH no authorizations found"),
            Self::Unauthorized { verb, topic, channel } => {
                let channel = channel.as_ref().map_or("", |channel| channel.as_str());
                write!(out, " AUTH failed for {verb} on \"{topic}\" \"{channel}\"")
            }
            Self::SubFailed(reason) => write!(out, " SUB failed {reason}"),
            Self::PublishFailed { verb, reason } => write!(out, " {verb} failed {reason}"),
            Self::MessageFailed { verb, id, reason } => {
                write!(out, " {verb}")?;
                echo(out, " ", &id.0)?;
                write!(out, " failed {reason}")
            }
        }
    }
}

/// `text`, then what the client sent, as it sent it.
fn echo(out: &mut BytesMut, text: &str, raw: &[u8]) -> fmt::Result {
    out.write_str(text)?;
    out.put_slice(raw);
    Ok(())
}

/// The wire text, for logs; bytes that are not UTF-8 are replaced.
impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.wire_text()))
    }
}

impl std::error::Error for ProtocolError {}

impl fmt::Display for IdentifyField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeartbeatInterval => "heartbeat interval",
            Self::OutputBufferTimeout => "output buffer timeout",
            Self::OutputBufferSize => "output buffer size",
            Self::SampleRate => "sample rate",
            Self::MsgTimeout => "msg timeout",
        })
    }
}

impl fmt::Display for SubFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exiting => f.write_str("exiting"),
            Self::ConsumerLimit { topic, channel, limit } => {
                write!(f, "consumers for {topic}:{channel} exceeds limit of {limit}")
            }
            Self::Deleted => f.write_str("to deleted topic/channel"),
            Self::Storage(cause) => f.write_str(cause),
        }
    }
}

impl fmt::Display for PublishFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exiting => f.write_str("exiting"),
            Self::Storage(cause) => f.write_str(cause),
        }
    }
}

impl fmt::Display for MessageFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInFlight => f.write_str("ID not in flight"),
            Self::NotOwned => f.write_str("client does not own message"),
            Self::Exiting => f.write_str("exiting"),
            Self::AlreadyDeferred => f.write_str("ID already deferred"),
            Self::Storage(cause) => f.write_str(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChannelName, ErrorCode, MessageId, TopicName};

    fn check(error: &ProtocolError, text: &[u8], is_fatal: bool) {
        let written = error.wire_text();
        assert_eq!(written, text, "{} instead of {}", written.escape_ascii(), text.escape_ascii());
        assert_eq!(error.is_fatal(), is_fatal, "{error}");
        assert_eq!(ErrorCode::of(&written), Some(error.code()));
    }

    #[test]
    fn what_the_client_sent_is_echoed_as_raw_bytes() {
        check(
            &ProtocolError::UnknownCommand { name: b"F\xffO".as_slice().into() },
            b"E_INVALID invalid command F\xffO",
            true,
        );
        check(
            &ProtocolError::TlsRequired { name: b"N\xff".as_slice().into() },
            b"E_INVALID cannot N\xff in current state (TLS required)",
            true,
        );
        let id = MessageId(*b"0123456789abcd\xff\xfe");
        check(
            &ProtocolError::MessageFailed { verb: Verb::Req, id, reason: MessageFailure::AlreadyDeferred },
            b"E_REQ_FAILED REQ 0123456789abcd\xff\xfe failed ID already deferred",
            false,
        );
    }

    #[test]
    fn a_topic_name_is_quoted() {
        check(
            &ProtocolError::BadTopic {
                verb: Verb::Pub,
                name: b"a\"b\\\xff\x01\xc3\xa9\xe2\x80\xa8".as_slice().into(),
            },
            b"E_BAD_TOPIC PUB topic name \"a\\\"b\\\\\\xff\\x01\xc3\xa9\\u2028\" is not valid",
            true,
        );
    }

    /// The errors that only a daemon's state brings about; the others are tested where they arise.
    #[test]
    fn failures_have_their_recorded_texts() {
        let topic = TopicName::parse(b"t").unwrap();
        let channel = ChannelName::parse(b"c").unwrap();
        let id = MessageId(*b"18a2509ec4405000");
        let failed = |verb, reason| ProtocolError::MessageFailed { verb, id, reason };
        let publish = |verb, reason| ProtocolError::PublishFailed { verb, reason };
        let not_owned = "failed client does not own message";
        for (error, text) in [
            (failed(Verb::Fin, MessageFailure::NotOwned), format!("E_FIN_FAILED FIN {id} {not_owned}")),
            (
                failed(Verb::Touch, MessageFailure::NotInFlight),
                format!("E_TOUCH_FAILED TOUCH {id} failed ID not in flight"),
            ),
            (failed(Verb::Req, MessageFailure::Exiting), format!("E_REQ_FAILED REQ {id} failed exiting")),
        ] {
            check(&error, text.as_bytes(), false);
        }
        for (error, text) in [
            (ProtocolError::WrongState { verb: Verb::Cls }, "E_INVALID cannot CLS in current state"),
            (ProtocolError::HeartbeatsDisabled, "E_INVALID cannot SUB with heartbeats disabled"),
            (ProtocolError::AuthAlreadySet, "E_INVALID AUTH already set"),
            (ProtocolError::LineTooLong, "E_INVALID command line is over 16384 bytes"),
            (
                ProtocolError::BothCompressions,
                "E_IDENTIFY_FAILED cannot enable both deflate and snappy compression",
            ),
            (ProtocolError::UpgradeFailed { cause: "x".into() }, "E_IDENTIFY_FAILED IDENTIFY failed x"),
            (ProtocolError::AuthDisabled, "E_AUTH_DISABLED AUTH disabled"),
            (ProtocolError::AuthFirst { verb: Verb::Mpub }, "E_AUTH_FIRST AUTH required before MPUB"),
            (ProtocolError::AuthFailed, "E_AUTH_FAILED AUTH failed"),
            (ProtocolError::AuthError { cause: "x".into() }, "E_AUTH_ERROR AUTH error x"),
            (ProtocolError::NoAuthorizations, "E_UNAUTHORIZED AUTH no authorizations found"),
            (
                ProtocolError::Unauthorized { verb: Verb::Pub, topic: topic.clone(), channel: None },
                "E_UNAUTHORIZED AUTH failed for PUB on \"t\" \"\"",
            ),
            (
                ProtocolError::Unauthorized {
                    verb: Verb::Sub,
                    topic: topic.clone(),
                    channel: Some(channel.clone()),
                },
                "E_UNAUTHORIZED AUTH failed for SUB on \"t\" \"c\"",
            ),
            (ProtocolError::SubFailed(SubFailure::Exiting), "E_SUB_FAILED SUB failed exiting"),
            (
                ProtocolError::SubFailed(SubFailure::ConsumerLimit { topic, channel, limit: 1 }),
                "E_SUB_FAILED SUB failed consumers for t:c exceeds limit of 1",
            ),
            (
                ProtocolError::SubFailed(SubFailure::Deleted),
                "E_SUB_FAILED SUB failed to deleted topic/channel",
            ),
            (ProtocolError::SubFailed(SubFailure::Storage("x".into())), "E_SUB_FAILED SUB failed x"),
            (publish(Verb::Pub, PublishFailure::Exiting), "E_PUB_FAILED PUB failed exiting"),
            (publish(Verb::Mpub, PublishFailure::Exiting), "E_MPUB_FAILED MPUB failed exiting"),
            (publish(Verb::Dpub, PublishFailure::Storage("x".into())), "E_DPUB_FAILED DPUB failed x"),
        ] {
            check(&error, text.as_bytes(), true);
        }
    }

    #[test]
    fn a_code_is_the_first_word_only() {
        assert_eq!(ErrorCode::of(b"E_BAD_TOPIC E_BAD_TOPIC MPUB"), Some(ErrorCode::BadTopic));
        assert_eq!(ErrorCode::of(b"E_BAD_PROTOCOL"), Some(ErrorCode::BadProtocol));
        assert_eq!(ErrorCode::of(b"E_BAD_TOPICS x"), None);
        assert_eq!(ErrorCode::of(b""), None);
    }
}

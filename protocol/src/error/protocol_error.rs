//! The errors themselves: a variant per error of the protocol, with what its text shows.

use crate::{ChannelName, ErrorCode, MessageId, TopicName, Verb};

/// A refusal that goes to the client as an error frame.
///
/// The texts are fixed to the byte and are all in [`ProtocolError::write_text`]. What a client sent is kept as raw bytes,
/// because it is echoed as such.
///
/// Source: all errors, NSQ TCP protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolError {
    /// The first four bytes are not [`MAGIC`](crate::MAGIC).
    BadMagic,
    /// There are as many connections as are allowed. The reference has no such limit.
    TooManyConnections,
    /// No such command.
    UnknownCommand {
        /// The line up to its first blank.
        name: Box<[u8]>,
    },
    /// The line has more than [`MAX_LINE_BYTES`](crate::MAX_LINE_BYTES). The reference closes without a word.
    LineTooLong,
    /// The connection's state does not allow the command.
    WrongState {
        /// The command.
        verb: Verb,
    },
    /// Anything but IDENTIFY on a plain connection where TLS is required.
    TlsRequired {
        /// The command as sent, known or not.
        name: Box<[u8]>,
    },
    /// SUB of a client that takes no heartbeats.
    HeartbeatsDisabled,
    /// Parameters are missing.
    TooFewParameters {
        /// The command.
        verb: Verb,
    },
    /// AUTH takes none.
    AuthParameters,
    /// A second AUTH.
    AuthAlreadySet,
    /// The id does not have 16 bytes.
    InvalidMessageId,
    /// The count of RDY is no number.
    UnreadableCount {
        /// As sent.
        text: Box<[u8]>,
    },
    /// The count of RDY is too high.
    CountOutOfRange {
        /// As sent, saturated.
        count: u64,
        /// The highest allowed.
        max: u32,
    },
    /// The delay of REQ or DPUB is no number.
    UnreadableTimeout {
        /// The command.
        verb: Verb,
        /// As sent.
        text: Box<[u8]>,
    },
    /// The delay of DPUB is too long.
    TimeoutOutOfRange {
        /// As sent, saturated.
        timeout_ms: u64,
        /// The longest allowed.
        max_ms: u64,
    },
    /// No name for a topic.
    BadTopic {
        /// The command.
        verb: Verb,
        /// As sent.
        name: Box<[u8]>,
    },
    /// No name for a channel.
    BadChannel {
        /// As sent.
        name: Box<[u8]>,
    },
    /// The stream ended within the length of IDENTIFY, AUTH or MPUB.
    BodySizeCut {
        /// The command.
        verb: Verb,
    },
    /// The stream ended within the body of IDENTIFY or AUTH.
    BodyCut {
        /// The command.
        verb: Verb,
    },
    /// The body of IDENTIFY, AUTH or MPUB is over the limit.
    BodyTooBig {
        /// The command.
        verb: Verb,
        /// As declared.
        size: u32,
        /// The highest allowed.
        limit: u32,
    },
    /// The length of IDENTIFY, AUTH or MPUB is 0 or negative.
    InvalidBodySize {
        /// The command.
        verb: Verb,
        /// As declared.
        size: i32,
    },
    /// The stream ended within the length of a PUB's or DPUB's message.
    MessageSizeCut {
        /// The command.
        verb: Verb,
    },
    /// The stream ended within a message.
    MessageCut {
        /// PUB, DPUB or MPUB.
        verb: Verb,
    },
    /// A message is over the limit.
    MessageTooBig {
        /// PUB, DPUB or MPUB.
        verb: Verb,
        /// As declared.
        size: u32,
        /// The highest allowed.
        limit: u32,
    },
    /// The length of a PUB's or DPUB's message is 0 or negative.
    InvalidMessageSize {
        /// The command.
        verb: Verb,
        /// As declared.
        size: i32,
    },
    /// The stream ended within the count of an MPUB.
    MpubCountCut,
    /// The count of an MPUB is 0, negative or over the limit.
    InvalidMpubCount {
        /// As declared.
        count: i32,
    },
    /// The stream ended within the length of a message of an MPUB.
    MpubMessageSizeCut {
        /// The message, from 0.
        index: u32,
    },
    /// The length of a message of an MPUB is 0 or negative.
    InvalidMpubMessageSize {
        /// The message, from 0.
        index: u32,
        /// As declared.
        size: i32,
    },
    /// The messages of an MPUB do not fill its body exactly. The reference does not look.
    MpubSizeMismatch {
        /// The body's declared length.
        size: u32,
    },
    /// The body of IDENTIFY is not the JSON expected.
    IdentifyJson,
    /// A setting of IDENTIFY is out of its range.
    IdentifyRange {
        /// Which.
        field: IdentifyField,
        /// As sent, in the field's unit.
        value: i64,
    },
    /// Both compressions were asked for and are enabled.
    BothCompressions,
    /// An upgrade of the connection failed.
    UpgradeFailed {
        /// In words; not a contract.
        cause: String,
    },
    /// AUTH, but no authorization server is configured.
    AuthDisabled,
    /// The command needs an AUTH before it.
    AuthFirst {
        /// SUB, PUB, MPUB or DPUB.
        verb: Verb,
    },
    /// The authorization server gave no valid answer.
    AuthFailed,
    /// The answer to AUTH could not be sent.
    AuthError {
        /// In words; not a contract.
        cause: String,
    },
    /// The authorization server knows the secret but allows nothing.
    NoAuthorizations,
    /// The authorizations do not cover the command.
    Unauthorized {
        /// SUB, PUB, MPUB or DPUB.
        verb: Verb,
        /// The topic asked for.
        topic: TopicName,
        /// The channel asked for; `None` when publishing.
        channel: Option<ChannelName>,
    },
    /// SUB could not join.
    SubFailed(SubFailure),
    /// The topic did not take the publish.
    PublishFailed {
        /// PUB, MPUB or DPUB.
        verb: Verb,
        /// Why.
        reason: PublishFailure,
    },
    /// FIN, REQ or TOUCH came to nothing; the connection goes on.
    MessageFailed {
        /// FIN, REQ or TOUCH.
        verb: Verb,
        /// The id as sent.
        id: MessageId,
        /// Why.
        reason: MessageFailure,
    },
}

/// The settings of IDENTIFY that have a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifyField {
    /// `heartbeat_interval`, ms.
    HeartbeatInterval,
    /// `output_buffer_timeout`, ms.
    OutputBufferTimeout,
    /// `output_buffer_size`, bytes.
    OutputBufferSize,
    /// `sample_rate`, percent.
    SampleRate,
    /// `msg_timeout`, ms.
    MsgTimeout,
}

/// Why a SUB could not join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubFailure {
    /// The channel is being deleted.
    Exiting,
    /// The channel has as many consumers as it may have.
    ConsumerLimit {
        /// The topic.
        topic: TopicName,
        /// The channel.
        channel: ChannelName,
        /// The number allowed; a negative one refuses all.
        limit: i64,
    },
    /// The ephemeral topic or channel went away, twice.
    Deleted,
    /// The topic could not be made; in words, not a contract.
    Storage(String),
}

/// Why a topic did not take a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishFailure {
    /// The topic is being deleted, or the daemon stops.
    Exiting,
    /// The message could not be stored; in words, not a contract.
    Storage(String),
}

/// Why a FIN, REQ or TOUCH came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageFailure {
    /// Finished, timed out, requeued, emptied or never there.
    NotInFlight,
    /// In flight to another connection.
    NotOwned,
    /// The channel is being deleted.
    Exiting,
    /// The message waits already.
    AlreadyDeferred,
    /// The message could not be stored; in words, not a contract.
    Storage(String),
}

impl ProtocolError {
    /// The stream ended, or the deadline passed, within the length before `verb`'s body.
    #[cold]
    pub fn size_cut(verb: Verb) -> Self {
        if verb.publishes_one() { Self::MessageSizeCut { verb } } else { Self::BodySizeCut { verb } }
    }

    /// The stream ended, or the deadline passed, within `verb`'s body. For MPUB see
    /// [`MpubScan::cut`](crate::MpubScan::cut).
    #[cold]
    pub fn body_cut(verb: Verb) -> Self {
        if verb.publishes() { Self::MessageCut { verb } } else { Self::BodyCut { verb } }
    }

    /// The first word of the text.
    pub fn code(&self) -> ErrorCode {
        use ErrorCode as C;
        match self {
            Self::BadMagic => C::BadProtocol,
            Self::TooManyConnections
            | Self::UnknownCommand { .. }
            | Self::LineTooLong
            | Self::WrongState { .. }
            | Self::TlsRequired { .. }
            | Self::HeartbeatsDisabled
            | Self::TooFewParameters { .. }
            | Self::AuthParameters
            | Self::AuthAlreadySet
            | Self::InvalidMessageId
            | Self::UnreadableCount { .. }
            | Self::CountOutOfRange { .. }
            | Self::UnreadableTimeout { .. }
            | Self::TimeoutOutOfRange { .. } => C::Invalid,
            Self::BadTopic { .. } => C::BadTopic,
            Self::BadChannel { .. } => C::BadChannel,
            Self::BodySizeCut { .. }
            | Self::BodyCut { .. }
            | Self::BodyTooBig { .. }
            | Self::InvalidBodySize { .. }
            | Self::MpubCountCut
            | Self::InvalidMpubCount { .. }
            | Self::MpubSizeMismatch { .. }
            | Self::IdentifyJson
            | Self::IdentifyRange { .. } => C::BadBody,
            Self::MessageSizeCut { .. }
            | Self::MessageCut { .. }
            | Self::MessageTooBig { .. }
            | Self::InvalidMessageSize { .. }
            | Self::MpubMessageSizeCut { .. }
            | Self::InvalidMpubMessageSize { .. } => C::BadMessage,
            Self::BothCompressions | Self::UpgradeFailed { .. } => C::IdentifyFailed,
            Self::AuthDisabled => C::AuthDisabled,
            Self::AuthFirst { .. } => C::AuthFirst,
            Self::AuthFailed => C::AuthFailed,
            Self::AuthError { .. } => C::AuthError,
            Self::NoAuthorizations | Self::Unauthorized { .. } => C::Unauthorized,
            Self::SubFailed(_) => C::SubFailed,
            Self::PublishFailed { verb, .. } => match verb {
                Verb::Mpub => C::MpubFailed,
                Verb::Dpub => C::DpubFailed,
                _ => C::PubFailed,
            },
            Self::MessageFailed { verb, .. } => match verb {
                Verb::Req => C::ReqFailed,
                Verb::Touch => C::TouchFailed,
                _ => C::FinFailed,
            },
        }
    }

    /// Whether the connection is closed behind the frame.
    pub fn is_fatal(&self) -> bool {
        self.code().is_fatal()
    }
}

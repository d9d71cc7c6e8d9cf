//! What nsqlookupd says to those who are wrong. After any of it the connection ends.

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupError {
    /// The first four bytes are not [`LOOKUP_MAGIC`](crate::LOOKUP_MAGIC).
    BadMagic,
    /// One connection more than there may be.
    TooManyConnections,
    /// It is to be spoken to over TLS.
    TlsRequired,
    /// No end of the line within [`LOOKUP_LINE_BYTES_MAX`](crate::LOOKUP_LINE_BYTES_MAX).
    LineTooLong,
    /// There is no such command; its first word, as it came.
    InvalidCommand(Vec<u8>),
    /// IDENTIFY for the second time.
    IdentifiedAlready,
    /// Before IDENTIFY.
    NotIdentified,
    /// There is no topic; which command.
    NoTopic(&'static str),
    /// Which command, and its topic as it came.
    BadTopic(&'static str, Vec<u8>),
    /// Which command, and its channel as it came.
    BadChannel(&'static str, Vec<u8>),
    /// The length of IDENTIFY's body is cut, negative, or over [`LOOKUP_BODY_BYTES_MAX`](crate::LOOKUP_BODY_BYTES_MAX).
    BodySize,
    /// IDENTIFY's body is cut.
    Body,
    /// IDENTIFY's body is not a JSON object of the right types.
    Json,
    /// IDENTIFY's body lacks what is required.
    MissingFields,
    /// One registration more than a connection, or the whole registry, may have; which bound that is, and how high.
    TooMany(&'static str, usize),
}

impl LookupError {
    /// The answer to send: NSQ's text, with the peer's bytes as they came.
    ///
    /// Source: section "errors" of the protocol V1. `LineTooLong`, `TooManyConnections`, `TooMany` and `TlsRequired` are ours.
    pub fn to_bytes(&self) -> Vec<u8> {
        let cause = match self {
            Self::BadMagic => return b"E_BAD_PROTOCOL".to_vec(),
            Self::TooManyConnections => "E_INVALID too many connections".to_owned(),
            Self::TlsRequired => "E_INVALID TLS required; give nsqd --lookupd-tls".to_owned(),
            Self::LineTooLong => {
                format!("E_INVALID command line is over {} bytes", crate::LOOKUP_LINE_BYTES_MAX)
            }
            Self::InvalidCommand(command) => {
                return [b"E_INVALID invalid command ", command.as_slice()].concat();
            }
            Self::IdentifiedAlready => "E_INVALID cannot IDENTIFY again".to_owned(),
            Self::NotIdentified => "E_INVALID client must IDENTIFY".to_owned(),
            Self::NoTopic(verb) => format!("E_INVALID {verb} insufficient number of params"),
            Self::BadTopic(verb, name) => return bad_name("E_BAD_TOPIC", verb, "topic", name),
            Self::BadChannel(verb, name) => return bad_name("E_BAD_CHANNEL", verb, "channel", name),
            Self::BodySize => "E_BAD_BODY IDENTIFY failed to read body size".to_owned(),
            Self::Body => "E_BAD_BODY IDENTIFY failed to read body".to_owned(),
            Self::Json => "E_BAD_BODY IDENTIFY failed to decode JSON body".to_owned(),
            Self::MissingFields => "E_BAD_BODY IDENTIFY missing fields".to_owned(),
            Self::TooMany(what, max) => format!("E_INVALID REGISTER more than {max} {what}"),
        };
        cause.into_bytes()
    }
}

fn bad_name(code: &str, verb: &str, kind: &str, name: &[u8]) -> Vec<u8> {
    [format!("{code} {verb} {kind} name '").as_bytes(), name, b"' is not valid"].concat()
}

//! The length in front of a body.

use std::time::Duration;

use super::Verb;
use crate::ProtocolError;

/// Bytes of the length in front of a body.
pub const BODY_SIZE_BYTES: usize = 4;

/// What a daemon accepts. The default is NSQ's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest message.
    pub max_msg_bytes: u32,
    /// Longest body of IDENTIFY, AUTH and MPUB.
    pub max_body_bytes: u32,
    /// Highest RDY.
    pub max_rdy_count: u32,
    /// Longest delay of DPUB.
    pub max_req_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_msg_bytes: 1024 * 1024,
            max_body_bytes: 5 * 1024 * 1024,
            max_rdy_count: 2500,
            max_req_timeout: Duration::from_hours(1),
        }
    }
}

/// Reads and checks the length of `verb`'s body; `buf` starts behind the command line.
///
/// `None` until [`BODY_SIZE_BYTES`] have arrived. The body starts behind these. `verb` is one that has a body.
///
/// # Errors
/// The length is 0, negative or over its limit: that of a message for PUB and DPUB, that of a body otherwise.
#[inline]
pub fn body_size(verb: Verb, buf: &[u8], limits: &Limits) -> Result<Option<u32>, ProtocolError> {
    let Some(field) = buf.first_chunk() else { return Ok(None) };
    let limit = if verb.publishes_one() { limits.max_msg_bytes } else { limits.max_body_bytes };
    match u32::try_from(i32::from_be_bytes(*field)) {
        Ok(size) if 0 < size && size <= limit => Ok(Some(size)),
        _ => Err(bad_size(verb, i32::from_be_bytes(*field), limit)),
    }
}

#[cold]
fn bad_size(verb: Verb, size: i32, limit: u32) -> ProtocolError {
    match (u32::try_from(size), verb.publishes_one()) {
        (Ok(size @ 1..), true) => ProtocolError::MessageTooBig { verb, size, limit },
        (Ok(size @ 1..), false) => ProtocolError::BodyTooBig { verb, size, limit },
        (_, true) => ProtocolError::InvalidMessageSize { verb, size },
        (_, false) => ProtocolError::InvalidBodySize { verb, size },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(verb: Verb, size: i32, expected: Result<u32, &str>) {
        let read = body_size(verb, &size.to_be_bytes(), &Limits::default());
        let read = read.map(|size| size.expect("four bytes are enough")).map_err(|error| error.to_string());
        assert_eq!(read, expected.map_err(str::to_owned));
    }

    #[test]
    fn recorded_message_sizes() {
        check(Verb::Pub, 1, Ok(1));
        check(Verb::Pub, 1_048_576, Ok(1_048_576));
        check(Verb::Pub, 0, Err("E_BAD_MESSAGE PUB invalid message body size 0"));
        check(Verb::Pub, -1, Err("E_BAD_MESSAGE PUB invalid message body size -1"));
        check(Verb::Pub, 1_048_577, Err("E_BAD_MESSAGE PUB message too big 1048577 > 1048576"));
        check(Verb::Dpub, 0, Err("E_BAD_MESSAGE DPUB invalid message body size 0"));
    }

    #[test]
    fn recorded_body_sizes() {
        for verb in [Verb::Identify, Verb::Auth, Verb::Mpub] {
            check(verb, 5_242_880, Ok(5_242_880));
            check(verb, 0, Err(&format!("E_BAD_BODY {verb} invalid body size 0")));
            check(verb, -1, Err(&format!("E_BAD_BODY {verb} invalid body size -1")));
            check(verb, 5_242_881, Err(&format!("E_BAD_BODY {verb} body too big 5242881 > 5242880")));
            check(verb, i32::MAX, Err(&format!("E_BAD_BODY {verb} body too big 2147483647 > 5242880")));
        }
    }

    #[test]
    fn a_stream_that_ends_early_has_its_recorded_error() {
        assert_eq!(body_size(Verb::Pub, b"\0\0", &Limits::default()), Ok(None));
        for (error, text) in [
            (ProtocolError::size_cut(Verb::Pub), "E_BAD_MESSAGE PUB failed to read message body size"),
            (ProtocolError::body_cut(Verb::Pub), "E_BAD_MESSAGE PUB failed to read message body"),
            (ProtocolError::size_cut(Verb::Dpub), "E_BAD_MESSAGE DPUB failed to read message body size"),
            (ProtocolError::size_cut(Verb::Mpub), "E_BAD_BODY MPUB failed to read body size"),
            (ProtocolError::size_cut(Verb::Identify), "E_BAD_BODY IDENTIFY failed to read body size"),
            (ProtocolError::body_cut(Verb::Identify), "E_BAD_BODY IDENTIFY failed to read body"),
            (ProtocolError::body_cut(Verb::Auth), "E_BAD_BODY AUTH failed to read body"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}

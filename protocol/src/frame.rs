//! Frames: what a server sends.
//!
//! ```text
//! | size u32 = bytes that follow | type u32 | data |
//! ```
//!
//! All integers are big-endian.

use bytes::{BufMut, BytesMut};

use crate::{MessageId, ProtocolError};

/// Bytes before a frame's data: size u32, type u32.
pub const FRAME_PREFIX_BYTES: usize = 4 + 4;

/// Bytes of a message frame's data before its body: timestamp i64, attempts u16, id 16.
pub const MESSAGE_HEADER_BYTES: usize = 8 + 2 + MessageId::BYTES;

/// Bytes of a message frame before its body: size u32, type u32, timestamp i64, attempts u16, id 16.
pub const MESSAGE_FRAME_HEADER_BYTES: usize = FRAME_PREFIX_BYTES + MESSAGE_HEADER_BYTES;
const _: () = assert!(MESSAGE_FRAME_HEADER_BYTES == 34);

/// Size field of a message frame without body.
const EMPTY_MESSAGE_SIZE: u32 = 30;
const _: () = assert!(EMPTY_MESSAGE_SIZE as usize == MESSAGE_FRAME_HEADER_BYTES - 4);

/// Where the timestamp of a message frame begins.
pub const TIMESTAMP_OFFSET: usize = FRAME_PREFIX_BYTES;

/// Where the attempts of a message frame begin.
pub const ATTEMPTS_OFFSET: usize = TIMESTAMP_OFFSET + 8;

/// Where the id of a message frame begins.
pub const ID_OFFSET: usize = ATTEMPTS_OFFSET + 2;

/// Data of the response to a command that succeeded.
pub const OK: &[u8] = b"OK";
/// Data of the response that asks for a sign of life.
pub const HEARTBEAT: &[u8] = b"_heartbeat_";
/// Data of the response to CLS.
pub const CLOSE_WAIT: &[u8] = b"CLOSE_WAIT";

/// The whole frame of [`OK`].
pub const OK_FRAME: [u8; 10] = response_frame(OK);
/// The whole frame of [`HEARTBEAT`].
pub const HEARTBEAT_FRAME: [u8; 19] = response_frame(HEARTBEAT);
/// The whole frame of [`CLOSE_WAIT`].
pub const CLOSE_WAIT_FRAME: [u8; 18] = response_frame(CLOSE_WAIT);

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum FrameType {
    /// The answer to a command, or a heartbeat.
    Response = 0,
    /// A refusal: a code and a text.
    Error = 1,
    /// A message for a consumer.
    Message = 2,
}

/// Appends a response frame.
pub fn put_response(out: &mut BytesMut, data: &[u8]) {
    put_frame(out, FrameType::Response, data);
}

/// Appends an error frame.
#[cold]
pub fn put_error(out: &mut BytesMut, error: &ProtocolError) {
    put_frame(out, FrameType::Error, &error.wire_text());
}

/// Appends a message frame.
///
/// # Panics
/// If the body has 4 GiB or more; bodies are bounded long before.
pub fn put_message(out: &mut BytesMut, header: &MessageHeader, body: &[u8]) {
    let body_bytes = u32::try_from(body.len()).expect("a body is far below 4 GiB");
    let mut head = [0; MESSAGE_FRAME_HEADER_BYTES];
    header.write(body_bytes, &mut head);
    out.reserve(head.len() + body.len());
    out.put_slice(&head);
    out.put_slice(body);
}

fn put_frame(out: &mut BytesMut, frame_type: FrameType, data: &[u8]) {
    let size = u32::try_from(4 + data.len()).expect("texts are far below 4 GiB");
    out.reserve(FRAME_PREFIX_BYTES + data.len());
    out.put_u32(size);
    out.put_u32(frame_type as u32);
    out.put_slice(data);
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index out of range")]
const fn response_frame<const N: usize>(data: &[u8]) -> [u8; N] {
    assert!(N == FRAME_PREFIX_BYTES + data.len() && N < 256);
    let mut frame = [0; N];
    let [.., size] = (N - 4).to_be_bytes();
    frame[3] = size;
    let mut at = 0;
    while at < data.len() {
        frame[FRAME_PREFIX_BYTES + at] = data[at];
        at += 1;
    }
    frame
}

/// What precedes the body in a message frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHeader {
    /// When the publish was accepted, in nanoseconds since 1970.
    pub timestamp_ns: i64,
    /// Deliveries so far, this one included.
    pub attempts: u16,
    /// The id within its topic.
    pub id: MessageId,
}

impl MessageHeader {
    /// Writes the head of a message frame whose body has `body_bytes`.
    ///
    /// `body_bytes` is at most `u32::MAX` − 30, which every limit on bodies ensures.
    #[inline]
    pub fn write(&self, body_bytes: u32, out: &mut [u8; MESSAGE_FRAME_HEADER_BYTES]) {
        let mut out = out.as_mut_slice();
        out.put_u32(EMPTY_MESSAGE_SIZE + body_bytes);
        out.put_u32(FrameType::Message as u32);
        out.put_i64(self.timestamp_ns);
        out.put_u16(self.attempts);
        out.put_slice(&self.id.0);
    }

    /// Reads the head of a message frame: the header and the number of body bytes behind it.
    ///
    /// # Errors
    /// [`FrameError::UnknownType`] if it is no message frame, [`FrameError::TooSmall`] if its size leaves no room for
    /// the header.
    #[inline]
    pub fn parse(frame: &[u8; MESSAGE_FRAME_HEADER_BYTES]) -> Result<(Self, u32), FrameError> {
        let (size, rest) = split_u32(frame).ok_or(FrameError::TooSmall { size: 0 })?;
        let (frame_type, data) = split_u32(rest).ok_or(FrameError::TooSmall { size })?;
        if frame_type != FrameType::Message as u32 {
            return Err(FrameError::UnknownType { frame_type });
        }
        let body_bytes = size.checked_sub(EMPTY_MESSAGE_SIZE).ok_or(FrameError::TooSmall { size })?;
        let (header, _) = Self::split_from(data).ok_or(FrameError::TooSmall { size })?;
        Ok((header, body_bytes))
    }

    fn split_from(data: &[u8]) -> Option<(Self, &[u8])> {
        let (timestamp, rest) = data.split_first_chunk()?;
        let (attempts, rest) = rest.split_first_chunk()?;
        let (id, body) = rest.split_first_chunk()?;
        let header = Self {
            timestamp_ns: i64::from_be_bytes(*timestamp),
            attempts: u16::from_be_bytes(*attempts),
            id: MessageId(*id),
        };
        Some((header, body))
    }
}

/// A frame as a client receives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The answer to a command, or [`HEARTBEAT`].
    Response(&'a [u8]),
    /// A code and a text; see [`ErrorCode::of`](crate::ErrorCode::of).
    Error(&'a [u8]),
    /// A message.
    Message {
        /// Timestamp, attempts, id.
        header: MessageHeader,
        /// At least one byte from an NSQ server, but that is not checked.
        body: &'a [u8],
    },
}

/// Why bytes are no frame. The stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than the reader is willing to hold.
    #[error("frame of {size} bytes is over the limit of {limit}; raise the limit or check the peer")]
    TooBig {
        /// Bytes after the size field.
        size: u32,
        /// The caller's limit for them.
        limit: u32,
    },
    /// Less than its type needs.
    #[error("frame of {size} bytes is too small for its type; check the peer")]
    TooSmall {
        /// Bytes after the size field.
        size: u32,
    },
    /// Not a type that the reader expects.
    #[error("frame type {frame_type} is not expected here; check the peer")]
    UnknownType {
        /// The type as read.
        frame_type: u32,
    },
}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `buf`, and how many bytes it took; `None` while it is incomplete.
    ///
    /// # Errors
    /// [`FrameError`], as early as the prefix shows it; a size above `max_bytes` before its bytes arrive.
    pub fn decode(buf: &'a [u8], max_bytes: u32) -> Result<Option<(Self, usize)>, FrameError> {
        let Some((size, rest)) = split_u32(buf) else { return Ok(None) };
        if size < 4 {
            return Err(FrameError::TooSmall { size });
        }
        if size > max_bytes {
            return Err(FrameError::TooBig { size, limit: max_bytes });
        }
        let Some((content, _)) = rest.split_at_checked(size as usize) else { return Ok(None) };
        let (frame_type, data) = split_u32(content).ok_or(FrameError::TooSmall { size })?;
        let frame = match frame_type {
            0 => Self::Response(data),
            1 => Self::Error(data),
            2 => {
                let (header, body) = MessageHeader::split_from(data).ok_or(FrameError::TooSmall { size })?;
                Self::Message { header, body }
            }
            _ => return Err(FrameError::UnknownType { frame_type }),
        };
        Ok(Some((frame, 4 + size as usize)))
    }

    /// Appends the frame's bytes, which [`Frame::decode`] reads back.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Response(data) => put_frame(out, FrameType::Response, data),
            Self::Error(text) => put_frame(out, FrameType::Error, text),
            Self::Message { header, body } => put_message(out, header, body),
        }
    }
}

#[inline]
fn split_u32(buf: &[u8]) -> Option<(u32, &[u8])> {
    let (field, rest) = buf.split_first_chunk()?;
    Some((u32::from_be_bytes(*field), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HELLO: &[u8] =
        b"\x00\x00\x00\x23\x00\x00\x00\x02\x18\xe9\xdc\xf7\x82\x42\x37\x2c\x00\x0118a2509d75005000hello";

    #[test]
    fn ready_made_frames_are_the_recorded_ones() {
        assert_eq!(OK_FRAME, *b"\0\0\0\x06\0\0\0\0OK");
        assert_eq!(HEARTBEAT_FRAME, *b"\0\0\0\x0f\0\0\0\0_heartbeat_");
        assert_eq!(CLOSE_WAIT_FRAME, *b"\0\0\0\x0e\0\0\0\0CLOSE_WAIT");
    }

    #[test]
    fn the_recorded_message_is_written_and_read() {
        let header = MessageHeader {
            timestamp_ns: 0x18e9_dcf7_8242_372c,
            attempts: 1,
            id: MessageId(*b"18a2509d75005000"),
        };
        let mut out = BytesMut::new();
        put_message(&mut out, &header, b"hello");
        assert_eq!(out, HELLO);
        assert_eq!(
            Frame::decode(HELLO, 1000),
            Ok(Some((Frame::Message { header, body: b"hello" }, HELLO.len())))
        );
        assert_eq!(MessageHeader::parse(HELLO.first_chunk().unwrap()), Ok((header, 5)));
        assert_eq!(HELLO[TIMESTAMP_OFFSET..ATTEMPTS_OFFSET], header.timestamp_ns.to_be_bytes());
        assert_eq!(HELLO[ATTEMPTS_OFFSET..ID_OFFSET], header.attempts.to_be_bytes());
        assert_eq!(HELLO[ID_OFFSET..MESSAGE_FRAME_HEADER_BYTES], header.id.0);
    }

    #[test]
    fn a_bad_magic_is_answered_as_recorded() {
        let mut out = BytesMut::new();
        put_error(&mut out, &ProtocolError::BadMagic);
        assert_eq!(&out[..], b"\0\0\0\x12\0\0\0\x01E_BAD_PROTOCOL");
    }

    #[test]
    fn frames_that_cannot_be_are_refused_by_their_prefix() {
        assert_eq!(Frame::decode(b"\0\0\0\x03", 100), Err(FrameError::TooSmall { size: 3 }));
        assert_eq!(Frame::decode(b"\0\0\0\x65", 100), Err(FrameError::TooBig { size: 101, limit: 100 }));
        assert_eq!(
            Frame::decode(b"\0\0\0\x04\0\0\0\x03", 100),
            Err(FrameError::UnknownType { frame_type: 3 })
        );
        assert_eq!(Frame::decode(b"\0\0\0\x05\0\0\0\x02x", 100), Err(FrameError::TooSmall { size: 5 }));
        let mut head = *HELLO.first_chunk::<34>().unwrap();
        head[3] = 29;
        assert_eq!(MessageHeader::parse(&head), Err(FrameError::TooSmall { size: 29 }));
        head[7] = 0;
        assert_eq!(MessageHeader::parse(&head), Err(FrameError::UnknownType { frame_type: 0 }));
    }

    proptest! {
        #[test]
        fn frames_survive_the_round_trip_and_any_cut(
            kind in 0..3, data in prop::collection::vec(any::<u8>(), 0..100),
            timestamp_ns: i64, attempts: u16, id: [u8; 16],
        ) {
            let header = MessageHeader { timestamp_ns, attempts, id: MessageId(id) };
            let frame = match kind {
                0 => Frame::Response(&data),
                1 => Frame::Error(&data),
                _ => Frame::Message { header, body: &data },
            };
            let mut out = BytesMut::new();
            frame.encode(&mut out);
            for cut in 0..out.len() {
                prop_assert_eq!(Frame::decode(&out[..cut], 1000), Ok(None));
            }
            let bytes = out.len();
            out.put_slice(b"next");
            prop_assert_eq!(Frame::decode(&out, 1000), Ok(Some((frame, bytes))));
        }

        #[test]
        fn arbitrary_bytes_never_panic(buf in prop::collection::vec(any::<u8>(), 0..100), max_bytes: u32) {
            if let Ok(Some((_, bytes))) = Frame::decode(&buf, max_bytes) {
                prop_assert!(FRAME_PREFIX_BYTES <= bytes && bytes <= buf.len());
            }
        }
    }
}

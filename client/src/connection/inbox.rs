//! Bytes that came, and the frames in them.

use std::{io, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use protocol::{FRAME_PREFIX_BYTES, Frame, FrameError, FrameType, MESSAGE_FRAME_HEADER_BYTES, MessageHeader};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

/// Room for a read of a connection that is quiet.
const READ_BYTES_MIN: usize = 4 << 10;
/// Room for a read of a busy one. A message that is held keeps the memory of the read that brought it, so not more.
const READ_BYTES_MAX: usize = 64 << 10;
/// Largest message where the options set no limit.
const MESSAGE_BYTES_MAX: u32 = 128 << 20;
/// Size field of a message frame without body.
const EMPTY_MESSAGE_SIZE: u32 = 30;
const _: () = assert!(EMPTY_MESSAGE_SIZE as usize == MESSAGE_FRAME_HEADER_BYTES - 4);

/// A frame, out of the buffer without a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    Response(Bytes),
    Error(Bytes),
    Message(MessageHeader, Bytes),
}

/// What came and was not yet taken.
#[derive(Debug)]
pub(crate) struct Inbox {
    buffer: BytesMut,
    read_bytes: usize,
    frame_bytes_max: u32,
}

impl Inbox {
    /// Empty. `message_bytes_max` 0 is for 128 MiB.
    pub(crate) fn new(message_bytes_max: u32) -> Self {
        let body_bytes = if message_bytes_max == 0 { MESSAGE_BYTES_MAX } else { message_bytes_max };
        // Answers and errors are texts, which a small limit for messages must not cut.
        let frame_bytes_max = body_bytes.saturating_add(EMPTY_MESSAGE_SIZE).max(64 << 10);
        Self { buffer: BytesMut::new(), read_bytes: READ_BYTES_MIN, frame_bytes_max }
    }

    /// Reads once.
    ///
    /// # Errors
    /// What the stream says, its end, or that nothing came for `limit`.
    pub(crate) async fn fill<R: AsyncRead + Unpin>(
        &mut self,
        stream: &mut R,
        limit: Duration,
    ) -> io::Result<()> {
        let room = self.buffer.capacity() - self.buffer.len();
        if room < self.read_bytes / 2 {
            self.buffer.reserve(self.read_bytes);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let count = match timeout(limit, stream.read_buf(&mut self.buffer)).await {
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "read: i/o timeout")),
            Ok(count) => count?,
        };
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "EOF"));
        }
        if count == room {
            self.read_bytes = (self.read_bytes * 4).min(READ_BYTES_MAX);
        } else if count < self.read_bytes / 8 {
            self.read_bytes = (self.read_bytes / 2).max(READ_BYTES_MIN);
        }
        Ok(())
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// [`FrameError`]: the stream cannot be read any further.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, FrameError> {
        if let Some(message) = self.next_message()? {
            return Ok(Some(message));
        }
        let Some((frame, bytes)) = Frame::decode(&self.buffer, self.frame_bytes_max)? else {
            return Ok(None);
        };
        let is_error = matches!(frame, Frame::Error(_));
        let mut data = self.buffer.split_to(bytes).freeze();
        data.advance(FRAME_PREFIX_BYTES);
        Ok(Some(if is_error { Incoming::Error(data) } else { Incoming::Response(data) }))
    }

    /// The next frame, if it is a message and whole.
    #[inline]
    fn next_message(&mut self) -> Result<Option<Incoming>, FrameError> {
        const TYPE: [u8; 4] = (FrameType::Message as u32).to_be_bytes();
        let Some(head) = self.buffer.first_chunk::<MESSAGE_FRAME_HEADER_BYTES>() else { return Ok(None) };
        let is_message = matches!(head, [_, _, _, _, a, b, c, d, ..] if [*a, *b, *c, *d] == TYPE);
        if !is_message {
            return Ok(None);
        }
        let (header, body_bytes) = MessageHeader::parse(head)?;
        let size = body_bytes + EMPTY_MESSAGE_SIZE;
        if self.frame_bytes_max < size {
            return Err(FrameError::TooBig { size, limit: self.frame_bytes_max });
        }
        if self.buffer.len() < MESSAGE_FRAME_HEADER_BYTES + body_bytes as usize {
            return Ok(None);
        }
        self.buffer.advance(MESSAGE_FRAME_HEADER_BYTES);
        Ok(Some(Incoming::Message(header, self.buffer.split_to(body_bytes as usize).freeze())))
    }

    /// As if these bytes had come.
    #[cfg(test)]
    pub(crate) fn holding(buffer: BytesMut) -> Self {
        Self { buffer, ..Self::new(0) }
    }

    /// Takes what came and was read too far, when a layer is put on the connection.
    pub(super) fn take_rest(&mut self) -> BytesMut {
        std::mem::take(&mut self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::{MessageId, put_message, put_response};

    use super::*;

    fn all(inbox: &mut Inbox) -> Vec<Incoming> {
        std::iter::from_fn(|| inbox.next().unwrap()).collect()
    }

    fn frames() -> impl Strategy<Value = Vec<Incoming>> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
        let header =
            (any::<i64>(), any::<u16>(), any::<[u8; 16]>()).prop_map(|(timestamp_ns, attempts, id)| {
                MessageHeader { timestamp_ns, attempts, id: MessageId(id) }
            });
        let frame = prop_oneof![
            bytes().prop_map(Incoming::Response),
            bytes().prop_map(Incoming::Error),
            (header, bytes()).prop_map(|(header, body)| Incoming::Message(header, body)),
        ];
        prop::collection::vec(frame, 1..10)
    }

    fn encode(frame: &Incoming, out: &mut BytesMut) {
        match frame {
            Incoming::Response(data) => put_response(out, data),
            Incoming::Error(data) => Frame::Error(data).encode(out),
            Incoming::Message(header, body) => put_message(out, header, body),
        }
    }

    proptest! {
        /// Protects: however the stream is cut, the frames are those that were sent.
        #[test]
        fn frames_survive_any_cut(sent in frames(), piece in 1_usize..100) {
            let mut stream = BytesMut::new();
            for frame in &sent {
                encode(frame, &mut stream);
            }
            let mut inbox = Inbox::new(0);
            let mut got = Vec::new();
            for piece in stream.chunks(piece) {
                inbox.buffer.extend_from_slice(piece);
                got.extend(all(&mut inbox));
            }
            prop_assert_eq!(got, sent);
            prop_assert!(inbox.buffer.is_empty());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), start in 0..3_u8) {
            let mut inbox = Inbox::new(1000);
            inbox.buffer.extend_from_slice(&[0, 0, 0, 40, 0, 0, 0, start]);
            inbox.buffer.extend_from_slice(&bytes);
            while let Ok(Some(_)) = inbox.next() {}
        }
    }

    #[test]
    fn sizes_out_of_range_are_refused_before_their_bytes_come() {
        let check = |start: &[u8], text: &str| {
            let mut inbox = Inbox::new(100 << 10);
            inbox.buffer.extend_from_slice(start);
            assert_eq!(inbox.next().unwrap_err().to_string(), text);
        };
        let too_big =
            "frame of 2147483647 bytes is over the limit of 102430; raise the limit or check the peer";
        check(&[0x7f, 0xff, 0xff, 0xff], too_big);
        check(&[&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 2][..], &[0; 30]].concat(), too_big);
        check(&[0, 0, 0, 3], "frame of 3 bytes is too small for its type; check the peer");
        check(
            &[&[0, 0, 0, 12, 0, 0, 0, 2][..], &[0; 30]].concat(),
            "frame of 12 bytes is too small for its type; check the peer",
        );
        check(&[0, 0, 0, 4, 0, 0, 0, 9], "frame type 9 is not expected here; check the peer");
    }
}

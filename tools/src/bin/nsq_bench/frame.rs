//! Frames as they lie in a read buffer.

use anyhow::{Result, bail};

/// Largest frame that is believed; beyond it the stream is garbage.
pub(crate) const FRAME_BYTES_MAX: usize = 128 << 20;

/// A frame of the server, borrowed from the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// `OK`, `_heartbeat_`, `CLOSE_WAIT` or JSON.
    Response(&'a [u8]),
    /// An error code and its text.
    Error(&'a [u8]),
    /// A message; the timestamp is not looked at.
    Message { attempts: u16, id: &'a [u8; 16], body: &'a [u8] },
}

/// What the front of a buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A whole frame and its length in bytes.
    Whole(Frame<'a>, usize),
    /// A part of a frame that is this many bytes long in all (at least, while its size is cut too).
    Cut(usize),
}

/// Parses the frame at the front of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed<'_>> {
    let Some((size, rest)) = bytes.split_first_chunk::<4>() else { return Ok(Parsed::Cut(4)) };
    let size = u32::from_be_bytes(*size) as usize;
    if !(4..=FRAME_BYTES_MAX).contains(&size) {
        bail!("not an NSQ server: frame of {size} bytes");
    }
    let Some(frame) = rest.get(..size) else { return Ok(Parsed::Cut(4 + size)) };
    let Some((kind, data)) = frame.split_first_chunk::<4>() else { bail!("frame without a type") };
    let frame = match u32::from_be_bytes(*kind) {
        0 => Frame::Response(data),
        1 => Frame::Error(data),
        2 => parse_message(data)?,
        kind => bail!("not an NSQ server: frame of unknown type {kind}"),
    };
    Ok(Parsed::Whole(frame, 4 + size))
}

fn parse_message(data: &[u8]) -> Result<Frame<'_>> {
    let split = data.split_first_chunk::<8>().and_then(|(_timestamp, rest)| {
        let (attempts, rest) = rest.split_first_chunk::<2>()?;
        let (id, body) = rest.split_first_chunk::<16>()?;
        Some(Frame::Message { attempts: u16::from_be_bytes(*attempts), id, body })
    });
    let Some(message) = split else { bail!("message frame of only {} bytes", data.len()) };
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"\0\0\0\x06\0\0\0\0OK";

    #[test]
    fn a_message_is_taken_apart() {
        let bytes = b"\0\0\0\x23\0\0\0\x02\x18\xe9\xdc\xf7\x82\x42\x37\x2c\0\x0118a2509d75005000hello";
        let message = Frame::Message { attempts: 1, id: b"18a2509d75005000", body: b"hello" };
        assert_eq!(parse(bytes).unwrap(), Parsed::Whole(message, bytes.len()));
    }

    #[test]
    fn a_cut_at_any_byte_asks_for_more() {
        for cut in 0..OK.len() {
            let needed = if cut < 4 { 4 } else { OK.len() };
            assert_eq!(parse(&OK[..cut]).unwrap(), Parsed::Cut(needed), "cut at {cut}");
        }
        assert_eq!(parse(OK).unwrap(), Parsed::Whole(Frame::Response(b"OK"), OK.len()));
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in
            [&b"HTTP/1.1 400"[..], b"\0\0\0\x03abcdef", b"\0\0\0\x06\0\0\0\x09OK", b"\0\0\0\x06\0\0\0\x02OK"]
        {
            assert!(parse(garbage).is_err(), "{garbage:?}");
        }
    }
}

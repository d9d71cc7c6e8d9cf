//! What nsqlookupd answers: a length and so many bytes, which are `OK`, JSON, or an error's text.

use bytes::{Buf, BufMut, BytesMut};
use serde::{Deserialize, Serialize};

/// What an nsqlookupd says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LookupIdentified {
    /// Where others reach it.
    pub broadcast_address: String,
    /// Of its host.
    pub hostname: String,
    /// Where it takes requests.
    pub http_port: u16,
    /// Where it takes requests over HTTPS; 0, which is not sent, where it does not. Ours: NSQ has no such field.
    #[serde(skip_serializing_if = "is_zero")]
    pub https_port: u16,
    /// Where it takes nsqds.
    pub tcp_port: u16,
    /// Of its software.
    pub version: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(port: &u16) -> bool {
    *port == 0
}

impl LookupIdentified {
    /// The answer to IDENTIFY.
    pub fn to_json(&self) -> String {
        crate::json::to_escaped_json(self)
    }
}

/// Adds an answer to `out`. There is no type of frame, as there is in V2.
///
/// # Panics
/// If the answer has 4 GiB: each is about as long as what it answers, which has a bound.
pub fn put_lookup_answer(out: &mut BytesMut, answer: &[u8]) {
    out.put_u32(u32::try_from(answer.len()).expect("an answer is short"));
    out.put_slice(answer);
}

/// An answer of nsqlookupd is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an answer of {0} bytes is not one")]
pub struct BadLookupAnswer(pub i32);

/// Takes one answer off `input`; `None` while it is incomplete.
///
/// # Errors
/// [`BadLookupAnswer`] if its length is negative or over `max_bytes`.
pub fn take_lookup_answer(
    input: &mut BytesMut,
    max_bytes: usize,
) -> Result<Option<BytesMut>, BadLookupAnswer> {
    let Some(size) = input.first_chunk() else { return Ok(None) };
    let size = i32::from_be_bytes(*size);
    let bytes =
        usize::try_from(size).ok().filter(|bytes| *bytes <= max_bytes).ok_or(BadLookupAnswer(size))?;
    if input.len() < 4 + bytes {
        return Ok(None);
    }
    input.advance(4);
    Ok(Some(input.split_to(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_a_length_that_can_be() {
        let mut input = BytesMut::from(&b"\0\0\0\x02OK\0\0"[..]);
        assert_eq!(take_lookup_answer(&mut input, 10).unwrap().unwrap(), "OK");
        assert_eq!(take_lookup_answer(&mut input, 10), Ok(None));
        input.extend_from_slice(b"\0\x0b");
        assert_eq!(take_lookup_answer(&mut input, 10), Err(BadLookupAnswer(11)));
        let mut negative = BytesMut::from(&b"\xff\xff\xff\xff"[..]);
        assert_eq!(take_lookup_answer(&mut negative, 10), Err(BadLookupAnswer(-1)));
    }

    #[test]
    fn the_recorded_answers_are_sent() {
        let mut out = BytesMut::new();
        put_lookup_answer(&mut out, b"OK");
        put_lookup_answer(&mut out, b"E_BAD_PROTOCOL");
        assert_eq!(out, &b"\0\0\0\x02OK\0\0\0\x0eE_BAD_PROTOCOL"[..]);
        let identified = LookupIdentified {
            broadcast_address: "lookup1.example".into(),
            hostname: "host<1>".into(),
            http_port: 4161,
            https_port: 0,
            tcp_port: 4160,
            version: "1.3.0".into(),
        };
        let json = concat!(
            r#"{"broadcast_address":"lookup1.example","hostname":"host\u003c1\u003e","http_port":4161,"#,
            r#""tcp_port":4160,"version":"1.3.0"}"#
        );
        assert_eq!(identified.to_json(), json);
        let secure = LookupIdentified { https_port: 4162, ..identified };
        assert!(secure.to_json().contains(r#""http_port":4161,"https_port":4162,"tcp_port":4160"#));
    }
}

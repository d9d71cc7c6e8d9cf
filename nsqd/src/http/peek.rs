//! `/channel/peek`: messages of a channel, to look at.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use daemon::http::respond::{self, Refusal, Response};
use serde::Serialize;

use super::parameters::Parameters;
use crate::{
    channel::{Channel, PEEK_OFFSET_MAX, Peeked, Whereabouts},
    nsqd::Nsqd,
};

/// Messages of an answer.
const LIMIT_MAX: usize = 100;
const LIMIT: usize = 20;
/// Of a body, no more is shown.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Of all bodies of an answer.
const BYTES_MAX: usize = 2 << 20;

#[derive(Serialize)]
struct Shown {
    id: String,
    timestamp_ms: i64,
    attempts: u16,
    state: &'static str,
    due_ms: Option<u64>,
    /// Of the whole body.
    size: usize,
    body: String,
    encoding: &'static str,
    is_cut: bool,
}

#[derive(Default, Serialize)]
struct Answer {
    messages: Vec<Shown>,
}

/// What is looked at.
#[derive(Debug)]
pub(super) struct Question {
    channel: Arc<Channel>,
    offset: usize,
    limit: usize,
}

impl Question {
    /// Reads a query.
    ///
    /// # Errors
    /// As the other questions about a channel; `INVALID_ARG_LIMIT`, `INVALID_ARG_OFFSET`.
    pub(super) fn parse(nsqd: &Nsqd, query: &str) -> Result<Self, Refusal> {
        let parameters = Parameters::parse(query)?;
        let (_, channel) = parameters.channel(nsqd)?;
        let number = |name: &str, default: usize, max: usize| {
            let Some(text) = parameters.get(name) else { return Ok(default) };
            let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            number
                .filter(|number| *number <= max)
                .ok_or_else(|| Refusal::bad(&format!("INVALID_ARG_{}", name.to_ascii_uppercase())))
        };
        let limit = number("limit", LIMIT, LIMIT_MAX)?;
        Ok(Self { channel, offset: number("offset", 0, PEEK_OFFSET_MAX)?, limit })
    }

    /// Looks. Takes its time.
    pub(super) fn answer(&self) -> Response {
        let mut answer = Answer::default();
        let mut left = BYTES_MAX;
        self.channel.peek(self.offset, self.limit, |peeked| {
            let shown = Shown::of(peeked);
            left = left.saturating_sub(shown.body.len());
            answer.messages.push(shown);
            left != 0
        });
        respond::json(&answer)
    }
}

impl Shown {
    fn of(peeked: &Peeked<'_>) -> Self {
        let (state, due_unix_ns) = match peeked.whereabouts {
            Whereabouts::Waiting => ("waiting", None),
            Whereabouts::Requeued => ("requeued", None),
            Whereabouts::Deferred(unix_ns) => ("deferred", Some(unix_ns)),
            Whereabouts::InFlight => ("in flight", None),
        };
        let whole = peeked.frame.body();
        let (body, encoding, is_cut) = shown_body(whole);
        Self {
            id: peeked.frame.id().to_string(),
            timestamp_ms: peeked.frame.timestamp_ns() / 1_000_000,
            attempts: peeked.attempts,
            state,
            due_ms: due_unix_ns.map(|unix_ns| unix_ns / 1_000_000),
            size: whole.len(),
            body,
            encoding,
            is_cut,
        }
    }
}

/// The beginning of a body, how it is written, and whether that is not all of it.
fn shown_body(whole: &[u8]) -> (String, &'static str, bool) {
    let part = whole.get(..BODY_BYTES_MAX).unwrap_or(whole);
    let is_cut = part.len() < whole.len();
    let text = match std::str::from_utf8(part) {
        Ok(text) => Some(text),
        // The cut may have gone through a character.
        Err(error) if is_cut && error.error_len().is_none() => {
            part.get(..error.valid_up_to()).and_then(|part| std::str::from_utf8(part).ok())
        }
        Err(_) => None,
    };
    match text {
        Some(text) => (text.to_owned(), "text", is_cut),
        None => (BASE64_STANDARD.encode(part), "base64", is_cut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_text_where_they_can_be() {
        assert_eq!(shown_body(b"one"), ("one".to_owned(), "text", false));
        assert_eq!(shown_body(&[0xff, 0]), ("/wA=".to_owned(), "base64", false));
        assert_eq!(shown_body("ä".as_bytes()), ("ä".to_owned(), "text", false));
        let (text, encoding, is_cut) = shown_body(format!("a{}", "ä".repeat(40_000)).as_bytes());
        assert_eq!((text.len(), encoding, is_cut), (BODY_BYTES_MAX - 1, "text", true));
        let (text, encoding, is_cut) = shown_body(&vec![0xff; 70_000]);
        assert_eq!((text.len(), encoding, is_cut), (BODY_BYTES_MAX.div_ceil(3) * 4, "base64", true));
    }
}

//! A message as a line.

use std::io::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use client::Message;
use serde::Serialize;
use tools::options::nsq_tail::{Format, Options};

/// How lines are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineFormat {
    format: Format,
    print_topic: bool,
}

/// What is written of a message.
#[derive(Debug, Clone, Copy)]
struct Parts<'a> {
    topic: &'a str,
    nsqd: &'a str,
    id: &'a [u8],
    timestamp_ns: i64,
    attempts: u16,
    body: &'a [u8],
}

#[derive(Serialize)]
struct Object<'a> {
    topic: &'a str,
    nsqd: &'a str,
    id: &'a str,
    /// When it was published, in nanoseconds since 1970.
    timestamp: i64,
    attempts: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    /// Of a body that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl LineFormat {
    pub(crate) fn new(options: &Options) -> Self {
        Self { format: options.format, print_topic: options.print_topic }
    }

    /// Appends a message's line.
    pub(crate) fn push(self, out: &mut Vec<u8>, topic: &str, message: &Message) {
        let parts = Parts {
            topic,
            nsqd: message.nsqd_address(),
            id: &message.id.0,
            timestamp_ns: message.timestamp_ns,
            attempts: message.attempts,
            body: &message.body,
        };
        self.push_parts(out, parts);
    }

    fn push_parts(self, out: &mut Vec<u8>, parts: Parts<'_>) {
        if self.print_topic && self.format != Format::Json {
            out.extend_from_slice(parts.topic.as_bytes());
            out.extend_from_slice(b" | ");
        }
        match self.format {
            Format::Text => out.extend_from_slice(parts.body),
            Format::Hex => {
                for byte in parts.body {
                    write!(out, "{byte:02x}").expect("a Vec takes everything");
                }
            }
            Format::Json => push_object(out, parts),
        }
        out.push(b'\n');
    }
}

fn push_object(out: &mut Vec<u8>, parts: Parts<'_>) {
    let body = std::str::from_utf8(parts.body).ok();
    let object = Object {
        topic: parts.topic,
        nsqd: parts.nsqd,
        id: &String::from_utf8_lossy(parts.id),
        timestamp: parts.timestamp_ns,
        attempts: parts.attempts,
        body,
        body_base64: body.is_none().then(|| BASE64_STANDARD.encode(parts.body)),
    };
    serde_json::to_writer(out, &object).expect("texts and numbers become JSON");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: Format, print_topic: bool, body: &[u8], expected: &[u8]) {
        let parts =
            Parts { topic: "t", nsqd: "h:4150", id: b"0123456789abcdef", timestamp_ns: 7, attempts: 2, body };
        let mut out = Vec::new();
        LineFormat { format, print_topic }.push_parts(&mut out, parts);
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(expected));
    }

    #[test]
    fn a_line_in_each_format() {
        check(Format::Text, false, b"a\xff", b"a\xff\n");
        check(Format::Text, true, b"a", b"t | a\n");
        check(Format::Text, false, b"", b"\n");
        check(Format::Hex, false, b"a\x00\xff", b"6100ff\n");
        check(Format::Hex, true, b"a", b"t | 61\n");
        let known = r#"{"topic":"t","nsqd":"h:4150","id":"0123456789abcdef","timestamp":7,"attempts":2,"#;
        check(Format::Json, true, b"a\n\"", format!("{known}\"body\":\"a\\n\\\"\"}}\n").as_bytes());
        check(Format::Json, false, b"\xff", format!("{known}\"body_base64\":\"/w==\"}}\n").as_bytes());
    }
}

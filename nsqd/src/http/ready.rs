//! Answers as bytes, the same that hyper makes of them.

use std::{cell::RefCell, io::Write};

use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};

use super::{
    publish,
    respond::{self, Response},
};

/// The answer to a publish, as it is in this second.
#[derive(Debug, Default)]
struct Ok {
    unix_seconds: u64,
    bytes: Vec<u8>,
}

thread_local! {
    static OK: RefCell<Ok> = RefCell::default();
}

/// Appends the answer to a publish.
pub(super) fn put_ok(unix_seconds: u64, output: &mut Vec<u8>) {
    OK.with_borrow_mut(|ok| {
        if ok.unix_seconds != unix_seconds || ok.bytes.is_empty() {
            ok.unix_seconds = unix_seconds;
            ok.bytes.clear();
            put(respond::text(publish::OK), unix_seconds, &mut ok.bytes);
        }
        output.extend_from_slice(&ok.bytes);
    });
}

/// Appends an answer behind which the connection stays.
#[cold]
pub(super) fn put(response: Response, unix_seconds: u64, output: &mut Vec<u8>) {
    let (head, body) = response.into_parts();
    let body = body.into_whole().unwrap_or_default();
    let reason = head.status.canonical_reason().unwrap_or("<none>");
    put_text(output, format_args!("HTTP/1.1 {} {reason}\r\n", head.status.as_str()));
    for (name, value) in &head.headers {
        put_title(output, name.as_str());
        output.extend_from_slice(b": ");
        output.extend_from_slice(value.as_bytes());
        output.extend_from_slice(b"\r\n");
    }
    let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
    let now = Timestamp::from_second(seconds).unwrap_or_default();
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
    put_text(output, format_args!("Content-Length: {}\r\nDate: {date}\r\n\r\n", body.len()));
    output.extend_from_slice(&body);
}

fn put_text(output: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    output.write_fmt(text).expect("a Vec takes all that is written");
}

/// `x-nsq-content-type` as `X-Nsq-Content-Type`.
fn put_title(output: &mut Vec<u8>, name: &str) {
    let mut is_first = true;
    output.extend(name.bytes().map(|byte| {
        let byte = if is_first { byte.to_ascii_uppercase() } else { byte };
        is_first = byte == b'-';
        byte
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: the form of dates and names, and that an answer is not kept longer than its second.
    #[test]
    fn answers_have_the_date_of_their_second() {
        for (seconds, date) in
            [(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT")]
        {
            let expected = format!(
                "HTTP/1.1 200 OK\r\nX-Nsq-Content-Type: nsq; version=1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Content-Length: 2\r\nDate: {date}\r\n\r\nOK"
            );
            let mut output = b"before".to_vec();
            put_ok(seconds, &mut output);
            assert_eq!(output, [b"before", expected.as_bytes()].concat());
        }
    }
}

//! The one request that is sent a million times, as it lies in a buffer: a `POST /pub?…` with a body of known length, and
//! nothing in its head that asks for more than that.

use httparse::{EMPTY_HEADER, Header, Status};

/// Headers of a plain publish: what clients send is far below.
const HEADERS_MAX: usize = 24;
/// Bytes of the head of a plain publish.
const HEAD_BYTES_MAX: usize = 4 << 10;
/// Bytes of its head and body.
pub(super) const BYTES_MAX: usize = 64 << 10;
const START: &[u8] = b"POST /pub?";

/// A plain publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlainPublish<'a> {
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
    /// Of the whole request.
    pub(super) bytes: usize,
}

/// What a buffer begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Whole(PlainPublish<'a>),
    /// Perhaps a plain publish: what there is of its head is one's.
    Head,
    /// Its head; the body is not there in full.
    Body,
    /// Anything else, right or wrong.
    Other,
}

impl<'a> Found<'a> {
    /// Reads what `input` begins with. A body over `body_bytes_max` is not plain.
    pub(super) fn of(input: &'a [u8], body_bytes_max: usize) -> Self {
        let start = input.get(..START.len()).unwrap_or(input);
        if !START.starts_with(start) {
            return Self::Other;
        }
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let head_bytes = match request.parse(input) {
            Ok(Status::Complete(bytes)) if bytes <= HEAD_BYTES_MAX => bytes,
            Ok(Status::Partial) if input.len() < HEAD_BYTES_MAX => return Self::Head,
            _ => return Self::Other,
        };
        let query = request.path.and_then(|path| path.strip_prefix("/pub?"));
        let (Some(query), Some(1), Some(length)) = (query, request.version, plain_length(request.headers))
        else {
            return Self::Other;
        };
        let bytes = head_bytes + length;
        if body_bytes_max < length || BYTES_MAX < bytes || !query.bytes().all(is_plain) {
            return Self::Other;
        }
        match input.get(head_bytes..bytes) {
            Some(body) => Self::Whole(PlainPublish { query, body, bytes }),
            None => Self::Body,
        }
    }
}

/// The length of the body, if it is given once, and a host, too, and no header changes how the request is answered.
fn plain_length(headers: &[Header<'_>]) -> Option<usize> {
    let (mut length, mut hosts) = (None, 0);
    for Header { name, value } in headers {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let is_other = match name.len() {
            4 if is("host") => {
                hosts += 1;
                false
            }
            14 if is("content-length") => length.replace(number(value)?).is_some(),
            10 if is("connection") => !value.eq_ignore_ascii_case(b"keep-alive"),
            6 => is("expect"),
            7 => is("upgrade"),
            17 => is("transfer-encoding"),
            _ => false,
        };
        if is_other {
            return None;
        }
    }
    length.filter(|_| hosts == 1)
}

/// A number of few digits, and nothing but digits.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || 9 < digits.len() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

/// What every reader of URLs takes for a part of a query.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'=' | b'&' | b'-' | b'.' | b'_' | b'%' | b'+' | b'~' | b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    fn check(headers: &str, body: &str, expected: Option<&str>) {
        let request = format!("POST /pub?topic=t&a=%2B;+ HTTP/1.1\r\n{headers}\r\n{body}GET");
        let Found::Whole(found) = Found::of(request.as_bytes(), LIMIT) else {
            assert_eq!(expected, None, "{request}");
            return;
        };
        assert_eq!(Some(found.body), expected.map(str::as_bytes), "{request}");
        assert_eq!((found.query, found.bytes), ("topic=t&a=%2B;+", request.len() - 3), "{request}");
    }

    /// Protects: only what nobody can read in two ways is taken here; hyper has the rest.
    #[test]
    fn a_plain_publish_has_one_length_and_one_host() {
        check("Host: a\r\nContent-Length: 3\r\n", "abc", Some("abc"));
        check("A: b\r\nhost:a\r\nCONTENT-LENGTH:0\r\nConnection: Keep-Alive\r\n", "", Some(""));
        for headers in [
            "",
            "Host: a\r\n",
            "Content-Length: 3\r\n",
            "Host: a\r\nHost: a\r\nContent-Length: 3\r\n",
            "Host: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
            "Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n",
            "Host: a\r\nContent-Length: +3\r\n",
            "Host: a\r\nContent-Length: \r\n",
            "Host: a\r\nContent-Length: 3,3\r\n",
            "Host: a\r\nContent-Length: 1001\r\n",
            "Host: a\r\nContent-Length: 18446744073709551619\r\n",
            "Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Host: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n",
            "Host: a\r\nContent-Length: 3\r\nUpgrade: h2c\r\n",
            "Host: a\r\nContent-Length: 3\r\nConnection: close\r\n",
            "Host: a\r\nContent-Length: 3\r\nConnection: keep-alive, upgrade\r\n",
        ] {
            check(headers, "abc", None);
        }
    }

    /// Protects: a request may be cut anywhere; and what cannot become a plain publish is not waited for.
    #[test]
    fn a_cut_publish_is_awaited() {
        let request = b"POST /pub?topic=t HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..request.len() {
            let expected = if cut < request.len() - 3 { Found::Head } else { Found::Body };
            assert_eq!(Found::of(&request[..cut], LIMIT), expected, "{cut}");
        }
        for other in
            ["GET", "POST /mpub?", "POST /pub ", "\r\nPOST /pub?", "POST /pub?topic=t HTTP/1.0\r\n\r\n"]
        {
            assert_eq!(Found::of(other.as_bytes(), LIMIT), Found::Other, "{other}");
        }
        let endless = [&request[..40], &[b'x'; HEAD_BYTES_MAX]].concat();
        assert_eq!(Found::of(&endless, LIMIT), Found::Other);
    }
}

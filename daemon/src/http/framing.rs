//! Where requests lie in what a peer sends. hyper answers them, but does not tell when a head begins, nor that a request
//! came with two lengths.

/// Of a line, no more is kept than tells what it says of the body.
const LINE_BYTES_MAX: usize = 64;

/// Follows a stream of requests. Of what is no HTTP it makes something or other: hyper ends such a connection.
#[derive(Debug, Default)]
pub(super) struct Framing {
    part: Part,
    /// The start of the line that is being read, without blanks behind colons.
    line: Vec<u8>,
    length: Option<u64>,
    is_chunked: bool,
    is_ambiguous: bool,
    heads: u64,
    ambiguous_head: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Before the first byte of a request.
    #[default]
    Start,
    Head,
    /// Of known length.
    Body(u64),
    ChunkSize,
    /// With the end of line behind it.
    Chunk(u64),
    Trailers,
}

impl Framing {
    /// Takes what came next.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) {
        while let Some((first, behind)) = bytes.split_first() {
            if let Part::Body(left) | Part::Chunk(left) = &mut self.part {
                let taken = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= taken as u64;
                let is_done = *left == 0;
                bytes = bytes.get(taken..).unwrap_or_default();
                if is_done {
                    let is_chunk = matches!(self.part, Part::Chunk(_));
                    self.part = if is_chunk { Part::ChunkSize } else { Part::Start };
                }
                continue;
            }
            bytes = behind;
            if *first == b'\n' {
                self.end_line();
            } else {
                self.push(*first);
            }
        }
    }

    /// A request has begun whose head is not complete.
    pub(super) fn is_in_head(&self) -> bool {
        self.part == Part::Head
    }

    /// Which head, counted from 1, was the first that gives its body two lengths: whoever stands between may have taken
    /// the other one, and part of the body for a request.
    pub(super) fn ambiguous_head(&self) -> Option<u64> {
        self.ambiguous_head
    }

    fn push(&mut self, byte: u8) {
        if self.part == Part::Start && byte != b'\r' {
            self.part = Part::Head;
        }
        let is_blank = matches!(byte, b' ' | b'\t') && self.line.last() == Some(&b':');
        if self.line.len() < LINE_BYTES_MAX && !is_blank && byte != b'\r' {
            self.line.push(byte);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        match self.part {
            Part::Head if line.is_empty() => self.end_head(),
            Part::Head => self.header(&line),
            Part::ChunkSize => {
                let digits = line.iter().map_while(|byte| char::from(*byte).to_digit(16));
                let size = digits.fold(0_u64, |size, digit| size.saturating_mul(16) + u64::from(digit));
                self.part = if size == 0 { Part::Trailers } else { Part::Chunk(size.saturating_add(2)) };
            }
            Part::Trailers if line.is_empty() => self.part = Part::Start,
            _ => {}
        }
        self.line = line;
        self.line.clear();
    }

    fn header(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let digits = value.get(1..).unwrap_or_default().trim_ascii_end();
            let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            self.is_ambiguous |= line.len() == LINE_BYTES_MAX;
            self.length = Some(length.unwrap_or(0));
        }
    }

    fn end_head(&mut self) {
        self.heads += 1;
        let is_ambiguous = std::mem::take(&mut self.is_ambiguous);
        let length = self.length.take();
        let is_chunked = std::mem::take(&mut self.is_chunked);
        if self.ambiguous_head.is_none() && (is_ambiguous || is_chunked && length.is_some()) {
            self.ambiguous_head = Some(self.heads);
        }
        self.part = match length {
            _ if is_chunked => Part::ChunkSize,
            None | Some(0) => Part::Start,
            Some(length) => Part::Body(length),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In whatever pieces a stream comes: how many heads it has, which is the first ambiguous one, and whether it ends
    /// within one.
    fn check(stream: &str, heads: u64, ambiguous_head: Option<u64>, is_in_head: bool) {
        for size in 1..=stream.len() {
            let mut framing = Framing::default();
            stream.as_bytes().chunks(size).for_each(|piece| framing.advance(piece));
            let seen = (framing.heads, framing.ambiguous_head(), framing.is_in_head());
            assert_eq!(seen, (heads, ambiguous_head, is_in_head), "{stream:?} in pieces of {size}");
        }
    }

    /// Protects: bodies are not taken for heads, with whatever length they come.
    #[test]
    fn requests_are_told_apart() {
        check("GET /ping HTTP/1.1\r\n\r\n", 1, None, false);
        check("\r\n\r\n", 0, None, false);
        check("\r\nGET /ping HTTP/1.1\r\n", 0, None, true);
        check("GET / HTTP/1.1\n\nGET / HTTP/1.1\n\nG", 2, None, true);
        check(
            "POST / HTTP/1.1\r\ncontent-length:\t 5 \r\n\r\nG\n\r\n\nGET / HTTP/1.1\r\n\r\n",
            2,
            None,
            false,
        );
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1f;a=b\r\nGET / HTTP/1.1\r\n\r\n0123456789abc\r\n\
             3\r\n\n\n\n\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            2,
            None,
            false,
        );
    }

    /// Protects: two lengths are seen in either order, in any request, and only there.
    #[test]
    fn two_lengths_are_ambiguous() {
        let of = |headers: &str| format!("POST / HTTP/1.1\r\n{headers}\r\n0\r\n\r\n");
        check(&of("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 1, Some(1), false);
        check(&of("transfer-encoding:chunked\r\nCONTENT-LENGTH: 0\r\n"), 1, Some(1), false);
        let second =
            format!("GET / HTTP/1.1\r\n\r\n{}", of("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"));
        check(&second, 2, Some(2), false);
        check(&of("Transfer-Encoding: chunked\r\nX: Content-Length: 5\r\n"), 1, None, false);
        // Longer than what is kept of a line; blanks are not.
        check(&of(&format!("Content-Length: {}5\r\n", "0".repeat(100))), 2, Some(1), false);
        check(&of(&format!("Content-Length: {}5\r\n", " ".repeat(100))), 1, None, false);
    }
}

//! Finds command lines in what has arrived.

/// Longest command line, its `\n` included.
pub const MAX_LINE_BYTES: usize = 16 * 1024;

/// What the start of a buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineStatus<'a> {
    /// No whole line yet.
    Incomplete,
    /// No end within [`MAX_LINE_BYTES`]: close the connection.
    TooLong,
    /// A line.
    Line {
        /// Without its `\n` and one `\r` before that.
        line: &'a [u8],
        /// Bytes up to and with the `\n`.
        consumed: usize,
    },
}

/// The first line of `buf`.
#[inline]
pub fn next_line(buf: &[u8]) -> LineStatus<'_> {
    let window = buf.get(..MAX_LINE_BYTES).unwrap_or(buf);
    let found = memchr::memchr(b'\n', window).and_then(|end| window.get(..end));
    match found {
        Some(line) => {
            LineStatus::Line { line: line.strip_suffix(b"\r").unwrap_or(line), consumed: line.len() + 1 }
        }
        None if window.len() == MAX_LINE_BYTES => LineStatus::TooLong,
        None => LineStatus::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_carriage_return_is_dropped() {
        assert_eq!(next_line(b"NOP\nx"), LineStatus::Line { line: b"NOP", consumed: 4 });
        assert_eq!(next_line(b"NOP\r\n"), LineStatus::Line { line: b"NOP", consumed: 5 });
        assert_eq!(next_line(b"NOP\r\r\n"), LineStatus::Line { line: b"NOP\r", consumed: 6 });
        assert_eq!(next_line(b"\n"), LineStatus::Line { line: b"", consumed: 1 });
        assert_eq!(next_line(b""), LineStatus::Incomplete);
        assert_eq!(next_line(b"PUB"), LineStatus::Incomplete);
    }

    #[test]
    fn a_line_has_at_most_16384_bytes() {
        let mut buf = vec![b'a'; MAX_LINE_BYTES - 1];
        assert_eq!(next_line(&buf), LineStatus::Incomplete);
        buf.push(b'\n');
        assert_eq!(
            next_line(&buf),
            LineStatus::Line { line: &buf[..MAX_LINE_BYTES - 1], consumed: MAX_LINE_BYTES }
        );
        buf.insert(0, b'a');
        assert_eq!(next_line(&buf), LineStatus::TooLong);
        buf.pop();
        assert_eq!(next_line(&buf), LineStatus::TooLong);
    }
}

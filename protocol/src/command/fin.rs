//! The commonest line, recognised without looking for its end.

use crate::MessageId;

const LINE_BYTES: usize = 4 + MessageId::BYTES + 1;

/// Recognises `FIN <16 bytes>\n` at the start of `buf`: the id and the bytes consumed.
///
/// `None` says nothing: the line may be incomplete, unusual (`\r`, surplus parameters, odd bytes) or another; then
/// [`next_line`](crate::next_line) decides. What is recognised here means the same there.
#[inline]
pub fn parse_fin_fast(buf: &[u8]) -> Option<(MessageId, usize)> {
    let line: &[u8; LINE_BYTES] = buf.first_chunk()?;
    let [b'F', b'I', b'N', b' ', id @ .., b'\n'] = line else { return None };
    let id = MessageId(*id);
    if has_blank_or_control(id.as_u128()) { None } else { Some((id, LINE_BYTES)) }
}

/// Whether any of the 16 bytes is 0x20 or less, which could end the parameter or the line.
#[inline]
const fn has_blank_or_control(bytes: u128) -> bool {
    const ONES: u128 = u128::MAX / 0xff;
    // A byte below 0x21 borrows its high bit, unless it had one; borrows from lower bytes only follow such a byte.
    bytes.wrapping_sub(ONES * 0x21) & !bytes & (ONES * 0x80) != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{CommandLine, LineStatus, Verb, next_line};

    #[test]
    fn a_plain_fin_is_recognised() {
        let id = MessageId(*b"0123456789abcdef");
        assert_eq!(parse_fin_fast(b"FIN 0123456789abcdef\nFIN"), Some((id, 21)));
    }

    #[test]
    fn lines_that_need_a_closer_look_are_left() {
        for line in [
            b"FIN 0123456789abcdef".as_slice(),
            b"FIN 0123456789abcdef\r\n",
            b"FIN 0123456789abcdef x\n",
            b"FIN 0123456789abcde\r\n",
            b"FIN 01234567 9abcdef\n",
            b"FIN 01234567\n9abcdef\n",
            b"REQ 0123456789abcdef\n",
        ] {
            assert_eq!(parse_fin_fast(line), None, "{}", line.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn both_ways_agree(id in prop::collection::vec(prop_oneof![any::<u8>(), 0x1f..0x23_u8], 16)) {
            let line = [b"FIN ", id.as_slice(), b"\n"].concat();
            let is_plain = id.iter().all(|&byte| byte > b' ');
            let fast = parse_fin_fast(&line);
            prop_assert_eq!(fast.is_some(), is_plain);
            if let Some((id, consumed)) = fast {
                let LineStatus::Line { line, consumed: slow } = next_line(&line) else { panic!("a whole line") };
                let line = CommandLine::parse(line);
                prop_assert_eq!((line.verb(), line.fin_id(), slow), (Some(Verb::Fin), Ok(id), consumed));
            }
        }
    }
}

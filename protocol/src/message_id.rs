//! Message ids as the wire shows them: 16 bytes, by custom lower-case hex.

use std::fmt;

/// The id of a message: 16 bytes, opaque to clients and unique within its topic only.
///
/// nsqd issues lower-case hex ([`MessageId::from_u64`]), for which byte order is the order of the numbers. Clients may
/// send any 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

impl MessageId {
    /// Bytes of an id.
    pub const BYTES: usize = 16;

    /// `number` as 16 lower-case hex digits. No table, no branch: 8 digits at a time in one register.
    #[inline]
    pub const fn from_u64(number: u64) -> Self {
        let high = (hex_digits((number >> 32) as u32) as u128) << 64;
        let low = hex_digits((number & 0xffff_ffff) as u32) as u128;
        Self((high | low).to_be_bytes())
    }

    /// The number that [`MessageId::from_u64`] made the id of, or `None` if the bytes are anything else.
    #[inline]
    pub const fn to_u64(self) -> Option<u64> {
        let all = self.as_u128();
        let [high, low] = halves(all);
        let number = ((hex_value(high) as u64) << 32) | hex_value(low) as u64;
        if Self::from_u64(number).as_u128() == all { Some(number) } else { None }
    }

    /// The bytes as one big-endian number, whose order is that of the ids: one comparison instead of 16.
    #[inline]
    pub const fn as_u128(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The 16 bytes.
    #[inline]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id in `bytes`, if they are 16.
    #[inline]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        <[u8; 16]>::try_from(bytes).ok().map(Self)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// The 8 hex digits of `number`, the first in the highest byte.
#[inline]
const fn hex_digits(number: u32) -> u64 {
    let spread = number as u64;
    let spread = (spread | (spread << 16)) & 0x0000_ffff_0000_ffff;
    let spread = (spread | (spread << 8)) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (spread | (spread << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    // 6 carries a nibble above 9 into the high half of its byte.
    let letters = ((nibbles + ONES * 6) >> 4) & ONES;
    nibbles + ONES * b'0' as u64 + letters * (b'a' - b'0' - 10) as u64
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "cutting it in two is the purpose")]
const fn halves(digits: u128) -> [u64; 2] {
    [(digits >> 64) as u64, digits as u64]
}

/// The inverse of [`hex_digits`]; any number if a byte is no digit.
#[inline]
const fn hex_value(digits: u64) -> u32 {
    let letters = (digits >> 6) & ONES;
    let nibbles = (digits & (ONES * 0x0f)).wrapping_add(letters * 9) & (ONES * 0x0f);
    let pairs = (nibbles | (nibbles >> 4)) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
    ((quads | (quads >> 16)) & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_recorded_id_reads_as_its_number() {
        let id = MessageId(*b"18a2509d75005000");
        assert_eq!(id.to_u64(), Some(0x18a2_509d_7500_5000));
        assert_eq!(MessageId::from_u64(0x18a2_509d_7500_5000), id);
    }

    #[test]
    fn other_bytes_are_no_number() {
        for bytes in
            [b"18A2509D75005000", b"18a2509d7500500g", b"                ", b"0x18a2509d750050", &[0xff; 16]]
        {
            assert_eq!(MessageId(*bytes).to_u64(), None);
        }
        for byte in 0..=u8::MAX {
            let mut bytes = *b"0000000000000000";
            bytes[15] = byte;
            let is_digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            assert_eq!(MessageId(bytes).to_u64().is_some(), is_digit, "{byte}");
        }
    }

    proptest! {
        #[test]
        fn numbers_survive_the_round_trip(number: u64) {
            let id = MessageId::from_u64(number);
            prop_assert_eq!(id.to_string(), format!("{number:016x}"));
            prop_assert_eq!(id.to_u64(), Some(number));
        }

        #[test]
        fn ids_order_as_their_numbers(a: u64, b: u64) {
            let (x, y) = (MessageId::from_u64(a), MessageId::from_u64(b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.as_u128().cmp(&y.as_u128()), a.cmp(&b));
        }
    }
}

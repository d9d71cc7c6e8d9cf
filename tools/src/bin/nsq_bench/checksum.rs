//! Proof that each message arrived once: an order-free sum over the numbers that bodies carry.

/// Bytes at the front of a body that hold its number, when the body is large enough.
pub(crate) const NUMBER_BYTES: usize = 8;

/// Count and sum of the messages seen. Equal tallies mean, up to a chance of 2^-64, equal sets of messages.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Messages.
    pub(crate) count: u64,
    sum: u64,
}

impl Tally {
    /// Counts one message. A body too short for a number adds to the count alone.
    pub(crate) fn add(&mut self, body: &[u8]) {
        self.count += 1;
        if let Some(number) = body.first_chunk::<NUMBER_BYTES>() {
            self.sum = self.sum.wrapping_add(scramble(u64::from_be_bytes(*number)));
        }
    }

    /// Joins the tally of another connection.
    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// What a publisher's messages add up to: `count` numbers from `first` on.
    pub(crate) fn of_published(first: u64, count: u64, body_bytes: usize) -> Self {
        let mut tally = Self { count, sum: 0 };
        if body_bytes >= NUMBER_BYTES {
            tally.sum = (first..first + count).fold(0, |sum, number| sum.wrapping_add(scramble(number)));
        }
        tally
    }
}

/// First number of a connection: its index over 40 bits of message count.
pub(crate) fn first_number(connection_index: usize) -> u64 {
    (connection_index as u64) << 40
}

/// A bijection without structure (the finisher of the `SplitMix64` generator), so that two wrong numbers do not
/// cancel out as they would in a plain sum.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(numbers: &[u64]) -> Tally {
        let mut tally = Tally::default();
        for number in numbers {
            tally.add(&number.to_be_bytes());
        }
        tally
    }

    #[test]
    fn order_does_not_matter() {
        assert_eq!(tally(&[3, 0, 2, 1]), Tally::of_published(0, 4, 200));
    }

    #[test]
    fn a_duplicate_in_place_of_a_missing_message_is_seen() {
        assert_ne!(tally(&[0, 1, 1, 3]), Tally::of_published(0, 4, 200));
        assert_ne!(tally(&[0, 2, 2, 2]), tally(&[1, 1, 2, 2]));
    }

    #[test]
    fn connections_add_up() {
        let mut both = Tally::of_published(first_number(0), 2, 8);
        both.merge(Tally::of_published(first_number(1), 1, 8));
        assert_eq!(tally(&[1 << 40, 1, 0]), both);
    }

    #[test]
    fn short_bodies_are_only_counted() {
        let mut short = Tally::default();
        short.add(b"x");
        assert_eq!(short, Tally::of_published(0, 1, 1));
    }
}

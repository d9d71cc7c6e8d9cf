//! A channel on the disk: what it has acknowledged, and what waits with which deadline and attempts.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crc32c::crc32c;

use super::{
    state::{Deferred, Pending},
    window::Window,
};
use crate::fault;

/// Persisted; never reuse.
const MAGIC: [u8; 8] = *b"nsqrschn";
/// Persisted; never reuse.
const VERSION: u64 = 1;
/// Persisted; never reuse a bit.
const PAUSED: u64 = 1;

/// What is kept of a channel over a restart. Little-endian words:
///
/// ```text
/// magic "nsqrschn" | version | flags (1 = paused) | low-water mark | cursor
/// number of bit words   | bits from the low-water mark, rounded down to a multiple of 64, on
/// number of skipped     | (from, to) each: ranges ahead of the cursor that are not delivered
/// number of requeued    | (seq, attempts) each
/// number of deferred    | (deadline, unix ns; seq; attempts) each
/// CRC-32C of all before
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) paused: bool,
    pub(crate) window: Window,
    pub(crate) cursor: u64,
    pub(crate) skipped: Vec<(u64, u64)>,
    pub(crate) requeued: Vec<Pending>,
    pub(crate) deferred: Vec<Deferred>,
}

impl Checkpoint {
    /// Of a channel that begins at `seq`.
    pub(crate) fn at(seq: u64, paused: bool) -> Self {
        let (skipped, requeued, deferred) = (Vec::new(), Vec::new(), Vec::new());
        Self { paused, window: Window::new(seq), cursor: seq, skipped, requeued, deferred }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let words = self.window.words();
        let bytes = 8
            * (10 + words.len() + 2 * self.skipped.len() + 2 * self.requeued.len() + 3 * self.deferred.len());
        let mut out = Vec::with_capacity(bytes);
        let mut put = |word: u64| out.extend_from_slice(&word.to_le_bytes());
        put(u64::from_le_bytes(MAGIC));
        put(VERSION);
        put(if self.paused { PAUSED } else { 0 });
        put(self.window.low_water());
        put(self.cursor);
        put(words.len() as u64);
        words.for_each(&mut put);
        put(self.skipped.len() as u64);
        for (from, to) in &self.skipped {
            put(*from);
            put(*to);
        }
        put(self.requeued.len() as u64);
        for pending in &self.requeued {
            put(pending.seq);
            put(u64::from(pending.attempts));
        }
        put(self.deferred.len() as u64);
        for deferred in &self.deferred {
            put(deferred.deadline_unix_ns);
            put(deferred.seq);
            put(u64::from(deferred.attempts));
        }
        let crc = crc32c(&out);
        out.extend_from_slice(&u64::from(crc).to_le_bytes());
        out
    }

    /// `None` if the bytes are damaged or of another version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (checked, crc) = bytes.split_last_chunk()?;
        if u64::from_le_bytes(*crc) != u64::from(crc32c(checked)) {
            return None;
        }
        let (words, []) = checked.as_chunks::<8>() else { return None };
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        if words.next()?.to_le_bytes() != MAGIC || words.next()? != VERSION {
            return None;
        }
        let paused = words.next()? & PAUSED != 0;
        let low_water = words.next()?;
        let cursor = words.next()?;
        // A count that lies runs out of words; nothing is allocated by it.
        let mut list = |each: usize| -> Option<Vec<u64>> {
            let count = usize::try_from(words.next()?).ok()?.checked_mul(each)?;
            let list: Vec<u64> = words.by_ref().take(count).collect();
            (list.len() == count).then_some(list)
        };
        let window = Window::from_parts(low_water, list(1)?);
        let skipped = list(2)?.as_chunks().0.iter().map(|[from, to]| (*from, *to)).collect();
        let attempts = |word: u64| u16::try_from(word).unwrap_or(u16::MAX);
        let requeued = list(2)?;
        let requeued = requeued
            .as_chunks()
            .0
            .iter()
            .map(|[seq, tries]| Pending { seq: *seq, attempts: attempts(*tries) });
        let requeued = requeued.collect();
        let deferred = list(3)?;
        let deferred = deferred.as_chunks().0.iter().map(|[deadline, seq, tries]| Deferred {
            deadline_unix_ns: *deadline,
            seq: *seq,
            attempts: attempts(*tries),
        });
        let deferred = deferred.collect();
        words.next().is_none().then_some(Self { paused, window, cursor, skipped, requeued, deferred })
    }
}

/// Replaces `path` by `bytes`, all or nothing. With `sync`, it is on the disk when the call returns.
///
/// # Errors
/// The old file is as it was.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    fault::at_file(path, "create")?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    fault::write_all(path, &mut file, bytes)?;
    fault::at_file(path, "written")?;
    if sync {
        file.sync_data()?;
    }
    fault::at_file(path, "rename")?;
    fs::rename(&temporary, path)?;
    fault::at_file(path, "renamed")?;
    if sync && let Some(folder) = path.parent() {
        // The folder of a bare file name is the working directory.
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checkpoint() -> impl Strategy<Value = Checkpoint> {
        let pending = (any::<u64>(), any::<u16>()).prop_map(|(seq, attempts)| Pending { seq, attempts });
        let deferred = (any::<u64>(), any::<u64>(), any::<u16>())
            .prop_map(|(deadline_unix_ns, seq, attempts)| Deferred { deadline_unix_ns, seq, attempts });
        let parts = (
            any::<bool>(),
            0..u64::MAX / 2,
            prop::collection::vec(any::<u64>(), 0..20),
            any::<u64>(),
            prop::collection::vec(any::<(u64, u64)>(), 0..5),
            prop::collection::vec(pending, 0..20),
            prop::collection::vec(deferred, 0..20),
        );
        parts.prop_map(|(paused, low, words, cursor, skipped, requeued, deferred)| {
            let window = Window::from_parts(low, words);
            Checkpoint { paused, window, cursor, skipped, requeued, deferred }
        })
    }

    proptest! {
        /// Protects: a channel comes back as it was written.
        #[test]
        fn decoding_undoes_encoding(checkpoint in checkpoint()) {
            prop_assert_eq!(Checkpoint::decode(&checkpoint.encode()), Some(checkpoint));
        }

        /// Protects: a damaged checkpoint is recognised, never half believed.
        #[test]
        fn a_flipped_bit_or_a_cut_is_noticed(checkpoint in checkpoint(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let whole = checkpoint.encode();
            let at = at.index(whole.len());
            let mut flipped = whole.clone();
            flipped[at] ^= 1_u8 << bit;
            prop_assert_eq!(Checkpoint::decode(&flipped), None);
            prop_assert_eq!(Checkpoint::decode(&whole[..at]), None);
        }
    }
}

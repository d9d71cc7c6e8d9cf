//! Files as a killed process or a bad disk leaves them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{NOW, Read, append, open, read_all, unlimited};
use crate::log::{Damage, DamageKind, StorageThread};

const SEGMENT_BYTES: u32 = 16 << 10;
const HEADER_BYTES: usize = 128;
const LIVE_AT: usize = 64;
const SEALED_AT: usize = 72;

/// One segment of messages: batches of these sizes, each with whether it is deferred.
struct Written {
    folder: TempDir,
    file: PathBuf,
    storage: StorageThread,
    messages: Vec<Read>,
    /// Seqs behind each batch.
    ends: Vec<u64>,
}

impl Written {
    fn new(batches: &[(usize, bool)], sealed: bool) -> Self {
        let storage = StorageThread::start().unwrap();
        let original = tempfile::tempdir().unwrap();
        let log = open(original.path(), &storage.handle(), SEGMENT_BYTES, true);
        let mut ends = Vec::new();
        for (batch, (count, deferred)) in batches.iter().enumerate() {
            let bodies: Vec<Vec<u8>> =
                (0..*count).map(|at| format!("{batch}/{at}").repeat(at).into_bytes()).collect();
            ends.push(append(&log, &bodies, deferred.then_some(7), NOW));
        }
        let (messages, _) = read_all(&log, unlimited);
        assert_eq!(log.ranges().len(), 1, "the batches fit one segment");
        if sealed {
            log.close();
        }
        // A copy of the file while it is mapped is what a killed process leaves.
        let folder = tempfile::tempdir().unwrap();
        let name = log.segment_at(0).unwrap().path().unwrap().to_owned();
        let file = folder.path().join(name.file_name().unwrap());
        fs::copy(&name, &file).unwrap();
        Self { folder, file, storage, messages, ends }
    }

    fn image(&self) -> Vec<u8> {
        fs::read(&self.file).unwrap()
    }

    /// Writes the image and opens the folder twice: what recovery leaves is what the next start finds.
    fn recovered(&self, image: &[u8], verify: bool) -> (Vec<Read>, Vec<u64>) {
        fs::write(&self.file, image).unwrap();
        let first = {
            let log = open(self.folder.path(), &self.storage.handle(), SEGMENT_BYTES, verify);
            read_all(&log, unlimited)
        };
        let again = open(self.folder.path(), &self.storage.handle(), SEGMENT_BYTES, true);
        let again = read_all(&again, unlimited);
        if verify {
            assert_eq!(first, again, "the second start finds what the first one did");
        }
        first
    }

    fn without(&self, lost: &[u64]) -> Vec<Read> {
        self.messages.iter().filter(|message| !lost.contains(&message.seq)).cloned().collect()
    }
}

fn slot_at(image: &[u8], index: u64) -> usize {
    image.len() - 8 * (usize::try_from(index).unwrap() + 1)
}

/// Where the bytes of a message begin, its deadline included, and where they end.
fn bytes_of(image: &[u8], index: u64) -> (usize, usize) {
    let at = slot_at(image, index);
    let low = u32::from_le_bytes(*image[at..].first_chunk().unwrap());
    let frame = (low & ((1 << 30) - 1)) as usize;
    let size = u32::from_be_bytes(*image[frame..].first_chunk().unwrap()) as usize;
    (if low >> 31 == 1 { frame - 8 } else { frame }, frame + 4 + size)
}

/// Takes the writer's own count back to `count` messages.
fn promise(image: &mut [u8], count: u64) {
    let end = count.checked_sub(1).map_or(HEADER_BYTES, |last| bytes_of(image, last).1);
    image[LIVE_AT..LIVE_AT + 4].copy_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
    image[LIVE_AT + 4..LIVE_AT + 8].copy_from_slice(&u32::try_from(end).unwrap().to_le_bytes());
}

fn batches() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((1_usize..8, prop::bool::weighted(0.3)), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Protects: one damaged byte costs one message, which is reported, and no other.
    #[test]
    fn a_flipped_byte_costs_one_message(
        batches in batches(), sealed: bool, at: prop::sample::Index, byte: prop::sample::Index, flip in 1..=255_u8,
        in_slot: bool,
    ) {
        let written = Written::new(&batches, sealed);
        let mut image = written.image();
        let seq = at.index(written.messages.len()) as u64;
        let (from, to) = if in_slot {
            (slot_at(&image, seq), slot_at(&image, seq) + 8)
        } else {
            bytes_of(&image, seq)
        };
        image[from + byte.index(to - from)] ^= flip;
        let (messages, damaged) = written.recovered(&image, true);
        prop_assert_eq!(damaged, vec![seq]);
        prop_assert_eq!(messages, written.without(&[seq]));
    }

    /// Protects: damage in a full segment whose frames are not checked at start is survived: nothing panics, and what
    /// lies elsewhere is delivered.
    #[test]
    fn unchecked_damage_costs_one_message_at_most(
        batches in batches(), at: prop::sample::Index, byte: prop::sample::Index, flip in 1..=255_u8, in_slot: bool,
    ) {
        let written = Written::new(&batches, true);
        let mut image = written.image();
        let seq = at.index(written.messages.len()) as u64;
        let (from, to) = if in_slot {
            (slot_at(&image, seq), slot_at(&image, seq) + 8)
        } else {
            bytes_of(&image, seq)
        };
        image[from + byte.index(to - from)] ^= flip;
        let (mut messages, damaged) = written.recovered(&image, false);
        prop_assert!(damaged.is_empty() || damaged == [seq], "{:?}", damaged);
        messages.retain(|message| message.seq != seq);
        prop_assert_eq!(messages, written.without(&[seq]));
    }

    /// Protects: a torn tail after a power cut. Whatever is whole before it is delivered; no message is made up; what
    /// the writer had not counted is kept by whole publishes.
    #[test]
    fn a_torn_tail_is_cut_at_a_publish(
        batches in batches(), counted: prop::sample::Index, torn: prop::sample::Index, garbage: bool, in_slots: bool,
    ) {
        let written = Written::new(&batches, false);
        let mut image = written.image();
        // The count that reached the disk is older than the frames; the frames behind `cut` did not reach it.
        let counted = counted.index(written.ends.len() + 1).checked_sub(1).map_or(0, |at| written.ends[at]);
        let total = written.messages.len() as u64;
        let cut = counted + torn.index(usize::try_from(total - counted).unwrap() + 1) as u64;
        promise(&mut image, counted);
        let lost = if in_slots {
            slot_at(&image, total)..image.len() - 8 * usize::try_from(cut).unwrap()
        } else {
            let from = cut.checked_sub(1).map_or(HEADER_BYTES, |last| bytes_of(&image, last).1);
            from..slot_at(&image, total)
        };
        for (at, byte) in image[lost].iter_mut().enumerate() {
            *byte = if garbage { (at * 37 + 11).to_le_bytes()[0] } else { 0 };
        }
        let kept = written.ends.iter().copied().filter(|end| *end <= cut).max().unwrap_or(0);
        let (messages, damaged) = written.recovered(&image, true);
        prop_assert_eq!(damaged, Vec::<u64>::new());
        prop_assert_eq!(&messages, &written.messages[..usize::try_from(kept).unwrap()]);
    }

    /// Protects: messages that the writer had counted keep their seqs though they are damaged, so that none is given
    /// out again and a channel does not take a new message for an acknowledged one.
    #[test]
    fn damage_at_the_end_keeps_its_seqs(batches in batches(), torn: prop::sample::Index, sealed: bool) {
        let written = Written::new(&batches, sealed);
        let mut image = written.image();
        let total = written.messages.len() as u64;
        let from = torn.index(written.messages.len()) as u64;
        let (start, end) = (bytes_of(&image, from).0, bytes_of(&image, total - 1).1);
        image[start..end].fill(0xa5);
        let (messages, damaged) = written.recovered(&image, true);
        prop_assert_eq!(damaged, (from..total).collect::<Vec<_>>());
        prop_assert_eq!(&messages, &written.messages[..usize::try_from(from).unwrap()]);
        let log = open(written.folder.path(), &written.storage.handle(), SEGMENT_BYTES, true);
        prop_assert_eq!(log.tail(), total);
        prop_assert_eq!(append(&log, &[b"next".to_vec()], None, NOW), total + 1);
        let (messages, _) = read_all(&log, unlimited);
        prop_assert_eq!(messages.last().map(|message| message.seq), Some(total));
    }

    /// Protects: no bytes of a file make the start panic, and no message is made up.
    #[test]
    fn any_garbage_is_survived(
        batches in batches(), sealed: bool, verify: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let written = Written::new(&batches, sealed);
        let mut image = written.image();
        let used = bytes_of(&image, written.messages.len() as u64 - 1).1;
        let slots = slot_at(&image, written.messages.len() as u64 + 4);
        for (at, byte) in changes {
            // Where something is, behind the part of the header that has a checksum.
            let at = at.index(used - LIVE_AT + image.len() - slots) + LIVE_AT;
            let at = if at < used { at } else { at - used + slots };
            image[at] = byte;
        }
        let (messages, _) = written.recovered(&image, verify);
        if verify {
            for message in &messages {
                prop_assert!(written.messages.contains(message), "{:?} was never published", message);
            }
        }
    }
}

/// Protects: a full segment whose count lost a bit still delivers all that it holds.
#[test]
fn a_count_that_is_too_small_loses_nothing() {
    for sealed in [false, true] {
        let written = Written::new(&[(3, false), (4, true), (1, false), (5, false)], sealed);
        let mut image = written.image();
        promise(&mut image, 5);
        assert_eq!(written.recovered(&image, false).0, written.messages);
        assert_eq!(written.recovered(&image, true).0, written.messages);
    }
}

/// Protects: a file with a damaged header is set aside, byte for byte, and the log starts without it.
#[test]
fn a_file_with_a_damaged_header_is_set_aside() {
    let written = Written::new(&[(3, false)], true);
    let mut flipped = written.image();
    flipped[20] ^= 1;
    let cut = written.image()[..SEGMENT_BYTES as usize / 2].to_vec();
    for image in [flipped, cut] {
        let (messages, damaged) = written.recovered(&image, true);
        assert_eq!((messages.len(), damaged.len()), (0, 0));
        assert!(kept_aside(written.folder.path()).contains(&image));
    }
}

fn kept_aside(folder: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().unwrap() != "seg").map(|path| fs::read(path).unwrap()).collect()
}

/// Protects: a file that was allocated ahead and never begun is no segment, and no damage either.
#[test]
fn a_file_that_was_never_begun_is_removed() {
    let written = Written::new(&[(3, false)], true);
    let folder = written.folder.path();
    fs::write(folder.join("000000000007.seg"), [0; 8192]).unwrap();
    fs::write(folder.join("000000000008.seg"), []).unwrap();
    let (messages, _) = written.recovered(&written.image(), true);
    assert_eq!(messages, written.messages);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    assert_eq!(written.image()[SEALED_AT] & 1, 1, "it says that it is full");
}

/// Protects: a file that vanishes while the daemon runs, or a part of the disk that gives no more, costs its messages
/// and nothing else: nobody waits for them for ever, and what comes behind is delivered.
#[test]
fn a_file_that_vanishes_is_passed_over() {
    let written = Written::new(&[(3, false), (4, true)], true);
    let log = open(written.folder.path(), &written.storage.handle(), SEGMENT_BYTES, false);
    append(&log, &[b"next".to_vec()], None, NOW);
    fs::remove_file(&written.file).unwrap();
    let (messages, _) = read_all(&log, unlimited);
    assert_eq!(messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [7]);
    assert_eq!(log.segment_at(0).unwrap().damaged(), 7);
}

/// Protects: an operator finds out what became of damaged data.
#[test]
fn damage_is_reported_once() {
    let written = Written::new(&[(3, false)], true);
    let mut image = written.image();
    let (from, _) = bytes_of(&image, 1);
    image[from + 9] ^= 1;
    fs::write(&written.file, &image).unwrap();
    let damaged = Damage { path: written.file.clone(), kind: DamageKind::Messages(1) };
    let log = open(written.folder.path(), &written.storage.handle(), SEGMENT_BYTES, true);
    assert_eq!(log.take_damage(), [damaged]);
    assert_eq!(log.take_damage(), []);
    image[20] ^= 1;
    fs::write(&written.file, &image).unwrap();
    let log = open(written.folder.path(), &written.storage.handle(), SEGMENT_BYTES, false);
    let [Damage { path, kind: DamageKind::Header(aside) }] = &log.take_damage()[..] else {
        panic!("one file was damaged")
    };
    assert_eq!(*path, written.file);
    assert_eq!(fs::read(aside).unwrap(), image);
}

/// Protects: a count that damage made too high does not hide the messages of the next file.
#[test]
fn a_count_that_is_too_high_ends_where_the_next_file_begins() {
    let written = Written::new(&[(3, false)], false);
    let log = open(written.folder.path(), &written.storage.handle(), SEGMENT_BYTES, false);
    append(&log, &[b"next".to_vec(), b"and next".to_vec()], None, NOW);
    log.close();
    drop(log);
    let mut image = written.image();
    // Recovery has sealed it; a flipped bit in the seal, and one in the count.
    image[SEALED_AT] ^= 1;
    image[LIVE_AT] |= 0x40;
    fs::write(&written.file, &image).unwrap();
    let log = open(written.folder.path(), &written.storage.handle(), SEGMENT_BYTES, false);
    let (messages, damaged) = read_all(&log, unlimited);
    assert_eq!(messages.iter().map(|message| message.seq).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(damaged, [0; 0]);
    assert_eq!(log.tail(), 5);
}

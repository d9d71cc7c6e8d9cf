//! How far a segment is readable: the one word that its writer and its readers share.
//!
//! Checked by loom: `RUSTFLAGS="--cfg nsq_loom" cargo test -p nsqd --lib --target-dir target/loom loom_`. The name is our
//! own, since `--cfg loom` takes sockets out of tokio.

#[cfg(nsq_loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(nsq_loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of published messages and the end of the last frame, which change together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Messages.
    pub(super) count: u32,
    /// Offset behind the last frame.
    pub(super) end: u32,
}

impl Extent {
    pub(super) fn pack(self) -> u64 {
        u64::from(self.end) << 32 | u64::from(self.count)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
    pub(super) fn unpack(word: u64) -> Self {
        Self { count: word as u32, end: (word >> 32) as u32 }
    }
}

/// What is stored before [`Published::advance`] is seen by whoever loads the new extent.
#[derive(Debug)]
pub(super) struct Published(AtomicU64);

impl Published {
    pub(super) fn new(extent: Extent) -> Self {
        Self(AtomicU64::new(extent.pack()))
    }

    #[inline]
    pub(super) fn load(&self) -> Extent {
        Extent::unpack(self.0.load(Ordering::Acquire))
    }

    /// Called by the writer alone.
    #[inline]
    pub(super) fn advance(&self, extent: Extent) {
        self.0.store(extent.pack(), Ordering::Release);
    }
}

/// Protects: a reader that sees the extent sees the bytes, under every order that the memory model allows.
#[cfg(all(test, nsq_loom))]
mod loom_tests {
    use super::*;
    use loom::{cell::UnsafeCell, sync::Arc, thread};

    struct Shared {
        cells: [UnsafeCell<u32>; 3],
        published: Published,
    }

    #[test]
    fn loom_a_published_message_is_read_whole() {
        loom::model(|| {
            let shared = Arc::new(Shared {
                cells: std::array::from_fn(|_| UnsafeCell::new(0)),
                published: Published::new(Extent { count: 0, end: 0 }),
            });
            let writer = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    // One message alone, then two at once, as PUB and MPUB do.
                    shared.cells[0].with_mut(|cell| unsafe_store(cell, 10));
                    shared.published.advance(Extent { count: 1, end: 1 });
                    shared.cells[1].with_mut(|cell| unsafe_store(cell, 11));
                    shared.cells[2].with_mut(|cell| unsafe_store(cell, 12));
                    shared.published.advance(Extent { count: 3, end: 3 });
                })
            };
            for _ in 0..2 {
                let extent = shared.published.load();
                assert!([0, 1, 3].contains(&extent.count), "a batch is visible in part");
                for index in 0..extent.count {
                    let value = shared.cells[index as usize].with(|cell| unsafe_load(cell));
                    assert_eq!(value, 10 + index);
                }
            }
            writer.join().unwrap();
        });
    }

    #[expect(unsafe_code, reason = "loom checks that the accesses never overlap")]
    fn unsafe_store(cell: *mut u32, value: u32) {
        // SAFETY: loom hands out a valid pointer and fails the model if another thread reads the cell now.
        unsafe { *cell = value }
    }

    #[expect(unsafe_code, reason = "loom checks that the accesses never overlap")]
    fn unsafe_load(cell: *const u32) -> u32 {
        // SAFETY: as above, for a concurrent write.
        unsafe { *cell }
    }
}

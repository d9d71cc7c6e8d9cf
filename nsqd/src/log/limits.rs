//! How much a log may keep, and how much it may take.

use std::{io, path::Path, time::Duration};

use rustix::{fs::statvfs, io::Errno};

/// Limits of a log. 0 stands for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Consumed segments are kept while the log is not larger than this.
    pub retention_bytes: u64,
    /// Consumed segments are kept while their messages are not older than this.
    pub retention_age: Duration,
    /// The log takes no more than this on the disk.
    pub topic_bytes_max: u64,
    /// So much of the file system is left free.
    pub free_bytes_min: u64,
}

/// What retention asks of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) base: u64,
    pub(super) bytes: u64,
    /// When its last message was published, or later.
    pub(super) newest_unix_ns: u64,
}

impl Limits {
    /// Whether anything consumed is kept.
    pub(super) fn retains(&self) -> bool {
        self.retention_bytes != 0 || !self.retention_age.is_zero()
    }

    /// Base of the oldest of `segments`, which rise, that retention keeps; `None` if it keeps none. As in Kafka, either
    /// limit ends it. A log that may not grow without bound keeps three quarters of that at most.
    pub(super) fn keep_from(
        &self,
        segments: impl DoubleEndedIterator<Item = Kept>,
        now_unix_ns: u64,
    ) -> Option<u64> {
        if !self.retains() {
            return None;
        }
        let or_none = |limit: u64| if limit == 0 { u64::MAX } else { limit };
        let bytes_max = or_none(self.retention_bytes).min(or_none(self.topic_bytes_max) / 4 * 3);
        let age = or_none(u64::try_from(self.retention_age.as_nanos()).unwrap_or(u64::MAX));
        let oldest = now_unix_ns.saturating_sub(age);
        let mut bytes = 0;
        let within = segments.rev().take_while(|segment| {
            bytes += segment.bytes;
            bytes <= bytes_max && oldest <= segment.newest_unix_ns
        });
        within.last().map(|segment| segment.base)
    }

    /// Whether a file of `bytes` bytes may be made in the file system of `path`.
    ///
    /// # Errors
    /// There would be less left than is to be.
    pub(super) fn check_free(&self, path: &Path, bytes: u32) -> io::Result<()> {
        if self.free_bytes_min == 0 {
            return Ok(());
        }
        let system = statvfs(path.parent().unwrap_or(path))?;
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        if free < self.free_bytes_min.saturating_add(bytes.into()) {
            return Err(Errno::NOSPC.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: u64 = 3_600_000_000_000;

    /// Ten segments of 100 bytes, one an hour, the last an hour ago.
    fn keep_from(retention_bytes: u64, hours: u64, topic_bytes_max: u64) -> Option<u64> {
        let retention_age = Duration::from_hours(hours);
        let limits = Limits { retention_bytes, retention_age, topic_bytes_max, free_bytes_min: 0 };
        let segments = (0..10).map(|base| Kept { base, bytes: 100, newest_unix_ns: (90 + base) * HOUR_NS });
        limits.keep_from(segments, 100 * HOUR_NS)
    }

    /// Protects: what an operator asks to be kept is kept, and no more.
    #[test]
    fn either_limit_ends_retention() {
        assert_eq!(keep_from(0, 0, 0), None);
        assert_eq!(keep_from(350, 0, 0), Some(7));
        assert_eq!(keep_from(300, 0, 0), Some(7));
        assert_eq!(keep_from(99, 0, 0), None);
        assert_eq!(keep_from(0, 4, 0), Some(6));
        assert_eq!(keep_from(200, 4, 0), Some(8));
        assert_eq!(keep_from(600, 2, 0), Some(8));
        assert_eq!(keep_from(0, 1000, 0), Some(0));
    }

    /// Protects: publishing against a retention that would use up the room of the topic.
    #[test]
    fn retention_leaves_room_in_a_bounded_topic() {
        assert_eq!(keep_from(0, 1000, 400), Some(7));
        assert_eq!(keep_from(200, 0, 400), Some(8));
    }

    /// Protects: the reserve of a disk, and that none is asked for by default.
    #[test]
    fn a_file_that_would_use_the_reserve_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(Limits::default().check_free(&path, u32::MAX).is_ok());
        assert!(Limits { free_bytes_min: 1, ..Limits::default() }.check_free(&path, 1).is_ok());
        let refused = Limits { free_bytes_min: u64::MAX, ..Limits::default() }.check_free(&path, 1);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}

//! When a file has had enough.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How far a file may go.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// `--rotate-size`: a file that holds more is left. One that holds as much is not, so that it grows beyond by up to one
    /// message. Compressed or not, what is counted is what was put in, with line breaks.
    pub(crate) bytes: Option<u64>,
    /// `--rotate-interval`: a file that has been open for longer is left.
    pub(crate) age: Option<Duration>,
}

/// Why a file is left for another one. Shown, it is the line in the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The date in the name has changed.
    Name(String),
    /// It has been open for this long.
    Age(Duration),
    /// It has grown too big.
    Size { path: PathBuf, bytes: u64, limit: u64 },
}

impl Limits {
    /// Whether `bytes` are too many.
    pub(crate) fn is_full(&self, bytes: u64) -> bool {
        self.bytes.is_some_and(|limit| limit < bytes)
    }

    /// The age, if it is too high.
    pub(crate) fn too_old(&self, age: Duration) -> Option<Duration> {
        self.age.is_some_and(|limit| limit < age).then_some(age)
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "new filename {name}, rotating..."),
            Self::Age(age) => write!(f, "{age:?} since last open, rotating..."),
            Self::Size { path, bytes, limit } => {
                write!(f, "{} currently {bytes} bytes (> {limit}), rotating...", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_a_limit_is_not_beyond_it() {
        let limits = Limits { bytes: Some(10), age: Some(Duration::from_secs(1)) };
        assert!(!limits.is_full(10) && limits.is_full(11));
        assert_eq!(limits.too_old(Duration::from_secs(1)), None);
        assert_eq!(limits.too_old(Duration::from_millis(1001)), Some(Duration::from_millis(1001)));
        assert!(!Limits::default().is_full(u64::MAX));
        assert_eq!(Limits::default().too_old(Duration::MAX), None);
    }
}

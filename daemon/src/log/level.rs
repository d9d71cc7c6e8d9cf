//! The levels of NSQ.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// How grave an event is. The numbers are what `GET /config/log_level` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Of use to developers.
    Debug = 1,
    /// The normal course of things.
    Info = 2,
    /// Something that an operator may want to change.
    Warn = 3,
    /// Something failed.
    Error = 4,
    /// The process cannot go on.
    Fatal = 5,
}

/// A text that names no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid log level '{0}' (debug, info, warn, error, fatal)")]
pub struct LevelError(String);

impl Level {
    /// The level with this number.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal]
            .into_iter()
            .find(|level| level.number() == number)
    }

    /// 1 for debug, 5 for fatal.
    pub fn number(self) -> i64 {
        i64::from(self as u8)
    }

    /// As in the lines of NSQ's client library: `WRN`.
    pub(super) fn short_label(self) -> &'static str {
        match self {
            Self::Debug => "DBG",
            Self::Info => "INF",
            Self::Warn => "WRN",
            Self::Error | Self::Fatal => "ERR",
        }
    }

    /// As in a log line: `WARNING`, although the option's value is `warn`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARNING",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

impl Display for Level {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        })
    }
}

impl FromStr for Level {
    type Err = LevelError;

    /// `debug`, `info`, `warn`, `error` or `fatal`, in any case.
    fn from_str(text: &str) -> Result<Self, LevelError> {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            "fatal" => Ok(Self::Fatal),
            _ => Err(LevelError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_in_any_case_and_keep_their_numbers() {
        let names = ["debug", "INFO", "Warn", "error", "fatal"];
        for (name, number) in names.into_iter().zip(1..) {
            let level: Level = name.parse().unwrap();
            assert_eq!(level.number(), number);
            assert_eq!(Level::from_number(number), Some(level));
            assert_eq!(level.to_string(), name.to_lowercase());
        }
        assert_eq!(Level::from_number(0), None);
        assert_eq!(Level::from_number(6), None);
    }

    #[test]
    fn the_label_of_the_log_is_not_a_level() {
        let error = "warning".parse::<Level>().unwrap_err();
        assert_eq!(error.to_string(), "invalid log level 'warning' (debug, info, warn, error, fatal)");
        for other in ["", "2", " info", "\"info\""] {
            assert!(other.parse::<Level>().is_err(), "{other}");
        }
    }
}

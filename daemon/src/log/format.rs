//! The formats of a line.

/// How an event is written. The numbers are what `GET /config/log_format` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Format {
    /// `[nsqd] 2026/11/20 21:22:44.003666 INFO: text key=value`.
    Nsq = 0,
    /// `{"time":"2026-11-20T21:22:44.003666Z","level":"info","program":"nsqd","message":"text","key":"value"}`.
    Json = 1,
    /// `2026/11/20 21:22:44 text key=value`, of utilities, which have no such option.
    Plain = 2,
}

impl Format {
    /// The format with this number, one of those that the option names.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Nsq, Self::Json].into_iter().find(|format| format.number() == number)
    }

    /// 0 for NSQ's format, 1 for JSON.
    pub fn number(self) -> i64 {
        i64::from(self as u8)
    }
}

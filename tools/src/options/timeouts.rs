//! How long requests over HTTP may take.

use std::time::Duration;

use daemon::options::{Flag, Reader, Refused, duration};

const CONNECT_FLAG: &str = "http-client-connect-timeout";
const REQUEST_FLAG: &str = "http-client-request-timeout";

/// The two limits, both positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection is there.
    pub connect: Duration,
    /// Until the answer is there, the connection included.
    pub request: Duration,
}

/// The two flags: 2 s to connect, `request` in all.
pub fn timeout_flags(request: Duration) -> [Flag; 2] {
    [
        duration(CONNECT_FLAG, Duration::from_secs(2), "longest time for a connection over HTTP"),
        duration(REQUEST_FLAG, request, "longest time for a request over HTTP"),
    ]
}

impl Timeouts {
    /// Reads and checks both.
    ///
    /// # Errors
    /// `--http-client-connect-timeout should be positive`, or the other.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Refused> {
        let connect = positive(reader, CONNECT_FLAG);
        let request = positive(reader, REQUEST_FLAG);
        Ok(Self { connect: connect?, request: request? })
    }
}

/// A duration above zero.
///
/// # Errors
/// `--name should be positive`
pub(super) fn positive(reader: &mut Reader<'_>, name: &str) -> Result<Duration, Refused> {
    let ns = u64::try_from(reader.duration_ns(name)).unwrap_or(0);
    match ns {
        0 => Err(Refused::new(format!("--{name} should be positive"))),
        ns => Ok(Duration::from_nanos(ns)),
    }
}

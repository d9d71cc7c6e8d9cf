//! What the daemons share: options, logging, signals, service managers, listeners and the threads behind them, TLS, the
//! version they report, requests to other servers. The utilities share what they need of it.
//!
//! Nothing here knows a particular daemon: each brings its own table of flags and its own checked struct.

pub mod address;
pub mod ask;
pub mod broadcast;
pub mod connections;
pub mod duration;
pub mod http;
pub mod listen;
pub mod log;
pub mod options;
pub mod process;
pub mod re2;
pub mod reload;
pub mod reports;
pub mod signals;
pub mod systemd;
pub mod tls;
pub mod version;
pub mod workers;

mod quote;

use std::io;

/// The operating system's name of this host, read anew at each call.
///
/// # Errors
/// If the name is not UTF-8.
pub fn hostname() -> io::Result<String> {
    let name = rustix::system::uname().nodename().to_str().map(str::to_owned);
    name.map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))
}

/// The system's words without the number that Rust adds, and without a capital.
pub fn io_cause(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" (os error").map_or(text.as_str(), |(text, _)| text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_host_has_a_name() {
        assert!(!super::hostname().unwrap().is_empty());
    }
}

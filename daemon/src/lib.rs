//! What the daemons share: options, logging, signals, the version they report.
//!
//! Nothing here knows a particular daemon: each brings its own table of flags and its own checked struct.

pub mod address;
pub mod duration;
pub mod log;
pub mod options;
pub mod signals;
pub mod version;

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

#[cfg(test)]
mod tests {
    #[test]
    fn the_host_has_a_name() {
        assert!(!super::hostname().unwrap().is_empty());
    }
}

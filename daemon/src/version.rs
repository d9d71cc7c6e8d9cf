//! The versions that the daemons report.
//!
//! Clients and nsqadmin parse [`COMPATIBLE`] to decide what a node can do, so it names the NSQ release whose behaviour
//! is provided. The suite's own release stands in the usage text and is told apart as [`RELEASE`].

/// The NSQ release that the daemons are compatible with: `version` in `/info`, in IDENTIFY answers and in `nsqd.dat`.
pub const COMPATIBLE: &str = "1.3.0";

/// The release of this suite.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The compiler and its version, as in `rustc1.95.0`.
pub const COMPILER: &str = concat!("rustc", env!("DAEMON_RUSTC_VERSION"));

/// What `--version` prints and the first log line says: `nsqd v1.3.0 (built w/rustc1.95.0)`.
pub fn line(program: &str) -> String {
    format!("{program} v{COMPATIBLE} (built w/{COMPILER})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts cut the version out of this line.
    #[test]
    fn the_version_line_has_the_shape_that_scripts_expect() {
        let line = line("nsqd");
        let compiler = line.strip_prefix("nsqd v1.3.0 (built w/rustc").unwrap().strip_suffix(')').unwrap();
        assert_eq!(compiler.split('.').count(), 3, "{line}");
        assert!(compiler.starts_with(|c: char| c.is_ascii_digit()), "{line}");
    }
}

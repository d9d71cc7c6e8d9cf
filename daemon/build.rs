//! Records the compiler's version, which `--version` prints.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let line = Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    // `rustc 1.95.0 (59807616e 2026-04-14)`: the second word is the version.
    let line = String::from_utf8_lossy(&line);
    let version = line.split_whitespace().nth(1).unwrap_or_default();
    println!("cargo::rustc-env=DAEMON_RUSTC_VERSION={version}");
}

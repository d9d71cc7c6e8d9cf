//! Has the binary built anew when the page changes: the compiler does not know of new files.

#![expect(clippy::print_stdout, reason = "how cargo is told")]

fn main() {
    println!("cargo:rerun-if-changed=ui");
}

//! Has the binary built anew when the page changes: the compiler does not know of new files.

fn main() {
    println!("cargo:rerun-if-changed=ui");
}

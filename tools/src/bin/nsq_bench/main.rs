//! Load generator for any server that speaks the V2 protocol.
fn main() {}

//! Fuzzes commands to nsqlookupd.
#![no_main]

#[path = "../../tests/corpus/parsers.rs"]
#[allow(dead_code, reason = "each target fuzzes one of them")]
mod parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::lookup(bytes));

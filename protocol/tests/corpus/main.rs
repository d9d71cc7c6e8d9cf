//! The corpus of the fuzzer, replayed: each seed as it is, cut, and with bytes changed.
//!
//! To fuzz: `cargo +nightly fuzz run commands` (or `frames`, `identify`, `lookup`, `streams`) in `protocol/`.

mod parsers;

use std::path::Path;

/// Changed copies of each seed.
const MUTANTS: usize = 200;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let seeds =
        std::fs::read_dir(&folder).expect("there is a corpus").map(|file| file.expect("a file").path());
    let mut seeds: Vec<_> = seeds.map(|path| std::fs::read(path).expect("it can be read")).collect();
    seeds.sort();
    assert!(3 <= seeds.len(), "{} seeds in {}", seeds.len(), folder.display());
    let mut random = fastrand::Rng::with_seed(7);
    for seed in &seeds {
        check(seed);
        for _ in 0..MUTANTS {
            let mut mutant = seed[..random.usize(..=seed.len())].to_vec();
            for _ in 0..random.usize(..4) {
                let other = random.choice(&seeds).expect("there are some");
                match random.u8(..3) {
                    0 if !mutant.is_empty() => {
                        let at = random.usize(..mutant.len());
                        mutant[at] = random.u8(..);
                    }
                    1 => mutant.insert(random.usize(..=mutant.len()), random.u8(..)),
                    _ => mutant.extend_from_slice(&other[random.usize(..=other.len())..]),
                }
            }
            check(&mutant);
        }
    }
}

#[test]
fn commands() {
    // Protects the parser of commands from whatever strangers send.
    replay("commands", parsers::commands);
}

#[test]
fn frames() {
    // Protects clients from whatever servers send.
    replay("frames", parsers::frames);
}

#[test]
fn identify() {
    // Protects negotiation.
    replay("identify", parsers::identify);
}

#[test]
fn lookup() {
    // Protects nsqlookupd from whatever strangers send.
    replay("lookup", parsers::lookup);
}

#[test]
fn streams() {
    // Protects the decompressors.
    replay("streams", parsers::streams);
}

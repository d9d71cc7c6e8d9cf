//! Random operations on real topics and on a model of plain maps, compared after every step.
//!
//! A run that fails prints its seed and its last operations. To run it again, and others:
//!
//! ```text
//! NSQ_MODEL_SEED=17 cargo test -p nsqd --lib topic::tests      # this seed alone, in each profile; all of its operations
//! NSQ_MODEL_SEEDS=1000 NSQ_MODEL_OPS=50000 cargo test …        # more and longer runs
//! ```

mod book;
mod compare;
mod model;
mod node;
mod operations;
mod world;

use std::{path::Path, str::FromStr};

use fastrand::Rng;

use self::{
    node::Settings,
    operations::Operation,
    world::{Profile, World},
};

/// Seeds of all durable runs together.
const SEEDS: u64 = 100;
/// Tests that share them, so that they run side by side.
const SHARES: u64 = 4;
const OPERATIONS: usize = 10_000;
/// Operations that are printed of a run that fails.
const PRINTED_MAX: usize = 60;

/// Everything outlives the process; the process is also killed.
const DURABLE: Profile =
    Profile { topics: &["t0", "t1", "t2"], channels: &["c0", "c1", "c2"], defers: true, kills: true };

/// Topics and channels with a bound, beside others. Nothing is deferred, since the room that a deferred message takes
/// depends on when the channel looks at it; nothing is killed, since what a process kept in memory is then gone with all
/// traces.
const EPHEMERAL: Profile = Profile {
    topics: &["t0", "t1#ephemeral", "t2#ephemeral"],
    channels: &["c0", "c1#ephemeral", "c2#ephemeral"],
    defers: false,
    kills: false,
};

/// Prints what led to a panic.
struct Trace {
    seed: u64,
    printed_max: usize,
    operations: Vec<Operation>,
}

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.operations.len().saturating_sub(self.printed_max);
            for (at, operation) in self.operations.iter().enumerate().skip(from) {
                eprintln!("{at}: {operation:?}");
            }
            eprintln!("run it again with NSQ_MODEL_SEED={}", self.seed);
        }
    }
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}, which is no number")))
}

/// Runs the seeds of one share.
fn check(profile: &'static Profile, share: u64, shares: u64, seeds: u64) {
    let operations = setting("NSQ_MODEL_OPS").unwrap_or(OPERATIONS);
    if let Some(seed) = setting::<u64>("NSQ_MODEL_SEED") {
        if seed % shares == share {
            run(profile, seed, operations, usize::MAX);
        }
        return;
    }
    let seeds = setting("NSQ_MODEL_SEEDS").unwrap_or(seeds);
    for seed in (0..seeds).filter(|seed| seed % shares == share) {
        run(profile, seed, operations, PRINTED_MAX);
    }
}

fn run(profile: &'static Profile, seed: u64, operations: usize, printed_max: usize) {
    let mut trace = Trace { seed, printed_max, operations: Vec::with_capacity(operations) };
    let mut random = Rng::with_seed(seed);
    let settings = Settings {
        segment_bytes_max: *random.choice(&[4096, 16_384, 65_536]).expect("not empty"),
        ephemeral_depth_max: random.usize(1..40),
    };
    let data_path = data_path();
    let mut world = World::new(profile, data_path.path(), settings);
    for _ in 0..operations {
        let operation = operations::draw(&mut random, &world);
        trace.operations.push(operation.clone());
        world.apply(&operation);
    }
    world.drain();
    world.end();
}

/// In memory where the system has such a folder: what is tested does not depend on the disk, and is many times faster.
fn data_path() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Protects: over publishing, deferring, delivery, FIN, REQ, timeouts, pauses, emptying, deletions, checkpoints, restarts
/// and kills in any order, exactly the outstanding messages are delivered, whole, each to one consumer of a channel at a
/// time, when they are due, with their true attempts; and the counts are those of the model.
#[test]
fn topics_are_maps_of_messages_0() {
    check(&DURABLE, 0, SHARES, SEEDS);
}

/// Protects: as the first share, with other seeds.
#[test]
fn topics_are_maps_of_messages_1() {
    check(&DURABLE, 1, SHARES, SEEDS);
}

/// Protects: as the first share, with other seeds.
#[test]
fn topics_are_maps_of_messages_2() {
    check(&DURABLE, 2, SHARES, SEEDS);
}

/// Protects: as the first share, with other seeds.
#[test]
fn topics_are_maps_of_messages_3() {
    check(&DURABLE, 3, SHARES, SEEDS);
}

/// Protects: what an ephemeral topic or channel keeps, drops and forgets, beside durable ones, is what a queue of that
/// length would.
#[test]
fn ephemeral_topics_and_channels_are_short_queues() {
    check(&EPHEMERAL, 0, 1, SEEDS / 5);
}

//! Kills a process that publishes, at a random moment, many times over, and counts what it acknowledged.
//!
//! The test starts itself as the process to kill. `NSQ_CRASH_ROUNDS` sets how often; `NSQ_CRASH_SEED` repeats a run
//! as far as the kernel's scheduling allows.

#![cfg(test)]

use std::{
    env,
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nsqd::log::{Budget, Check, Log, Next, OpenOptions, StorageThread};
use protocol::NodeId;

const TEST: &str = "what_was_acknowledged_survives_a_killed_process";
const CHILD: &str = "NSQ_CRASH_CHILD";
const SEED: &str = "NSQ_CRASH_SEED";
const ROUNDS: &str = "NSQ_CRASH_ROUNDS";

const SEGMENT_BYTES: u64 = 64 << 10;
/// The child gives back what is this far behind the tail, so that files are used again.
const KEPT_MESSAGES: u64 = 1500;
const LIFE_US_MAX: u64 = 60_000;

/// Protects: the promise of the whole project. A message whose publish was answered is there, byte for byte,
/// whenever the process is killed; a publish that was not answered is there whole or not at all.
#[test]
fn what_was_acknowledged_survives_a_killed_process() {
    let seed = number(SEED).unwrap_or_else(|| now_unix_ns().cast_unsigned());
    if let Some(folder) = env::var_os(CHILD) {
        publish_until_killed(folder.as_ref(), seed);
    }
    let rounds = number(ROUNDS).unwrap_or(200);
    println!("{SEED}={seed} {ROUNDS}={rounds}");
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(seed);
    let mut known = Known::default();
    // Numbers begin anywhere.
    let mut first = None;
    for round in 0..rounds {
        known.note(&run_child(folder.path(), seed, random.below(LIFE_US_MAX)));
        known.check(folder.path(), seed, random.below(2) == 0, round);
        let (files, highest) = files(folder.path());
        first = first.or((files != 0).then_some(highest));
    }
    let (files, highest) = files(folder.path());
    let made = highest - first.unwrap_or(highest) + 1;
    let Known { tail, publishes, .. } = known;
    println!("{tail} messages, {publishes} acknowledged publishes; {files} files of {made}");
    if 20 <= rounds {
        assert!(rounds < publishes, "the children had no time to publish");
        // The bodies have 300 bytes on average.
        assert!(made * SEGMENT_BYTES < tail * 200, "no file was used again");
    }
}

/// How many files there are, and the highest number of one. None was set aside.
fn files(folder: &Path) -> (u64, u64) {
    let names =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.fold((0, 0), |(files, highest), name| {
        let number = name.strip_suffix(".seg").unwrap_or_else(|| panic!("{name} was set aside"));
        (files + 1, highest.max(number.parse().unwrap()))
    })
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

fn now_unix_ns() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// What the parent knows of the log.
#[derive(Debug, Default)]
struct Known {
    /// Everything from here on must be there.
    kept: u64,
    /// Seq behind the last message that was acknowledged, or found.
    tail: u64,
    publishes: u64,
}

impl Known {
    /// Takes in what a child said: a line for each answered publish and for each release that was about to happen.
    fn note(&mut self, output: &[u8]) {
        let whole = output.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in std::str::from_utf8(&output[..whole]).unwrap().lines() {
            if let Some(tail) = line.strip_prefix("ack ") {
                self.tail = tail.parse().unwrap();
                self.publishes += 1;
            } else if let Some(kept) = line.strip_prefix("release ") {
                self.kept = kept.parse().unwrap();
            }
        }
    }

    /// Opens the log as the next start would.
    fn check(&mut self, folder: &Path, seed: u64, verify: bool, round: u64) {
        let storage = StorageThread::start().unwrap();
        let log = open(folder, &storage, verify);
        let unanswered = self.tail + batch_messages(seed, self.tail);
        let (acknowledged, tail) = (self.tail, log.tail());
        assert!(
            tail == acknowledged || tail == unanswered,
            "round {round}: {tail} messages, of {acknowledged} acknowledged and {unanswered} published"
        );
        let mut seq = self.kept;
        let mut last_id = None;
        while seq < tail {
            let segment = log.segment_at(seq).unwrap();
            assert!(segment.base() <= seq, "round {round}: {seq}..{} are lost", segment.base());
            segment.load().unwrap();
            assert_eq!(segment.damaged(), 0, "round {round}");
            let budget = Budget { messages: u32::MAX, bytes: u32::MAX };
            let (Next::Run(run) | Next::Deferred { run, .. }) = segment.next(seq, budget) else {
                panic!("round {round}: {seq} cannot be read");
            };
            for frame in run.frames() {
                assert!(frame.body() == body(seed, seq), "round {round}: {seq} is not what was published");
                assert!(last_id < Some(frame.id()), "round {round}: ids do not rise at {seq}");
                last_id = Some(frame.id());
                seq += 1;
            }
        }
        self.tail = tail;
        if round.is_multiple_of(3) {
            log.close();
        }
        drop(log);
        storage.stop();
    }
}

/// Lets a child publish for a while, and returns what it said.
fn run_child(folder: &Path, seed: u64, life_us: u64) -> Vec<u8> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture", "--quiet"])
        .env(CHILD, folder)
        .env(SEED, seed.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        let mut output = Vec::new();
        stdout.read_to_end(&mut output).unwrap();
        output
    });
    // Not to wait for anything: the moment of the kill is what the test varies.
    thread::sleep(Duration::from_micros(life_us));
    assert_eq!(child.try_wait().unwrap(), None, "the child ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn publish_until_killed(folder: &Path, seed: u64) -> ! {
    let storage = StorageThread::start().unwrap();
    let log = open(folder, &storage, false);
    // One write call a line: what is not in the pipe was not acknowledged.
    let mut stdout = io::stdout().lock();
    let mut say = |line: String| stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).unwrap();
    // Behind what the test harness writes.
    say("\n".to_owned());
    loop {
        let from = log.tail();
        let batch = from..from + batch_messages(seed, from);
        let bodies: Vec<Vec<u8>> = batch.map(|seq| body(seed, seq)).collect();
        let bytes = bodies.iter().map(Vec::len).sum();
        let deadline = from.is_multiple_of(7).then_some(1);
        let bodies_of = bodies.iter().map(Vec::as_slice);
        let tail = log.append(bodies_of, bodies.len(), bytes, deadline, now_unix_ns()).unwrap();
        say(format!("ack {tail}\n"));
        if from / 500 != tail / 500 {
            let kept = tail.saturating_sub(KEPT_MESSAGES);
            say(format!("release {kept}\n"));
            log.release(0, |_, tail| kept < tail);
        }
    }
}

fn open(folder: &Path, storage: &StorageThread, verify: bool) -> Arc<Log> {
    let node_id = NodeId::new(1).unwrap();
    let segment_bytes_max = u32::try_from(SEGMENT_BYTES).unwrap();
    let check = if verify { Check::All } else { Check::Unsynced };
    let options = OpenOptions::new(storage.handle(), segment_bytes_max, node_id);
    Log::open(folder, &OpenOptions { check, ..options }).unwrap()
}

/// How many messages the publish that begins at `seq` has.
fn batch_messages(seed: u64, seq: u64) -> u64 {
    1 + Random(seed ^ seq << 32).below(20)
}

/// The body of message `seq`: mostly small, now and then larger than a segment usually is.
fn body(seed: u64, seq: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_add(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let bytes = match random.below(500) {
        0 => random.below(2 * SEGMENT_BYTES),
        1..20 => random.below(4000),
        _ => random.below(200),
    };
    let words = std::iter::repeat_with(|| random.next().to_le_bytes());
    words.flatten().take(usize::try_from(bytes).unwrap()).collect()
}

/// Small and good enough (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

//! `nsq_to_file` and its nsqd, killed again and again in the middle of their work.

use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use fastrand::Rng;
use protocol::put_mpub;
use tempfile::TempDir;
use tests::{Client, Nsqd, Received, Signal, Tool};

use crate::tool_to_file::{CHANNEL, files, is_empty, pieces, start};

/// By default as many as take some 20 s in a debug build. `NSQ_TO_FILE_ROUNDS` says otherwise.
const ROUNDS: u32 = 50;

/// Published at a time.
const BATCH: u32 = 50;

/// How long a round may last at most.
const ROUND_US: u64 = 200_000;

/// What the tool may hold at most.
const MAX_IN_FLIGHT: u32 = 1000;

/// What a line must look like to be a message: a number, a filling, and the number again.
fn body(number: u32) -> String {
    format!("{number:08} {} {number:08}", "x".repeat(number as usize % 300))
}

/// The number of a whole message.
fn number(line: &str) -> Option<u32> {
    let number = line.get(..8)?.parse().ok()?;
    (line == body(number)).then_some(number)
}

/// What is in the files, compressed or not.
struct Tally {
    /// How often each message is there.
    counts: Vec<u32>,
    /// Lines that are no message.
    torn: u32,
}

impl Tally {
    fn of(folder: &Path, published: u32) -> Self {
        let mut tally = Self { counts: vec![0; published as usize], torn: 0 };
        for (name, content) in files(folder) {
            for piece in pieces(&name, &content) {
                for line in piece.lines() {
                    match number(&line.unwrap_or_default()) {
                        Some(number) => tally.counts[number as usize] += 1,
                        None => tally.torn += 1,
                    }
                }
            }
        }
        tally
    }
}

/// What is killed in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Tool,
    Nsqd,
    Both,
}

struct Story {
    random: Rng,
    /// Always there, save while it is killed.
    nsqd: Option<Nsqd>,
    folder: TempDir,
    /// Of each message that was sent, whether nsqd has acknowledged it.
    acknowledged: Vec<bool>,
}

impl Story {
    async fn new(seed: u64) -> Self {
        let nsqd = Nsqd::start().await;
        // Its address must outlive it.
        let address = format!("--tcp-address={}", nsqd.tcp_address());
        let nsqd = nsqd.start_again_with(&[&address]).await;
        nsqd.create_channel("t", CHANNEL).await;
        let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
        Self { random: Rng::with_seed(seed), nsqd: Some(nsqd), folder, acknowledged: Vec::new() }
    }

    fn nsqd(&self) -> &Nsqd {
        self.nsqd.as_ref().expect("it is always there")
    }

    /// Another manner of writing in each round; files of all of them are in the same folders.
    fn tool(&mut self) -> Tool {
        let work = format!("--work-dir={}", self.folder.path().join("work").display());
        let max_in_flight = format!("--max-in-flight={MAX_IN_FLIGHT}");
        let mut flags = vec!["--sync-interval=20ms", "--consumer-opt=lookupd_poll_interval,20ms"];
        let encodings: [&[&str]; 3] = [&[], &["--gzip", "--gzip-level=1"], &["--zstd"]];
        flags.extend_from_slice(self.random.choice(encodings).expect("there are three"));
        let rotations: [&[&str]; 3] = [&[], &["--rotate-size=30000"], &["--rotate-interval=10ms"]];
        flags.extend_from_slice(self.random.choice(rotations).expect("there are three"));
        if self.random.bool() {
            flags.push(&work);
        }
        if self.random.bool() {
            flags.push(&max_in_flight);
        }
        start(self.nsqd(), self.folder.path(), &flags)
    }

    /// Kills in the middle of whatever happens then.
    async fn round(&mut self, victim: Victim) {
        let tool = self.tool();
        let mut producer = self.nsqd().connect().await;
        self.nsqd().await_channel("t", CHANNEL, |channel| channel["client_count"] != 0).await;
        let mut sent = Vec::new();
        let wait = Duration::from_micros(self.random.u64(0..ROUND_US));
        let first = self.number();
        if victim == Victim::Tool {
            tokio::select! {
                () = publish(&mut producer, first, &mut sent) => unreachable!("nobody has killed nsqd"),
                () = tokio::time::sleep(wait) => tool.signal(Signal::KILL),
            }
            self.note(&sent);
            assert_eq!(tool.ended().await.code, 137);
            return;
        }
        let nsqd = self.nsqd.take().expect("it is always there");
        let kill = async {
            tokio::time::sleep(wait).await;
            nsqd.start_again().await
        };
        let ((), nsqd) = tokio::join!(publish(&mut producer, first, &mut sent), kill);
        self.note(&sent);
        self.nsqd = Some(nsqd);
        tokio::time::sleep(Duration::from_micros(self.random.u64(0..ROUND_US / 2))).await;
        if victim == Victim::Both {
            assert_eq!(tool.killed().await.code, 137);
        } else {
            assert_eq!(tool.terminated().await.code, 0);
        }
    }

    /// Of the next message.
    fn number(&self) -> u32 {
        u32::try_from(self.acknowledged.len()).expect("they are numbered in 32 bits")
    }

    fn note(&mut self, sent: &[bool]) {
        for acknowledged in sent {
            self.acknowledged.extend(std::iter::repeat_n(*acknowledged, BATCH as usize));
        }
    }

    /// Has all that is left written.
    async fn drain(&mut self) {
        let tool = start(self.nsqd(), self.folder.path(), &["--sync-interval=20ms", "--max-in-flight=2500"]);
        let drained = self
            .nsqd()
            .await_channel("t", CHANNEL, |channel| is_empty(channel) && channel["client_count"] == 1);
        drained.await;
        assert_eq!(tool.terminated().await.code, 0);
    }
}

/// Publishes one batch after the other until nsqd ends; of each that was sent, whether it was acknowledged.
async fn publish(producer: &mut Client, first: u32, sent: &mut Vec<bool>) {
    let topic = "t".parse().expect("it is a name");
    let mut next = first;
    loop {
        let bodies: Vec<String> = (next..next + BATCH).map(body).collect();
        let mut command = BytesMut::new();
        put_mpub(&mut command, &topic, &bodies);
        sent.push(false);
        if producer.try_send(&command).await.is_err() {
            return;
        }
        match producer.read_frame().await {
            None => return,
            answer => assert_eq!(answer, Some(Received::Response(b"OK".to_vec()))),
        }
        *sent.last_mut().expect("it was pushed above") = true;
        next += BATCH;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn rounds() -> u32 {
    std::env::var("NSQ_TO_FILE_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    std::env::var("NSQ_TO_FILE_SEED")
        .map_or_else(|_| fastrand::u64(..), |text| text.parse().expect("a number"))
}

/// Runs rounds; all that was acknowledged must be in a file then. How many duplicates there are.
#[expect(clippy::print_stdout, reason = "what was counted is worth a line")]
async fn nothing_is_lost(victims: &[Victim], rounds: u32) -> u32 {
    let seed = seed();
    println!("NSQ_TO_FILE_SEED={seed}");
    let started = Instant::now();
    let mut story = Story::new(seed).await;
    for _ in 0..rounds {
        let victim = *story.random.choice(victims).expect("there is one at least");
        story.round(victim).await;
    }
    story.drain().await;
    let tally = Tally::of(story.folder.path(), story.number());
    let lost: Vec<_> = (0..story.number())
        .filter(|number| story.acknowledged[*number as usize] && tally.counts[*number as usize] == 0)
        .collect();
    let twice: u32 = tally.counts.iter().map(|count| count.saturating_sub(1)).sum();
    println!(
        "{rounds} rounds of {victims:?} in {:?}: {} messages sent, {} lost, {twice} duplicates, {} torn lines",
        started.elapsed(),
        story.number(),
        lost.len(),
        tally.torn
    );
    let few: &[u32] = &lost[..lost.len().min(10)];
    assert!(lost.is_empty(), "{} messages are lost, {few:?} among them (seed {seed})", lost.len());
    twice
}

#[tokio::test]
async fn a_killed_tool_loses_nothing_and_repeats_what_it_held() {
    // Protects what is acknowledged from not being on the disk, and the promise that only what was in flight comes twice.
    let rounds = rounds() / 2;
    let twice = nothing_is_lost(&[Victim::Tool], rounds).await;
    assert!(twice <= rounds * MAX_IN_FLIGHT, "{twice} duplicates");
}

#[tokio::test]
async fn a_killed_nsqd_loses_nothing() {
    // Protects each published message that nsqd has acknowledged, whoever is killed. What was finished since nsqd's last
    // checkpoint comes twice.
    nothing_is_lost(&[Victim::Nsqd, Victim::Both], rounds() / 2).await;
}

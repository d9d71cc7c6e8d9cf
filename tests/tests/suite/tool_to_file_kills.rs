//! `nsq_to_file` and its nsqd, killed again and again in the middle of their work.

use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tempfile::TempDir;
use tests::{Nsqd, Tool};

use crate::tool_to_file::{CHANNEL, files, is_empty, pieces, start};

/// By default as many as take some 40 s in a debug build. `NSQ_TO_FILE_ROUNDS` says otherwise.
const ROUNDS: u32 = 50;

/// Published in each round.
const MESSAGES: u32 = 2000;

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

struct Story {
    random: Rng,
    /// Always there, save while it is killed.
    nsqd: Option<Nsqd>,
    folder: TempDir,
    /// Acknowledged by nsqd.
    published: u32,
}

impl Story {
    async fn new(seed: u64) -> Self {
        let nsqd = Nsqd::start().await;
        // Its address must outlive it.
        let address = format!("--tcp-address={}", nsqd.tcp_address());
        let nsqd = nsqd.start_again_with(&[&address]).await;
        nsqd.create_channel("t", CHANNEL).await;
        let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
        Self { random: Rng::with_seed(seed), nsqd: Some(nsqd), folder, published: 0 }
    }

    fn nsqd(&self) -> &Nsqd {
        self.nsqd.as_ref().expect("it is always there")
    }

    /// Another manner of writing in each round; files of all of them are in the same folders.
    fn tool(&mut self) -> Tool {
        let work = format!("--work-dir={}", self.folder.path().join("work").display());
        let mut flags = vec!["--sync-interval=20ms", "--consumer-opt=lookupd_poll_interval,20ms"];
        let encodings: [&[&str]; 3] = [&[], &["--gzip", "--gzip-level=1"], &["--zstd"]];
        flags.extend_from_slice(self.random.choice(encodings).expect("there are three"));
        let rotations: [&[&str]; 3] = [&[], &["--rotate-size=30000"], &["--rotate-interval=10ms"]];
        flags.extend_from_slice(self.random.choice(rotations).expect("there are three"));
        if self.random.bool() {
            flags.push(&work);
        }
        if self.random.bool() {
            flags.push("--max-in-flight=1000");
        }
        start(self.nsqd(), self.folder.path(), &flags)
    }

    async fn round(&mut self) {
        let tool = self.tool();
        let mut producer = self.nsqd().connect().await;
        for _ in 0..4 {
            let last = self.published + MESSAGES / 4;
            let bodies: Vec<String> = (self.published..last).map(body).collect();
            producer.mpub("t", &bodies).await;
            self.published = last;
        }
        drop(producer);
        self.nsqd().await_channel("t", CHANNEL, |channel| channel["client_count"] != 0).await;
        // In the middle of whatever it does then.
        tokio::time::sleep(Duration::from_micros(self.random.u64(0..60_000))).await;
        if self.random.bool() {
            tool.killed().await;
            return;
        }
        let nsqd = self.nsqd.take().expect("it is always there");
        self.nsqd = Some(nsqd.start_again().await);
        tokio::time::sleep(Duration::from_micros(self.random.u64(0..60_000))).await;
        match self.random.bool() {
            true => _ = tool.killed().await,
            false => assert_eq!(tool.terminated().await.code, 0),
        }
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "what was counted is worth a line")]
async fn nothing_is_lost_when_the_tool_or_nsqd_is_killed() {
    // Protects what was acknowledged: each published message is in a file, whole.
    let rounds = std::env::var("NSQ_TO_FILE_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number"));
    let seed =
        std::env::var("NSQ_TO_FILE_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    println!("NSQ_TO_FILE_SEED={seed}");
    let started = Instant::now();
    let mut story = Story::new(seed).await;
    for _ in 0..rounds {
        story.round().await;
    }
    let tool = start(story.nsqd(), story.folder.path(), &["--sync-interval=20ms"]);
    story
        .nsqd()
        .await_channel("t", CHANNEL, |channel| is_empty(channel) && channel["client_count"] == 1)
        .await;
    assert_eq!(tool.terminated().await.code, 0);
    let tally = Tally::of(story.folder.path(), story.published);
    let lost: Vec<_> =
        (0..).zip(&tally.counts).filter(|(_, count)| **count == 0).map(|(number, _)| number).collect();
    let twice: u32 = tally.counts.iter().map(|count| count.saturating_sub(1)).sum();
    println!(
        "{rounds} rounds in {:?}: {} messages, {} lost, {twice} duplicates, {} torn lines",
        started.elapsed(),
        story.published,
        lost.len(),
        tally.torn
    );
    let few: &[u32] = &lost[..lost.len().min(10)];
    assert!(lost.is_empty(), "{} messages are lost, {few:?} among them (seed {seed})", lost.len());
}

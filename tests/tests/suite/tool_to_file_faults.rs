//! `nsq_to_file`: files that cannot be written.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use tests::{Ended, Nsqd, Tool};

use crate::disk_full::SmallDisk;
use crate::tool_to_file::{CHANNEL, files, finished, is_empty, start};

#[tokio::test]
async fn a_full_disk_ends_the_tool_and_loses_nothing() {
    // Protects messages that are not on the disk from being acknowledged.
    const MESSAGES: u32 = 800;
    let Some(disk) = SmallDisk::mount() else { return };
    for more in [&[][..], &["--zstd", "--zstd-level=1"]] {
        let nsqd = Nsqd::start().await;
        nsqd.create_channel("t", CHANNEL).await;
        let mut producer = nsqd.connect().await;
        // Random letters, which do not get smaller.
        let mut random = fastrand::Rng::with_seed(7);
        for number in 0..MESSAGES {
            let filling: String = std::iter::repeat_with(|| random.alphanumeric()).take(10_000).collect();
            producer.publish("t", format!("{number:04} {filling}")).await;
        }
        let ended = start(&nsqd, disk.path(), more).ended().await;
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        let fatal = fatal(&ended);
        assert!(
            fatal.starts_with("[t/nsq_to_file] ") && fatal.ends_with("no space left on device"),
            "{fatal}"
        );
        let left = nsqd.await_channel("t", CHANNEL, |channel| channel["in_flight_count"] == 0).await["depth"]
            .clone();
        let first = numbers(disk.path());
        let acknowledged =
            MESSAGES as usize - usize::try_from(left.as_u64().expect("a number")).expect("few");
        assert!(0 < acknowledged && acknowledged <= first.len(), "{acknowledged} of {}", first.len());
        let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
        let tool = start(&nsqd, folder.path(), more);
        nsqd.await_channel("t", CHANNEL, is_empty).await;
        assert_eq!(tool.terminated().await.code, 0);
        let all: BTreeSet<u32> = first.into_iter().chain(numbers(folder.path())).collect();
        assert_eq!(all.len(), MESSAGES as usize, "lost");
        fs::remove_dir_all(disk.path().join("out")).expect("it can be removed");
    }
}

/// Why the tool has ended. What the client says of its own end comes behind it.
fn fatal(ended: &Ended) -> &str {
    let line = ended.stderr.lines().find_map(|line| line.split_once(" FATAL: "));
    line.expect("something was fatal").1
}

/// The numbers of the messages that are whole.
fn numbers(folder: &std::path::Path) -> Vec<u32> {
    let mut numbers = Vec::new();
    for (name, content) in files(folder) {
        for piece in crate::tool_to_file::pieces(&name, &content) {
            let lines = piece.split_inclusive(|byte| *byte == b'\n').filter(|line| line.len() == 10_006);
            numbers.extend(
                lines.map(|line| String::from_utf8_lossy(&line[..4]).parse::<u32>().expect("digits")),
            );
        }
    }
    numbers
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_ends_the_tool() {
    let nsqd = Nsqd::start().await;
    nsqd.connect().await.publish("t", "a").await;
    let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
    fs::write(folder.path().join("out"), "a file").expect("it can be written");
    let ended = start(&nsqd, folder.path(), &["--topic=u"]).ended().await;
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let fatal = fatal(&ended);
    assert!(fatal.contains("/nsq_to_file] unable to create dir "), "{fatal}");
    nsqd.await_channel("t", CHANNEL, |channel| channel["depth"] == 1).await;
}

#[tokio::test]
async fn two_file_systems_are_refused_at_the_first_file() {
    // Protects against files that are written for a day and cannot be moved then.
    let Some(disk) = SmallDisk::mount() else { return };
    let nsqd = Nsqd::start().await;
    nsqd.connect().await.publish("t", "a").await;
    let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
    let work = format!("--work-dir={}", disk.path().display());
    let ended = start(&nsqd, folder.path(), &[&work]).ended().await;
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(fatal(&ended).ends_with("--work-dir and --output-dir must be on one file system"));
    nsqd.await_channel("t", CHANNEL, |channel| channel["depth"] == 1).await;
}

#[tokio::test]
async fn a_message_that_came_too_often_is_written() {
    // Protects messages from being dropped after some kills: NSQ's client finishes them unseen.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", CHANNEL, 1).await;
    nsqd.connect().await.publish("t", "again").await;
    for attempt in 1..=9 {
        let message = consumer.next_message().await;
        assert_eq!(message.attempts, attempt);
        consumer.req(message.id, Duration::ZERO).await;
    }
    drop(consumer);
    let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
    let tool = start(&nsqd, folder.path(), &[]);
    nsqd.await_channel("t", CHANNEL, |channel| is_empty(channel) && channel["client_count"] == 1).await;
    assert_eq!(tool.terminated().await.code, 0);
    crate::tool_to_file::check_files(folder.path(), &[("out/t.log", "again\n")]);
}

#[tokio::test]
async fn a_line_that_a_kill_cut_does_not_spoil_the_next() {
    let nsqd = Nsqd::start().await;
    nsqd.connect().await.publish("t", "whole").await;
    let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("out")).expect("it can be made");
    fs::write(folder.path().join("out/t.log"), "one\ntor").expect("it can be written");
    let tool: Tool = start(&nsqd, folder.path(), &[]);
    finished(&nsqd, "t", 1).await;
    assert_eq!(tool.terminated().await.code, 0);
    crate::tool_to_file::check_files(folder.path(), &[("out/t.log", "one\ntor\nwhole\n")]);
}

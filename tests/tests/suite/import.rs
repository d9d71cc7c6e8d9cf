//! A data path of NSQ 1.x, built byte by byte, is taken over at the first start.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tests::{Message, Nsqd, ours_only};

/// Some time in 2026.
const TIME: i64 = 1_795_207_848_326_260_034;

/// A record of a disk queue.
struct Record {
    id: u64,
    attempts: u16,
    body: String,
}

fn record(id: u64, attempts: u16, body: &str) -> Record {
    Record { id, attempts, body: body.to_owned() }
}

impl Record {
    fn id(&self) -> String {
        format!("18a24cdab{:07x}", self.id)
    }

    fn timestamp_ns(&self) -> i64 {
        TIME + i64::try_from(self.id).expect("small")
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = u32::try_from(26 + self.body.len()).expect("small").to_be_bytes().to_vec();
        out.extend_from_slice(&self.timestamp_ns().to_be_bytes());
        out.extend_from_slice(&self.attempts.to_be_bytes());
        out.extend_from_slice(self.id().as_bytes());
        out.extend_from_slice(self.body.as_bytes());
        out
    }
}

/// Writes a file of a queue, and returns its size.
fn write(data_path: &Path, queue: &str, number: u32, records: &[Record]) -> usize {
    let bytes: Vec<u8> = records.iter().flat_map(Record::encode).collect();
    fs::write(data_path.join(format!("{queue}.diskqueue.{number:06}.dat")), &bytes)
        .expect("it can be written");
    bytes.len()
}

fn write_meta(data_path: &Path, queue: &str, meta: &str) {
    fs::write(data_path.join(format!("{queue}.diskqueue.meta.dat")), meta).expect("it can be written");
}

/// Topic `orders` with channels `archive` and `billing` (paused), topic `held` (paused), topic `young` without channel
/// and without meta file; nothing of it lost, something of it delivered before.
fn fixture(data_path: &Path) {
    let list = r#"{"topics":[{"name":"orders","paused":false,"channels":[{"name":"archive","paused":false},{"name":"billing","paused":true}]},{"name":"held","paused":true,"channels":[{"name":"c","paused":false}]},{"name":"young","paused":false,"channels":null},{"name":"empty","paused":false,"channels":[{"name":"e","paused":true}]}],"version":"1.3.0"}"#;
    fs::write(data_path.join("nsqd.dat"), list).expect("it can be written");
    let delivered = write(data_path, "orders", 3, &[record(1, 0, "delivered long ago")]);
    write_meta(data_path, "orders", &format!("0\n3,{delivered}\n3,{delivered}\n"));
    write(
        data_path,
        "orders:archive",
        0,
        &[record(10, 0, "deferred one"), record(11, 2, "both, delivered twice here")],
    );
    write_meta(data_path, "orders:archive", "2\n0,0\n0,120\n");
    // As NSQ leaves it after a rotation: the first record of the read file was read.
    write(data_path, "orders:billing", 0, &[record(8, 0, "message 1")]);
    let read = write(data_path, "orders:billing", 1, &[record(9, 0, "message 0")]);
    let mut second = record(9, 0, "message 0").encode();
    second.extend(record(10, 0, "deferred one").encode());
    fs::write(data_path.join("orders:billing.diskqueue.000001.dat"), &second).expect("it can be written");
    write(
        data_path,
        "orders:billing",
        2,
        &[record(12, 0, "only billing"), record(11, 1, "both, delivered twice here")],
    );
    write(data_path, "orders:billing", 3, &[record(8, 2, "message 1")]);
    write_meta(data_path, "orders:billing", &format!("4\n1,{read}\n3,39\n"));
    fs::write(data_path.join("orders:billing.diskqueue.000000.dat.bad"), record(8, 0, "bad").encode())
        .expect("it can be written");
    write(data_path, "held", 0, &[record(20, 0, "h1"), record(21, 0, "h2")]);
    write_meta(data_path, "held", "2\n0,0\n0,64\n");
    write(data_path, "held:c", 0, &[record(19, 4, "h0")]);
    write_meta(data_path, "held:c", "1\n0,0\n0,32\n");
    write(data_path, "young", 0, &[record(30, 0, "y1"), record(31, 0, "y2"), record(32, 0, "y3")]);
    // Not in the list: one that holds something, one that does not, one that does not outlive a process.
    write(data_path, "stray:c", 0, &[record(40, 0, "stray")]);
    write(data_path, "gone:c", 0, &[]);
    write(data_path, "E#ephemeral:c1", 0, &[record(50, 0, "ephemeral")]);
    fs::write(data_path.join("nsqd.dat.123.tmp"), "{").expect("it can be written");
    fs::write(data_path.join("nsqd.4.dat"), list).expect("it can be written");
}

/// Body, attempts, id and time of all that a channel holds.
async fn drain(nsqd: &Nsqd, topic: &str, channel: &str) -> Vec<(String, u16, String, i64)> {
    nsqd.create_channel(topic, channel).await;
    let depth = nsqd.stats().await.channel(topic, channel)["depth"].as_u64().expect("a count");
    let count = usize::try_from(depth).expect("few");
    let messages = nsqd.consumer(topic, channel, 100).await.finish_messages(count).await;
    nsqd.await_channel(topic, channel, |channel| channel["depth"] == 0 && channel["in_flight_count"] == 0)
        .await;
    messages.iter().map(seen).collect()
}

fn seen(message: &Message) -> (String, u16, String, i64) {
    let body = String::from_utf8_lossy(&message.body).into_owned();
    (body, message.attempts, message.id.to_string(), message.timestamp_ns)
}

/// What is seen of these records at their next delivery.
fn expected(records: &[Record]) -> Vec<(String, u16, String, i64)> {
    records.iter().map(|it| (it.body.clone(), it.attempts + 1, it.id(), it.timestamp_ns())).collect()
}

/// Drains all of the fixture, and looks whether it is all there, once.
async fn check(nsqd: &Nsqd) {
    let stats = nsqd.stats().await;
    assert_eq!(stats.channel("orders", "billing")["paused"], true);
    assert_eq!(stats.channel("orders", "archive")["paused"], false);
    assert_eq!(stats.topic("held")["paused"], true);
    assert_eq!(stats.topic("held")["depth"], 2);
    assert_eq!(stats.topic("young")["depth"], 3);
    assert_eq!(stats.channel("empty", "e")["paused"], true);
    assert!(stats.topic("gone").is_null() && stats.topic("E#ephemeral").is_null());
    let archive = [record(10, 0, "deferred one"), record(11, 2, "both, delivered twice here")];
    assert_eq!(drain(nsqd, "orders", "archive").await, expected(&archive));
    nsqd.post_ok("/channel/unpause?topic=orders&channel=billing").await;
    let billing = [
        record(8, 2, "message 1"),
        record(10, 0, "deferred one"),
        record(11, 1, "both, delivered twice here"),
        record(12, 0, "only billing"),
    ];
    assert_eq!(drain(nsqd, "orders", "billing").await, expected(&billing));
    assert_eq!(drain(nsqd, "held", "c").await, expected(&[record(19, 4, "h0")]));
    nsqd.post_ok("/topic/unpause?topic=held").await;
    assert_eq!(drain(nsqd, "held", "c").await, expected(&[record(20, 0, "h1"), record(21, 0, "h2")]));
    let young = [record(30, 0, "y1"), record(31, 0, "y2"), record(32, 0, "y3")];
    assert_eq!(drain(nsqd, "young", "new").await, expected(&young));
    assert_eq!(drain(nsqd, "stray", "c").await, expected(&[record(40, 0, "stray")]));
}

/// NSQ's files in a folder, with their bytes.
fn nsq_files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files =
        fs::read_dir(folder).expect("it can be listed").map(|file| file.expect("it can be listed").path());
    let mut files: Vec<_> = files
        .filter(|path| path.is_file() && path.to_string_lossy().contains(".diskqueue."))
        .map(|path| {
            (PathBuf::from(path.file_name().expect("a name")), fs::read(&path).expect("it can be read"))
        })
        .collect();
    files.sort();
    files
}

/// The one folder of NSQ's files.
fn aside(data_path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data_path)
        .expect("it can be listed")
        .map(|entry| entry.expect("it can be listed").path());
    entries
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("nsq-1.x-")))
        .collect()
}

#[tokio::test]
async fn every_message_comes_over() {
    // Protects somebody who swaps the binary: topics, channels, pauses, bodies, ids, times and attempts, and the old files.
    if !ours_only("it reads its own queues") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let nsqd = {
        let mut nsqd = nsqd;
        assert!(nsqd.terminate().await.success());
        fixture(nsqd.data_path());
        nsqd
    };
    let before = nsq_files(nsqd.data_path());
    let nsqd = nsqd.start_again().await;
    assert_eq!(nsq_files(nsqd.data_path()), [], "nothing of NSQ is left in the way");
    let asides = aside(nsqd.data_path());
    assert_eq!(asides.len(), 1);
    assert_eq!(nsq_files(&asides[0]), before, "its files are kept as they were");
    // A second start, and one after a kill, import nothing again.
    let mut nsqd = nsqd.restart().await;
    nsqd.kill().await;
    let nsqd = nsqd.start_again().await;
    check(&nsqd).await;
    let nsqd = nsqd.restart().await;
    for (topic, channel) in [("orders", "archive"), ("orders", "billing"), ("held", "c"), ("young", "new")] {
        assert_eq!(nsqd.stats().await.channel(topic, channel)["depth"], 0, "{topic}:{channel}");
    }
    assert_eq!(aside(nsqd.data_path()).len(), 1);
}

#[tokio::test]
async fn redelivery_counts_on() {
    // Protects consumers that give up after so many attempts: the count goes on where NSQ's ended, and ids rise.
    if !ours_only("it reads its own queues") {
        return;
    }
    let mut nsqd = Nsqd::start().await;
    assert!(nsqd.terminate().await.success());
    write(nsqd.data_path(), "t:c", 0, &[record(1, 6, "seven")]);
    let nsqd = nsqd.start_again().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    for attempts in 7..10 {
        let message = consumer.next_message().await;
        assert_eq!(message.attempts, attempts);
        consumer.req(message.id, std::time::Duration::ZERO).await;
    }
    let imported = consumer.next_message().await;
    consumer.fin(imported.id).await;
    consumer.publish("t", b"new").await;
    let new = consumer.next_message().await;
    assert!(imported.id < new.id);
    assert_eq!(new.attempts, 1);
}

#[tokio::test]
async fn a_kill_at_any_step_loses_and_doubles_nothing() {
    // Protects the move itself, which happens once, on data that nobody has twice.
    if !ours_only("faults are set in our own code") {
        return;
    }
    let steps = [
        "write=abort@1",
        "write=abort@3",
        "staged=abort",
        "valid=abort",
        "move-topic=abort@2",
        "move-file=abort@1",
    ];
    let steps = steps.into_iter().chain(["move-file=abort@7", "moved=abort", "write=enospc@2", "staged=eio"]);
    for step in steps {
        let mut nsqd = Nsqd::start().await;
        assert!(nsqd.terminate().await.success());
        fixture(nsqd.data_path());
        let status = nsqd.fails_to_start_with_faults(&format!("import-{step}")).await;
        assert!(!status.success(), "{step}: {status}");
        let nsqd = nsqd.start_again().await;
        assert_eq!(nsq_files(nsqd.data_path()), [], "{step}");
        check(&nsqd).await;
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_stops_the_start() {
    // Protects the queues against a start that would not know whose they are.
    if !ours_only("the text is ours") {
        return;
    }
    let mut nsqd = Nsqd::start().await;
    assert!(nsqd.terminate().await.success());
    fixture(nsqd.data_path());
    fs::write(nsqd.data_path().join("nsqd.dat"), "{\"topics\":[").expect("it can be written");
    let before = nsq_files(nsqd.data_path());
    let (status, log) = nsqd.start_rival().await;
    assert!(!status.success());
    assert!(log.contains("nsqd.dat") && log.contains("repair it"), "{log}");
    assert_eq!(nsq_files(nsqd.data_path()), before);
    // Only the old name is there, as in versions before 1.2.
    fs::remove_file(nsqd.data_path().join("nsqd.dat")).expect("it is there");
    check(&nsqd.start_again().await).await;
}

#[tokio::test]
async fn many_small_queues_come_over() {
    // Protects a data path of many topics: nothing grows with their number but the work.
    if !ours_only("it reads its own queues") {
        return;
    }
    let mut nsqd = Nsqd::start().await;
    assert!(nsqd.terminate().await.success());
    for number in 0..500 {
        write(
            nsqd.data_path(),
            &format!("t{number}.diskqueue.x:c.c"),
            1_000_000,
            &[record(number, 0, &number.to_string())],
        );
    }
    let nsqd = nsqd.start_again().await;
    let stats = nsqd.stats().await;
    for number in 0..500 {
        assert_eq!(stats.channel(&format!("t{number}.diskqueue.x"), "c.c")["depth"], 1, "{number}");
    }
}

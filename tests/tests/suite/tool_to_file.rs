//! `nsq_to_file`: what is in which file.

use std::fs;
use std::io::{BufRead, Read};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tests::{Lookupd, Nsqd, Tool, within};

pub(crate) const TOOL: &str = "nsq_to_file";

/// The channel of the tool.
pub(crate) const CHANNEL: &str = "nsq_to_file";

/// The arguments of every run: one topic, `t`, and names without a date. Later ones win.
pub(crate) fn arguments(nsqd: &Nsqd, folder: &Path, more: &[&str]) -> Vec<String> {
    let mut all = vec![
        "--topic=t".to_owned(),
        format!("--nsqd-tcp-address={}", nsqd.tcp_address()),
        format!("--output-dir={}", folder.join("out").display()),
        "--filename-format=<TOPIC><REV>.log".to_owned(),
        "--sync-interval=100ms".to_owned(),
    ];
    all.extend(more.iter().map(ToString::to_string));
    all
}

pub(crate) fn start(nsqd: &Nsqd, folder: &Path, more: &[&str]) -> Tool {
    let all = arguments(nsqd, folder, more);
    Tool::start(TOOL, &all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Name and content of all files below a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name =
                    path.strip_prefix(folder).expect("it is below").to_str().expect("UTF-8").to_owned();
                found.push((name, fs::read(&path).expect("it can be read")));
            }
        }
    }
    found.sort();
    found
}

#[track_caller]
pub(crate) fn check_files(folder: &Path, expected: &[(&str, &str)]) {
    let found = files(folder);
    let found: Vec<_> =
        found.iter().map(|(name, content)| (name.as_str(), content.escape_ascii().to_string())).collect();
    let expected: Vec<_> =
        expected.iter().map(|(name, content)| (*name, content.escape_default().to_string())).collect();
    assert_eq!(found, expected);
}

/// Waits until the channel of the tool has got and finished so many messages.
pub(crate) async fn finished(nsqd: &Nsqd, topic: &str, count: u64) {
    nsqd.await_channel(topic, CHANNEL, |channel| channel["message_count"] == count && is_empty(channel))
        .await;
}

pub(crate) fn is_empty(channel: &Value) -> bool {
    channel["depth"] == 0 && channel["in_flight_count"] == 0 && channel["deferred_count"] == 0
}

/// Ours and, if there is one, the reference's, one after the other; each with a folder and an nsqd of its own.
async fn each(more: &[&str], mut story: impl AsyncFnMut(&Nsqd, &TempDir, &mut dyn FnMut() -> Tool)) {
    for is_reference in [false, true] {
        let nsqd = Nsqd::start().await;
        nsqd.create_channel("t", CHANNEL).await;
        let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
        let all = arguments(&nsqd, folder.path(), more);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        if is_reference && Tool::start_reference(TOOL, &["--version"]).is_none() {
            return;
        }
        let mut start = || {
            if is_reference {
                Tool::start_reference(TOOL, &all).expect("it was there a moment ago")
            } else {
                Tool::start(TOOL, &all)
            }
        };
        story(&nsqd, &folder, &mut start).await;
    }
}

async fn stop(tool: Tool) {
    let ended = tool.terminated().await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn files_are_left_when_they_have_more_than_their_size() {
    // Protects the recorded contents: a file exceeds its size by up to a message, and a restart continues those that do not.
    each(&["--rotate-size=10", "--skip-empty-files"], async |nsqd, folder, start| {
        nsqd.connect().await.mpub("t", &["0001", "0002", "0003", "0004", "0005", "0006"]).await;
        let tool = start();
        finished(nsqd, "t", 6).await;
        stop(tool).await;
        let first = [("out/t-000000.log", "0001\n0002\n0003\n"), ("out/t-000001.log", "0004\n0005\n0006\n")];
        check_files(folder.path(), &first);
        nsqd.connect().await.publish("t", "0007").await;
        let tool = start();
        finished(nsqd, "t", 7).await;
        stop(tool).await;
        check_files(folder.path(), &[first[0], first[1], ("out/t-000002.log", "0007\n")]);
        nsqd.connect().await.publish("t", "8").await;
        let tool = start();
        finished(nsqd, "t", 8).await;
        stop(tool).await;
        check_files(folder.path(), &[first[0], first[1], ("out/t-000002.log", "0007\n8\n")]);
    })
    .await;
}

#[tokio::test]
async fn default_names_have_topic_host_and_hour() {
    // Protects whatever collects these files by their names.
    each(&["--filename-format=<TOPIC>.<HOST><REV>.<DATETIME>.log"], async |nsqd, folder, start| {
        nsqd.connect().await.publish("t", "a").await;
        let tool = start();
        finished(nsqd, "t", 1).await;
        stop(tool).await;
        let found = files(folder.path());
        let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("the host has a name");
        let host = host.trim().split('.').next().expect("the part before a dot");
        let Some(date) = found[0].0.strip_prefix(&format!("out/t.{host}.")) else { panic!("{found:?}") };
        let form: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(form, "0000-00-00_00.log");
        // An hour may begin in the middle of it.
        assert!(found.len() <= 2 && found.iter().any(|(_, content)| content == b"a\n"), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn folders_dates_hosts_and_literals() {
    // Protects literals in dates, which NSQ takes for elements of a Go layout.
    let nsqd = Nsqd::start().await;
    let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
    nsqd.connect().await.publish("t", "a").await;
    let flags = [
        "--filename-format=<TOPIC>/<DATETIME>/<HOST>-<PID><REV>",
        "--datetime-format=v1_r5_part2_Mon_x7",
        "--host-identifier=h",
    ];
    let tool = start(&nsqd, folder.path(), &flags);
    finished(&nsqd, "t", 1).await;
    let name = format!("out/t/v1_r5_part2_Mon_x7/h-{}", tool.pid());
    check_files(folder.path(), &[(&name, "a\n")]);
    stop(tool).await;
}

/// The contents of the complete pieces of a file.
pub(crate) fn pieces(name: &str, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut piece = Vec::new();
        let read = match name.rsplit_once('.').expect("names have endings").1 {
            "gz" => flate2::bufread::GzDecoder::new(&mut rest).read_to_end(&mut piece),
            "zst" => zstd::stream::read::Decoder::with_buffer(&mut rest)
                .and_then(|decoder| decoder.single_frame().read_to_end(&mut piece)),
            _ => rest.read_to_end(&mut piece),
        };
        if read.is_err() {
            break;
        }
        pieces.push(piece);
    }
    pieces
}

#[tokio::test]
async fn compressed_files_are_chains_that_ordinary_tools_read() {
    // Protects acknowledged messages: each sync ends a piece, which can be read without what is behind it.
    for (flag, ending) in [("--gzip", "gz"), ("--zstd", "zst")] {
        let nsqd = Nsqd::start().await;
        let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
        let mut tool = Some(start(&nsqd, folder.path(), &[flag, "--sync-interval=50ms"]));
        let name = format!("t-000000.log.{ending}");
        let path = folder.path().join("out").join(&name);
        for (count, body) in [(1, "first"), (2, "second"), (3, "third")] {
            nsqd.connect().await.publish("t", body).await;
            finished(&nsqd, "t", count).await;
            // While it is open.
            let pieces = pieces(&name, &fs::read(&path).expect("it is there"));
            assert_eq!(pieces.len() as u64, count);
            assert_eq!(pieces.last().expect("one was ended"), format!("{body}\n").as_bytes());
        }
        stop(tool.take().expect("it runs")).await;
        if flag == "--gzip" {
            let told = Command::new("gzip").arg("-dc").arg(&path).output().expect("there is a gzip");
            assert!(told.status.success(), "{told:?}");
            assert_eq!(told.stdout, b"first\nsecond\nthird\n");
        } else {
            let whole = fs::File::open(&path).and_then(zstd::stream::decode_all);
            assert_eq!(whole.expect("the library reads it"), b"first\nsecond\nthird\n");
        }
        // Never continued, and valid even without a message.
        let tool = start(&nsqd, folder.path(), &[flag, "--sync-interval=20ms"]);
        tool.await_log("opening").await;
        stop(tool).await;
        let found = files(&folder.path().join("out"));
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].0, format!("t-000001.log.{ending}"));
        assert_eq!(self::pieces(&found[1].0, &found[1].1), [b""]);
    }
}

#[tokio::test]
async fn empty_files_can_be_skipped() {
    for (more, expected) in [(&[][..], 1), (&["--skip-empty-files"], 0)] {
        let nsqd = Nsqd::start().await;
        nsqd.create_channel("t", CHANNEL).await;
        nsqd.create_channel("u", CHANNEL).await;
        let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
        let mut flags = vec!["--topic=u", "--sync-interval=20ms"];
        flags.extend_from_slice(more);
        let tool = start(&nsqd, folder.path(), &flags);
        // The ticks of both topics are as often.
        nsqd.connect().await.publish("t", "a").await;
        finished(&nsqd, "t", 1).await;
        if expected == 1 {
            within("a file without messages", async {
                while !folder.path().join("out/u.log").exists() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        stop(tool).await;
        assert_eq!(files(folder.path()).len(), 1 + expected, "{more:?}");
    }
}

#[tokio::test]
async fn topics_are_discovered_at_once_and_later() {
    // Protects the messages of the first minute, which NSQ spends idle, and discovery while an nsqlookupd is away.
    let lookupd = Lookupd::start().await;
    let nsqd = Nsqd::start_with(&[&lookupd.flag()]).await;
    let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
    nsqd.connect().await.publish("a1", "one").await;
    nsqd.connect().await.publish("b1", "other").await;
    let known = async |topic: &str| {
        let target = format!("http://{}/topics", lookupd.http_address());
        within(&format!("{topic} at {target}"), async {
            let mut http = tests::HttpConnection::connect(lookupd.http_address()).await;
            while !http.request("GET", "/topics", b"").await.text().contains(topic) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    known("a1").await;
    known("b1").await;
    let out = format!("--output-dir={}", folder.path().display());
    let lookupd_flag = format!("--lookupd-http-address={}", lookupd.http_address());
    let tool = Tool::start(
        TOOL,
        &[
            "--topic-pattern=^a[[:digit:]]$",
            "--topic-refresh=50ms",
            "--lookupd-http-address=127.0.0.1:9",
            &lookupd_flag,
            "--consumer-opt=lookupd_poll_interval,50ms",
            &out,
            "--filename-format=<TOPIC>",
            "--sync-interval=50ms",
        ],
    );
    finished(&nsqd, "a1", 1).await;
    nsqd.connect().await.publish("a2", "two").await;
    finished(&nsqd, "a2", 1).await;
    let log = tool.log();
    let skipped = log.lines().filter(|line| line.contains("skipping topic b1 (doesn't match pattern"));
    assert_eq!(skipped.count(), 1, "{log}");
    assert!(log.contains("could not retrieve topic list: nsqlookupd 127.0.0.1:9"), "{log}");
    stop(tool).await;
    check_files(folder.path(), &[("a1", "one\n"), ("a2", "two\n")]);
    assert!(nsqd.stats().await.channel("b1", CHANNEL).is_null());
}

#[tokio::test]
async fn named_topics_can_be_filtered() {
    let nsqd = Nsqd::start().await;
    let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
    nsqd.connect().await.publish("t", "a").await;
    let tool = start(&nsqd, folder.path(), &["--topic=x", "--topic-pattern=t"]);
    finished(&nsqd, "t", 1).await;
    assert!(tool.log().contains("skipping topic x (doesn't match pattern"), "{}", tool.log());
    stop(tool).await;
    check_files(folder.path(), &[("out/t.log", "a\n")]);
}

/// Messages of the volume test; each is a line of 7 digits.
const MANY: u32 = 1_000_000;

#[tokio::test]
async fn a_million_messages_through_rotation() {
    // Protects each message from being lost or written twice where one file ends and the next one begins.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", CHANNEL).await;
    let folder = TempDir::with_prefix("nsq-to-file-").expect("a temporary folder can be made");
    let work = format!("--work-dir={}", folder.path().join("work").display());
    let flags = [
        "--rotate-size=500000",
        "--max-in-flight=2500",
        "--gzip",
        "--gzip-level=1",
        "--sync-interval=1s",
        &work,
    ];
    let tool = start(&nsqd, folder.path(), &flags);
    let mut producer = nsqd.connect().await;
    for first in (0..MANY).step_by(5000) {
        let bodies: Vec<String> = (first..first + 5000).map(|number| format!("{number:07}")).collect();
        producer.mpub("t", &bodies).await;
    }
    let written = async {
        while !is_empty(&nsqd.stats().await.channel("t", CHANNEL)) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_mins(2), written).await;
    assert!(waited.is_ok(), "a million messages take more than two minutes");
    stop(tool).await;
    let mut counts = vec![0_u8; MANY as usize];
    let found = files(folder.path());
    for (name, content) in &found {
        assert!(name.starts_with("out/t-"), "{name} was not moved");
        for piece in pieces(name, content) {
            for line in piece.lines() {
                let number: usize = line.expect("digits").parse().expect("digits");
                counts[number] += 1;
            }
        }
    }
    assert_eq!(counts.iter().position(|count| *count != 1), None, "lost or twice");
    // 8 bytes a line: a file is left with the line that exceeds the size.
    assert_eq!(found.len(), (MANY as usize * 8).div_ceil(500_008));
}

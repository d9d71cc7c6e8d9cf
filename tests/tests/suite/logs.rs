//! The log: formats, files, and what a service manager is told.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;
use tests::{Nsqd, await_line, ours_only, within};
use tokio::net::UnixDatagram;

fn object(line: &str) -> Value {
    let value = serde_json::from_str::<Value>(line);
    assert!(value.as_ref().is_ok_and(Value::is_object), "{value:?}: {line}");
    value.expect("it was looked at")
}

#[tokio::test]
async fn each_line_is_an_object_whatever_a_client_sends() {
    // Protects whoever collects logs by a program: a client's text can neither break a line nor add one or a key.
    if !ours_only("--log-format") {
        return;
    }
    let flags = ["--log-format=json", "--log-prefix=[nsqd-7] ", "--log-level=debug"];
    let mut nsqd = Nsqd::start_with(&flags).await;
    let evil = "a\"}\n{\"level\":\"fatal\",\"message\":\"\u{9b}2J\u{2028}\r\0é";
    let escaped = evil.bytes().fold(String::new(), |escaped, byte| format!("{escaped}%{byte:02X}"));
    let response = nsqd.post(&format!("/mpub?topic=t&binary={escaped}"), b"").await;
    assert_ne!(response.status, 200, "an empty body has no messages");
    let line = object(&nsqd.await_log("deprecated value").await);
    assert_eq!(line["message"], format!("deprecated value '{evil}' used for /mpub binary param"));
    assert_eq!((&line["level"], &line["program"]), (&"warning".into(), &"nsqd-7".into()));

    let mut client = nsqd.connect().await;
    client.send("FOO\"\u{9b} \u{2028}\n").await;
    client.next_error().await;
    drop(client);
    let line = object(&nsqd.await_log("refused: E_INVALID").await);
    assert!(line["client"].as_str().is_some_and(|client| client.starts_with("127.0.0.1:")), "{line}");

    assert!(nsqd.terminate().await.success());
    nsqd.await_log("NSQ: bye").await;
    for line in nsqd.log() {
        let line = object(&line);
        let time = line["time"].as_str().expect("each line has a time");
        assert_eq!((time.len(), time.ends_with('Z')), ("2026-11-20T21:22:44.003666Z".len(), true), "{time}");
        assert!(["debug", "info", "warning"].contains(&line["level"].as_str().expect("a level")), "{line}");
    }
}

#[tokio::test]
async fn a_connection_can_be_followed() {
    // Protects the search for what one client did: all lines about a connection have its number, which is never used
    // again, and the last one tells who it was.
    if !ours_only("its lines have the address alone, and there are five and more of each connection") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--log-format=json"]).await;
    let mut client = nsqd.connect().await;
    client.identify(r#"{"client_id":"worker \"7\""}"#).await;
    client.send("FOO\n").await;
    client.next_error().await;
    drop(client);
    let end = object(&nsqd.await_log("disconnected").await);
    assert_eq!(end["client_id"], "worker \"7\"");
    for text in ["TCP: new client(", "refused: E_INVALID"] {
        assert_eq!(object(&nsqd.await_log(text).await)["connection"], end["connection"], "{text}");
    }
    drop(nsqd.connect().await);
    nsqd.connect().await.publish("t", "x").await;
    nsqd.await_log("TOPIC(t): created").await;
    let lines: Vec<Value> = nsqd.log().iter().map(|line| object(line)).collect();
    let begun: Vec<&Value> = lines
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with("TCP: new client(")))
        .map(|line| &line["connection"])
        .collect();
    assert!(begun.windows(2).all(|pair| pair[0] != pair[1]), "{begun:?}");
}

#[tokio::test]
async fn a_probe_is_no_error() {
    // Protects the log from load balancers, which connect and close every second.
    if !ours_only("a probe is two lines, one of them an error") {
        return;
    }
    let nsqd = Nsqd::start().await;
    for _ in 0..3 {
        drop(tokio::net::TcpStream::connect(nsqd.tcp_address()).await.expect("it listens"));
        drop(tokio::net::TcpStream::connect(nsqd.http_address()).await.expect("it listens"));
    }
    // It stays: its end would be a line, too.
    let mut client = nsqd.connect().await;
    client.publish("t", "x").await;
    nsqd.await_log("TOPIC(t): created").await;
    let about_clients = |line: &&String| line.contains("client") || line.contains("ERROR");
    assert_eq!(nsqd.log().iter().filter(about_clients).count(), 1, "{:#?}", nsqd.log());
}

#[tokio::test]
async fn a_renamed_log_file_is_replaced_at_sighup() {
    // Protects those who keep logs in files: what was there stays, logrotate costs no line, stderr has nothing twice.
    if !ours_only("--log-file") {
        return;
    }
    let folder = TempDir::new().expect("a temporary folder can be made");
    let [path, first, second] = ["nsqd.log", "nsqd.log.1", "nsqd.log.2"].map(|name| folder.path().join(name));
    fs::write(&path, "of an earlier life\n").expect("it can be written");
    let mut nsqd = Nsqd::start_with(&[&format!("--log-file={}", path.display())]).await;

    fs::rename(&path, &first).expect("it can be renamed");
    nsqd.post_ok("/topic/create?topic=before").await;
    await_line(&first, "topic=before").await;
    nsqd.hang_up();
    await_line(&path, "INFO: SIGHUP: the log file").await;
    nsqd.post_ok("/topic/create?topic=after").await;
    await_line(&path, "topic=after").await;
    let [old, new] = [&first, &path].map(|file| fs::read_to_string(file).expect("it can be read"));
    assert!(old.starts_with("of an earlier life\n") && !old.contains("topic=after"), "{old}");
    assert!(!new.contains("topic=before"), "{new}");

    fs::rename(&path, &second).expect("it can be renamed");
    fs::create_dir(&path).expect("a folder can be made");
    nsqd.hang_up();
    await_line(&second, "ERROR: SIGHUP: the log stays in the file that was").await;
    assert!(nsqd.terminate().await.success());
    await_line(&second, "NSQ: bye").await;
    assert_eq!(nsqd.log(), [""; 0]);
}

#[tokio::test]
async fn a_log_file_that_cannot_be_opened_ends_the_start_on_stderr() {
    // Protects operators from a daemon that ends, or runs, without a word.
    if !ours_only("--log-file") {
        return;
    }
    let (status, stderr) = Nsqd::fails_to_start(&["--log-file=/nowhere/nsqd.log", "--log-format=json"]).await;
    assert_eq!(status.code(), Some(1));
    let expected = "FATAL: failed to instantiate nsqd - cannot open the log file /nowhere/nsqd.log: \
                    no such file or directory\n";
    assert!(stderr.starts_with("[nsqd] ") && stderr.ends_with(expected), "{stderr}");
    let (status, stderr) = Nsqd::fails_to_start(&["--log-format=xml"]).await;
    assert_eq!(status.code(), Some(2));
    assert!(
        stderr.starts_with("invalid value \"xml\" for flag -log-format: must be nsq or json\n"),
        "{stderr}"
    );
}

/// A service manager's socket and its place.
fn notify_socket(folder: &TempDir) -> (UnixDatagram, String) {
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket can be bound");
    (socket, path.display().to_string())
}

/// What the service manager is told next.
async fn told(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 1000];
    let count = within("a word to the service manager", socket.recv(&mut bytes)).await.expect("it comes");
    String::from_utf8(bytes[..count].to_vec()).expect("it is a text")
}

#[tokio::test]
async fn a_service_manager_knows_when_to_go_on() {
    // Protects units that depend on nsqd, `systemctl reload` that waits for its end, and a stop that takes its time.
    if !ours_only("NOTIFY_SOCKET") {
        return;
    }
    let folder = TempDir::new().expect("a temporary folder can be made");
    let (socket, path) = notify_socket(&folder);
    let mut nsqd = Nsqd::start_with_variables(&[], &[("NOTIFY_SOCKET", &path)]).await;
    assert_eq!(told(&socket).await, "READY=1");
    for _ in 0..2 {
        nsqd.hang_up();
        let reloading = told(&socket).await;
        let (first, time) = reloading.split_once('\n').expect("two lines");
        assert_eq!(first, "RELOADING=1");
        let time = time.strip_prefix("MONOTONIC_USEC=").and_then(|time| time.parse::<u64>().ok());
        assert!(time.is_some(), "{reloading}");
        assert_eq!(told(&socket).await, "READY=1");
    }
    assert!(nsqd.terminate().await.success());
    assert_eq!(told(&socket).await, "STOPPING=1");
    let mut byte = [0];
    assert!(socket.try_recv(&mut byte).is_err(), "nothing comes after the end");
}

#[tokio::test]
async fn a_service_manager_hears_that_nsqd_is_alive() {
    // Protects those who set WatchdogSec: a daemon that stands still is killed, one that works is not.
    if !ours_only("WATCHDOG_USEC") {
        return;
    }
    let folder = TempDir::new().expect("a temporary folder can be made");
    let (socket, path) = notify_socket(&folder);
    let variables = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", "20000")];
    let mut nsqd = Nsqd::start_with_variables(&[], &variables).await;
    assert_eq!(told(&socket).await, "READY=1");
    for _ in 0..5 {
        assert_eq!(told(&socket).await, "WATCHDOG=1");
    }
    let last_word = async {
        loop {
            let word = told(&socket).await;
            if word != "WATCHDOG=1" {
                return word;
            }
        }
    };
    let (status, last_word) = tokio::join!(nsqd.terminate(), last_word);
    assert!(status.success() && last_word == "STOPPING=1", "{status}, {last_word}");
}

#[tokio::test]
async fn without_its_service_manager_nsqd_goes_on() {
    // Protects a daemon whose environment names a socket that is gone: one warning, no more.
    if !ours_only("NOTIFY_SOCKET") {
        return;
    }
    let nsqd = Nsqd::start_with_variables(&[], &[("NOTIFY_SOCKET", "/nowhere/notify")]).await;
    nsqd.await_log("WARNING: the service manager at /nowhere/notify cannot be told").await;
    nsqd.hang_up();
    nsqd.await_log("SIGHUP: there is nothing to read anew").await;
    nsqd.post_ok("/topic/create?topic=t").await;
    nsqd.await_log("topic=t").await;
    assert_eq!(nsqd.log().iter().filter(|line| line.contains("service manager")).count(), 1);
}

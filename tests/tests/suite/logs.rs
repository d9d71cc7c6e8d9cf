//! The log: formats, files, and what a service manager is told.

use serde_json::Value;
use tests::{Nsqd, ours_only};

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

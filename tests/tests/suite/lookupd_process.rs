//! nsqlookupd as a process: options, start, stop, its log, and what a service manager is told.

use std::fs;

use tempfile::TempDir;
use tests::{Lookupd, await_line, ours_only, within};
use tokio::net::UnixDatagram;

#[tokio::test]
async fn a_command_line_that_cannot_be_read_ends_with_2_and_the_usage() {
    // Protects scripts and unit files: the first line of stderr, the usage behind it, the exit code.
    for (argument, line) in [
        ("-nope", "flag provided but not defined: -nope"),
        ("-tombstone-lifetime=5", "invalid value \"5\" for flag -tombstone-lifetime: parse error"),
        (
            "--log-level=warning",
            "invalid value \"warning\" for flag -log-level: invalid log level 'warning' (debug, info, warn, error, fatal)",
        ),
    ] {
        let (code, stdout, stderr) = Lookupd::run(&[argument]).await;
        assert_eq!((code, stdout.as_str(), stderr.lines().next()), (Some(2), "", Some(line)));
        assert!(stderr.contains("-inactive-producer-timeout"), "no usage behind {line}");
    }
    let (code, stdout, stderr) = Lookupd::run(&["--version"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("nsqlookupd v1.3.0 (built w/") && stdout.ends_with(")\n"), "{stdout}");
    let (code, stdout, stderr) = Lookupd::run(&["-h"]).await;
    assert!(code == Some(0) && stdout.is_empty() && stderr.contains("-tombstone-lifetime"), "{stderr}");
}

#[tokio::test]
async fn what_would_be_dropped_silently_is_refused() {
    // Protects flags behind an argument that ends the parsing, and values that cannot work.
    if !ours_only("what follows an argument that is no flag is ignored") {
        return;
    }
    let (code, _, stderr) = Lookupd::run(&["--verbose", "true", "--tcp-address=:0"]).await;
    assert!(code == Some(2) && stderr.starts_with("unexpected argument \"true\""), "{stderr}");
    for (flag, text) in [
        ("--tombstone-lifetime=-1s", "--tombstone-lifetime=-1s: must be at least 0s"),
        ("--tcp-address=/l.sock", "--tcp-address=/l.sock: must be host:port"),
    ] {
        let (code, _, stderr) = Lookupd::run(&[flag]).await;
        assert_eq!(code, Some(1), "{flag}");
        assert!(stderr.ends_with(&format!("FATAL: failed to instantiate nsqlookupd - {text}\n")), "{stderr}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_ends_the_start_with_1() {
    // Protects operators: the line says which key, which value and what is wrong with it.
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("nsqlookupd.toml");
    let path = path.to_str().expect("it is UTF-8");
    for (text, expected) in [
        ("x = \n", format!("[nsqlookupd] … FATAL: failed to load config file {path} - ")),
        (
            "log_level = \"bogus\"\ntombstone_lifetime = \"abc\"",
            "[nsqlookupd] … FATAL: failed parsing log_level bogus".to_owned(),
        ),
        (
            "tombstone_lifetime = \"abc\"",
            "ERROR: Resolve failed to coerce value abc (45s) for field TombstoneLifetime - time: invalid duration \"abc\"".to_owned(),
        ),
    ] {
        fs::write(path, text).expect("it can be written");
        let (code, _, stderr) = Lookupd::run(&["--config", path]).await;
        assert_eq!(code, Some(1), "{text}");
        // The time is cut out.
        let (start, end) = expected.split_once(" … ").unwrap_or(("", &expected));
        assert!(stderr.starts_with(start) && stderr.contains(end), "{text}: {stderr}");
    }
    let (code, _, stderr) = Lookupd::run(&["--config=/nowhere.toml"]).await;
    let expected =
        "FATAL: failed to load config file /nowhere.toml - open /nowhere.toml: no such file or directory";
    assert!(code == Some(1) && stderr.contains(expected), "{stderr}");
}

#[tokio::test]
async fn a_file_and_flags_are_taken_together() {
    // Protects deployments: one file for all machines, and a flag for one of them.
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("nsqlookupd.toml");
    let text = "log_prefix = \"[of the file] \"\nbroadcast_address = \"file.example\"\ntombstone_lifetime = 1500\n\
                inactive_producer_timeout = \"1m\"\nlog_level = \"DEBUG\"\n";
    fs::write(&path, text).expect("it can be written");
    let config = format!("--config={}", path.display());
    let lookupd = Lookupd::start_with(&[&config, "-broadcast-address", "flag.example", "--verbose"]).await;
    let line = lookupd.await_log(" INFO: nsqlookupd v1.3.0 (built w/").await;
    assert!(line.starts_with("[of the file] "), "{line}");
    let mut client = lookupd.connect().await;
    client.send_identify(Lookupd::BODY).await;
    let answer = client.answer().await;
    assert!(answer.starts_with(r#"{"broadcast_address":"flag.example","#), "{answer}");
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_start() {
    // Protects operators from two directories on one port, and from a start that only seems to have worked.
    if !ours_only("the line has a slip in it") {
        return;
    }
    let lookupd = Lookupd::start().await;
    for (flag, other, address) in [
        ("--tcp-address", "--http-address=127.0.0.1:0", lookupd.tcp_address()),
        ("--http-address", "--tcp-address=127.0.0.1:0", lookupd.http_address()),
    ] {
        let (code, _, stderr) = Lookupd::run(&[&format!("{flag}={address}"), other]).await;
        let expected = format!(
            "FATAL: failed to instantiate nsqlookupd - listen ({address}) failed - listen tcp {address}: bind: address already in use\n"
        );
        assert!(code == Some(1) && stderr.ends_with(&expected), "{stderr}");
    }
}

#[tokio::test]
async fn a_stop_ends_all_connections_and_is_told() {
    // Protects scripts that watch the log of a stop, and unit files that look at the exit code.
    let mut lookupd = Lookupd::start().await;
    let mut client = lookupd.identified().await;
    client.ok("REGISTER t c").await;
    assert_eq!(lookupd.terminate().await.code(), Some(0));
    client.expect_end().await;
    lookupd.await_log("HTTP: closing").await;
    let log = lookupd.log();
    let mut at = 0;
    for text in [
        " INFO: nsqlookupd v1.3.0 (built w/",
        " INFO: TCP: listening on 127.0.0.1:",
        " INFO: HTTP: listening on 127.0.0.1:",
        " INFO: TCP: closing 127.0.0.1:",
        ") UNREGISTER category:topic key:t subkey:",
        " INFO: HTTP: closing 127.0.0.1:",
    ] {
        // NSQ may end its connections behind the last line.
        let from = if tests::is_reference() { 0 } else { at };
        let found = log[from..].iter().position(|line| line.contains(text));
        at = from + found.unwrap_or_else(|| panic!("no {text} behind line {from}: {log:#?}")) + 1;
    }
    assert!(log.iter().all(|line| line.starts_with("[nsqlookupd] ")), "{log:#?}");
}

#[tokio::test]
async fn a_renamed_log_file_is_replaced_at_sighup() {
    // Protects those who keep logs in files, and nsqlookupd from a SIGHUP, which kills NSQ's.
    if !ours_only("--log-file, --log-format") {
        return;
    }
    let folder = TempDir::new().expect("a temporary folder can be made");
    let [path, old] = ["l.log", "l.log.1"].map(|name| folder.path().join(name));
    let file = format!("--log-file={}", path.display());
    let mut lookupd = Lookupd::start_with(&[&file, "--log-format=json"]).await;
    fs::rename(&path, &old).expect("it can be renamed");
    lookupd.identified().await.ok("REGISTER before").await;
    await_line(&old, "key:before").await;
    lookupd.hang_up();
    await_line(&path, "SIGHUP: the log file").await;
    lookupd.identified().await.ok("REGISTER after").await;
    let line = await_line(&path, "key:after").await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("an object");
    assert_eq!((&line["level"], &line["program"]), (&"info".into(), &"nsqlookupd".into()));
    assert!(lookupd.terminate().await.success());
    assert_eq!(lookupd.log(), [""; 0]);
}

#[tokio::test]
async fn a_service_manager_knows_when_to_go_on() {
    // Protects units that depend on nsqlookupd, and `systemctl reload`.
    if !ours_only("NOTIFY_SOCKET") {
        return;
    }
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket can be bound");
    let told = async || {
        let mut bytes = [0; 1000];
        let count = within("a word to the service manager", socket.recv(&mut bytes)).await.expect("it comes");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    let path = path.display().to_string();
    let mut lookupd = Lookupd::start_with_variables(&[], &[("NOTIFY_SOCKET", &path)]).await;
    assert_eq!(told().await, "READY=1");
    lookupd.hang_up();
    assert!(told().await.starts_with("RELOADING=1\n"));
    assert_eq!(told().await, "READY=1");
    assert!(lookupd.terminate().await.success());
    assert_eq!(told().await, "STOPPING=1");
}

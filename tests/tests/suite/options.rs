//! The command line and the configuration file, as the process takes them: what it says and how it ends.

use std::fs;

use tempfile::TempDir;
use tests::{Nsqd, ours_only};

/// A data path and a file in it.
fn configured(text: &str) -> (TempDir, String) {
    let folder = TempDir::with_prefix("nsqd-test-").expect("a temporary folder can be made");
    let path = folder.path().join("nsqd.toml");
    fs::write(&path, text).expect("it can be written");
    let path = path.to_str().expect("it is UTF-8").to_owned();
    (folder, path)
}

#[tokio::test]
async fn a_command_line_that_cannot_be_read_ends_with_2_and_the_usage() {
    // Protects scripts and unit files: the first line of stderr, the usage behind it, the exit code.
    for (arguments, line) in [
        (&["-nope"][..], "flag provided but not defined: -nope"),
        (&["--msg-timeout=60"], "invalid value \"60\" for flag -msg-timeout: parse error"),
        (
            &["-max-rdy-count", "9223372036854775808"],
            "invalid value \"9223372036854775808\" for flag -max-rdy-count: value out of range",
        ),
        (&["-mem-queue-size=1e3"], "invalid value \"1e3\" for flag -mem-queue-size: parse error"),
        (&["-deflate=maybe"], "invalid boolean value \"maybe\" for -deflate: parse error"),
        (&["-snappy=yes"], "invalid boolean value \"yes\" for -snappy: parse error"),
        (
            &["-tls-required=maybe"],
            "invalid boolean value \"maybe\" for -tls-required: strconv.ParseBool: parsing \"maybe\": invalid syntax",
        ),
        (
            &["-tls-min-version=ssl3.0"],
            "invalid value \"ssl3.0\" for flag -tls-min-version: unknown tlsVersionOption \"ssl3.0\"",
        ),
        (
            &["-log-level=warning"],
            "invalid value \"warning\" for flag -log-level: invalid log level 'warning' (debug, info, warn, error, fatal)",
        ),
        (&["-msg-timeout"], "flag needs an argument: -msg-timeout"),
        (&["---x"], "bad flag syntax: ---x"),
    ] {
        let (code, stdout, stderr) = Nsqd::run(arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(stderr.lines().next(), Some(line), "{arguments:?}");
        assert!(stderr.contains("-tcp-address"), "no usage behind {line}");
    }
}

#[tokio::test]
async fn what_would_be_dropped_silently_is_refused() {
    // Protects flags behind an argument that ends the parsing, and operators from typing errors.
    if !ours_only("what follows an argument that is no flag is ignored") {
        return;
    }
    let (code, _, stderr) = Nsqd::run(&["--worker-id", "5", "--data-path=/nowhere"]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with("unexpected argument \"5\"; -worker-id is a boolean"), "{stderr}");
    let (code, _, stderr) = Nsqd::run(&["--data-pth=/d"]).await;
    assert_eq!(code, Some(2));
    assert!(stderr.contains("did you mean -data-path?"), "{stderr}");
    let (code, _, stderr) = Nsqd::run(&["--mem-queue-size=010"]).await;
    assert!(code == Some(2) && stderr.contains("a leading zero is ambiguous"), "{stderr}");
}

#[tokio::test]
async fn version_and_help_end_with_0() {
    // Protects packaging scripts.
    let (code, stdout, stderr) = Nsqd::run(&["--version"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let rest = stdout.strip_prefix("nsqd v1.3.0 (built w/").expect("the shape of NSQ's line");
    assert!(rest.ends_with(")\n"), "{stdout}");
    for flag in ["-h", "--help"] {
        let (code, stdout, stderr) = Nsqd::run(&[flag]).await;
        assert_eq!((code, stdout.as_str()), (Some(0), ""));
        assert!(stderr.contains("-mem-queue-size"), "{stderr}");
    }
}

#[tokio::test]
async fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
    // Protects deployments: one file for all machines, and a flag for one of them, even with its default value.
    let (folder, path) = configured(
        "msg_timeout = \"5s\"\nmax_rdy_count = 7\nsnappy = \"0\"\nsync_timeout = 1500\nlog_level = \"DEBUG\"\n\
         e2e_processing_latency_percentiles = [0.5, 0.99]\nnsqlookupd_tcp_addresses = \"127.0.0.1:1, 127.0.0.1:2\"\n\
         unheard_of = 1\nstatsd_prefx = \"x\"\n",
    );
    let flags = [
        &format!("--config={path}"),
        "--max-rdy-count=2500",
        "--lookupd-tcp-address=127.0.0.1:3",
        "-lookupd-tcp-address",
        "127.0.0.1:4",
    ];
    let nsqd = Nsqd::start_with(&flags).await;
    for (key, value) in [
        ("msg_timeout", "5000000000"),
        ("max_rdy_count", "2500"),
        ("snappy", "false"),
        ("sync_timeout", "1500000000"),
        ("log_level", "1"),
        ("e2e_processing_latency_percentiles", "[0.5,0.99]"),
        ("nsqlookupd_tcp_addresses", "[\"127.0.0.1:3\",\"127.0.0.1:4\"]"),
        ("deflate", "true"),
        ("max_msg_size", "1048576"),
    ] {
        assert_eq!(nsqd.get(&format!("/config/{key}")).await.text(), value, "{key}");
    }
    if ours_only("keys that it does not know are ignored silently") {
        nsqd.await_log("unheard_of").await;
        let line = nsqd.await_log("statsd_prefx").await;
        assert!(line.contains("statsd_prefix"), "{line}");
    }
    drop(folder);
}

#[tokio::test]
async fn the_sample_file_of_nsq_loads() {
    // Protects those who swap the binary and keep the file.
    let (_folder, path) = configured(
        r#"
        log_level = "info"
        broadcast_address = "127.0.0.1"
        nsqlookupd_tcp_addresses = ["127.0.0.1:4160"]
        mem_queue_size = 10000
        max_bytes_per_file = 104857600
        sync_every = 2500
        sync_timeout = "2s"
        msg_timeout = "60s"
        max_msg_timeout = "15m"
        max_msg_size = 1024768
        max_req_timeout = "1h"
        max_body_size = 5123840
        max_heartbeat_interval = "60s"
        max_rdy_count = 2500
        max_output_buffer_size = 65536
        max_output_buffer_timeout = "1s"
        statsd_prefix = "nsq.%s"
        statsd_interval = "60s"
        statsd_mem_stats = true
        e2e_processing_latency_percentiles = [1.0, 0.99, 0.95]
        e2e_processing_latency_window_time = "10m"
        tls_cert = ""
        tls_key = ""
        tls_min_version = ""
        tls_required = "false"
        deflate = true
        max_deflate_level = 6
        snappy = true
        "#,
    );
    let nsqd = Nsqd::start_with(&[&format!("--config={path}")]).await;
    assert_eq!(nsqd.get("/config/max_msg_size").await.text(), "1024768");
    assert_eq!(nsqd.get("/config/e2e_processing_latency_percentiles").await.text(), "[1,0.99,0.95]");
    nsqd.connect().await.publish("t", "x").await;
}

#[tokio::test]
async fn a_file_that_cannot_be_used_ends_the_start_with_1() {
    // Protects operators: the line says which key, which value and what is wrong with it.
    for (text, expected) in [
        ("id = 1\nid = 2\n", "FATAL: failed to load config file "),
        ("tls_required = \"maybe\"", "FATAL: failed parsing tls_required maybe"),
        ("tls_min_version = \"ssl3.0\"", "FATAL: failed parsing tls_min_version ssl3.0"),
        ("log_level = \"loud\"", "FATAL: failed parsing log_level loud"),
        (
            "mem_queue_size = \"a\"",
            "ERROR: Resolve failed to coerce value a (10000) for field MemQueueSize - strconv.ParseInt: parsing \"a\": invalid syntax",
        ),
    ] {
        let (_folder, path) = configured(text);
        let (code, _, stderr) = Nsqd::run(&[&format!("--config={path}")]).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(stderr.contains(expected), "{text}: {stderr}");
    }
    let (code, _, stderr) = Nsqd::run(&["--config=/nowhere/nsqd.toml"]).await;
    assert_eq!(code, Some(1));
    let expected = "FATAL: failed to load config file /nowhere/nsqd.toml - open /nowhere/nsqd.toml: no such file or directory";
    assert!(stderr.contains(expected), "{stderr}");
}

#[tokio::test]
async fn checks_of_the_start_come_in_order_and_end_with_1() {
    // Protects those who look for the first thing that is wrong: NSQ's texts, in NSQ's order.
    let (code, _, stderr) = Nsqd::run(&["--data-path=/nowhere", "--max-deflate-level=10"]).await;
    assert_eq!(code, Some(1));
    let is_first = stderr.contains("failed to instantiate nsqd - ");
    assert!(is_first, "{stderr}");
    for (flag, text) in [
        ("--max-deflate-level=10", "--max-deflate-level must be [1,9]"),
        ("--node-id=1024", "--node-id must be [0,1024)"),
        ("--e2e-processing-latency-percentile=1.5", "invalid E2E processing latency percentile: 1.5"),
        ("--tls-required=true", "cannot require TLS client connections without TLS key and cert"),
        ("--tls-root-ca-file=/nowhere.pem", "failed to build "),
    ] {
        let (status, stderr) = Nsqd::fails_to_start(&[flag]).await;
        assert_eq!(status.code(), Some(1), "{flag}");
        assert!(stderr.contains(&format!("FATAL: failed to instantiate nsqd - {text}")), "{flag}: {stderr}");
    }
}

#[tokio::test]
async fn values_that_break_nsq_are_refused_at_the_start() {
    // Protects a daemon that starts and dies at the first message or client.
    if !ours_only("they are accepted, and the process dies or hangs later") {
        return;
    }
    for (flag, text) in [
        ("--sync-timeout=0", "--sync-timeout=0s: must be at least 1ms"),
        ("--statsd-interval=0", "--statsd-interval=0s: must be at least 1ms"),
        ("--statsd-address=localhost", "--statsd-address=localhost: must be host:port"),
        (
            "--e2e-processing-latency-window-time=0",
            "--e2e-processing-latency-window-time=0s: must be at least 1ms",
        ),
        ("--e2e-processing-latency-percentile=0", "invalid E2E processing latency percentile: 0"),
        ("--mem-queue-size=-1", "--mem-queue-size=-1: must be at least 0"),
    ] {
        let (status, stderr) = Nsqd::fails_to_start(&[flag]).await;
        assert_eq!(status.code(), Some(1), "{flag}");
        assert!(stderr.contains(&format!("FATAL: failed to instantiate nsqd - {text}")), "{flag}: {stderr}");
    }
}

#[tokio::test]
async fn every_flag_of_nsq_is_taken() {
    // Protects command lines that are years old: one with all flags that NSQ has.
    let flags = [
        "-log-level=info",
        "-log-prefix=[nsqd] ",
        "-verbose=false",
        "-worker-id=false",
        "-node-id=0x10",
        "-https-address=",
        "-broadcast-address=127.0.0.1",
        "-broadcast-tcp-port=0",
        "-broadcast-http-port=0",
        "-http-client-connect-timeout=2s",
        "-http-client-request-timeout=5s",
        "-mem-queue-size=1_000",
        "-max-bytes-per-file=1000000",
        "-sync-every=0",
        "-sync-timeout=1.5s",
        "-queue-scan-worker-pool-max=4",
        "-queue-scan-selection-count=20",
        "-msg-timeout=1m",
        "-max-msg-timeout=15m",
        "-max-msg-size=1048576",
        "-max-body-size=5242880",
        "-max-req-timeout=1h",
        "-max-heartbeat-interval=60s",
        "-max-rdy-count=2500",
        "-max-output-buffer-size=65536",
        "-max-output-buffer-timeout=30s",
        "-min-output-buffer-timeout=25ms",
        "-output-buffer-timeout=.25s",
        "-max-channel-consumers=0",
        "-statsd-address=127.0.0.1:8125",
        "-statsd-interval=1m",
        "-statsd-mem-stats",
        "-statsd-prefix=nsq.%s",
        "-statsd-udp-packet-size=508",
        "-statsd-exclude-ephemeral=F",
        "-e2e-processing-latency-percentile=1.0,0.99",
        "-e2e-processing-latency-window-time=10m",
        "-tls-required=false",
        "-tls-min-version=TLS1.2",
        "-deflate=T",
        "-max-deflate-level=6",
        "-snappy",
    ];
    let nsqd = Nsqd::start_with(&flags).await;
    nsqd.connect().await.publish("t", "x").await;
    assert_eq!(nsqd.get("/config/id").await.text(), "16");
    if ours_only("flags without effect are taken silently") {
        for flag in ["-verbose", "-worker-id", "-queue-scan-worker-pool-max", "-queue-scan-selection-count"] {
            nsqd.await_log(&format!("-{flag} has no effect")).await;
        }
    }
}

#[tokio::test]
async fn a_stop_is_told_step_by_step_and_ends_with_0() {
    // Protects scripts that watch the log of a stop, and unit files that look at the exit code.
    let mut nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    nsqd.connect().await.publish("t", "x").await;
    let status = nsqd.terminate().await;
    assert_eq!(status.code(), Some(0));
    nsqd.await_log("NSQ: bye").await;
    let log = nsqd.log();
    let mut at = 0;
    for text in [
        "INFO: TCP: closing 127.0.0.1:",
        "INFO: HTTP: closing 127.0.0.1:",
        "INFO: NSQ: persisting topic/channel metadata to ",
        "INFO: NSQ: closing topics",
        "INFO: TOPIC(t): closing",
        "INFO: NSQ: stopping subsystems",
        "INFO: NSQ: bye",
    ] {
        let found = log[at..].iter().position(|line| line.contains(text));
        at += found.unwrap_or_else(|| panic!("no {text} behind line {at}: {log:#?}")) + 1;
    }
}

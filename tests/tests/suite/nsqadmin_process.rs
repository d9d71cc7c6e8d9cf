//! nsqadmin as a process: options, start, stop, what it says of itself, and the page's files.

use std::fs;

use tempfile::TempDir;
use tests::{Lookupd, Nsqadmin, is_reference, ours_only};

const LOOKUPD: &str = "--lookupd-http-address=127.0.0.1:1";

#[tokio::test]
async fn a_command_line_that_cannot_work_ends_the_start() {
    // Protects scripts and unit files: the text, the exit code, and which of two faults is told.
    let start = "failed to instantiate nsqadmin - ";
    for (flags, text) in [
        (&["--http-client-tls-key=k"][..], "--nsqd-http-address or --lookupd-http-address required"),
        (
            &[LOOKUPD, "--nsqd-http-address=127.0.0.1:2", "--http-client-tls-key=k"],
            "use --nsqd-http-address or --lookupd-http-address not both",
        ),
        (
            &[LOOKUPD, "--http-client-tls-cert=c"],
            "--http-client-tls-key must be specified with --http-client-tls-cert",
        ),
        (
            &[LOOKUPD, "--http-client-tls-key=k"],
            "--http-client-tls-cert must be specified with --http-client-tls-key",
        ),
        (
            &[LOOKUPD, "--allow-config-from-cidr=bogus"],
            "failed to parse --allow-config-from-cidr (bogus) - invalid CIDR address: bogus",
        ),
        (
            &["--lookupd-http-address=nowhere"],
            "failed to resolve --lookupd-http-address (nowhere) - address nowhere: missing port in address",
        ),
    ] {
        let (code, _, stderr) = Nsqadmin::run(flags).await;
        assert_eq!(code, Some(1), "{flags:?}");
        assert!(stderr.ends_with(&format!("FATAL: {start}{text}\n")), "{flags:?}: {stderr}");
    }
    let (code, stdout, _) = Nsqadmin::run(&["--version"]).await;
    assert!(code == Some(0) && stdout.starts_with("nsqadmin v1.3.0 (built w/"), "{stdout}");
    let (code, _, stderr) = Nsqadmin::run(&["--use-statsd-prefixes"]).await;
    assert!(code == Some(2) && stderr.starts_with("flag provided but not defined: -use-statsd-prefixes\n"));
    if ours_only("it takes both") {
        for (flags, text) in [
            (&[LOOKUPD, "--proxy-graphite"][..], "--proxy-graphite is given without --graphite-url"),
            (
                &[LOOKUPD, "--http-client-tls-root-ca-file=/nowhere.pem"],
                "open /nowhere.pem: no such file or directory",
            ),
        ] {
            let (code, _, stderr) = Nsqadmin::run(flags).await;
            assert!(code == Some(1) && stderr.contains(text), "{flags:?}: {stderr}");
        }
    }
}

#[tokio::test]
async fn the_file_has_its_own_keys() {
    // Protects NSQ's sample file: the lists have other names than the flags.
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("nsqadmin.toml");
    fs::write(
        &path,
        "nsqlookupd_http_addresses = [\"127.0.0.1:1\"]\nadmin_users = [\"alice\"]\nbase_path = \"/x\"\nstatsd_interval = \"10s\"\n",
    )
    .expect("it can be written");
    let admin = Nsqadmin::start_on(&[&format!("--config={}", path.display()), "--base-path=/y"]).await;
    assert_eq!(admin.request("GET", "/y/ping", "").await.text(), "OK");
    assert_eq!(admin.request("DELETE", "/y/api/topics/t", "").await.status, 403);
}

#[tokio::test]
async fn it_says_what_it_does_and_stops_when_told() {
    // Protects unit files: the lines of a start and of a stop, and the exit code.
    let lookupd = Lookupd::start().await;
    let mut admin = Nsqadmin::start(&[&lookupd]).await;
    assert!(admin.log()[0].contains("INFO: nsqadmin v1.3.0 (built w/"), "{:?}", admin.log());
    assert_eq!(admin.terminate().await.code(), Some(0));
    if !is_reference() {
        admin.await_log("HTTP: closing 127.0.0.1:").await;
    }
}

#[tokio::test]
async fn figures_are_there_for_prometheus() {
    // Protects alerts on nsqadmin itself.
    if !ours_only("it has none") {
        return;
    }
    let admin = Nsqadmin::start_on(&[LOOKUPD]).await;
    assert_eq!(admin.request("GET", "/api/topics", "").await.status, 502);
    let answer = admin.request("GET", "/metrics", "").await;
    assert_eq!(answer.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    // It looks at the cluster by itself, too.
    let text = answer.text();
    let value = |name: &str| -> u64 {
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    assert!(1 <= value("nsqadmin_upstream_requests_total "));
    assert!(1 <= value("nsqadmin_upstream_failures_total "));
    assert_eq!(value("nsqadmin_actions_total "), 0);
}

#[tokio::test]
async fn the_page_is_in_the_binary_and_asks_nobody_else() {
    // Protects browsers: one page for all paths, its files by their types, compressed, and nothing from elsewhere.
    if !ours_only("its page is another one") {
        return;
    }
    let admin = Nsqadmin::start_on(&[LOOKUPD, "--base-path=/nsq"]).await;
    for path in [
        "/nsq",
        "/nsq/topics",
        "/nsq/topics/a%23ephemeral/c",
        "/nsq/nodes/127.0.0.1:4151",
        "/nsq/counter",
        "/nsq/lookup",
    ] {
        let page = admin.request("GET", path, "").await;
        assert_eq!(
            (page.status, page.header("Content-Type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert!(page.text().contains("<base href=\"/nsq/\">"), "{}", page.text());
        let policy = page.header("Content-Security-Policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    }
    let script = admin.request("GET", "/nsq/static/main.js", "").await;
    assert_eq!((script.status, script.header("Content-Type")), (200, Some("text/javascript; charset=utf-8")));
    let known = format!("If-None-Match: {}", script.header("ETag").expect("a tag"));
    assert_eq!(admin.request_with("GET", "/nsq/static/main.js", "", &[&known]).await.status, 304);
    let packed = admin.request_with("GET", "/nsq/static/main.js", "", &["Accept-Encoding: gzip"]).await;
    assert!(packed.header("Content-Encoding") == Some("gzip") && packed.body.len() < script.body.len());
    for path in
        ["/nsq/static/../Cargo.toml", "/nsq/static/%2e%2e/page.rs", "/nsq/static/nope.js", "/static/main.js"]
    {
        assert_eq!(admin.request("GET", path, "").await.status, 404, "{path}");
    }
    let folder = TempDir::new().expect("a temporary folder can be made");
    fs::write(folder.path().join("main.js"), "// mine").expect("it can be written");
    let flag = format!("--dev-static-dir={}", folder.path().display());
    let working = Nsqadmin::start_on(&[LOOKUPD, &flag]).await;
    assert_eq!(working.request("GET", "/static/main.js", "").await.text(), "// mine");
    assert_eq!(working.request("GET", "/", "").await.status, 200);
}

//! `nsq_to_file`: what it is told on its command line, and what it cannot begin with.

use tests::Tool;

use crate::tool_flags::{better, check, run, usage};

const TOOL: &str = "nsq_to_file";
/// Nobody listens there.
const NSQD: &str = "--nsqd-tcp-address=127.0.0.1:9";

#[tokio::test]
async fn checks_in_their_order() {
    // Protects scripts that read the text, and that the first of several mistakes is the one that is told.
    const REQUIRED: &str = "--nsqd-tcp-address or --lookupd-http-address required.";
    const BOTH: &str = "use --nsqd-tcp-address or --lookupd-http-address not both";
    const LOOKUPD: &str = "--lookupd-http-address must be specified when no --topic specified";
    run(&[
        check(TOOL, &["extra", "--log-level=x"], "unknown arguments: [extra --log-level=x]"),
        check(TOOL, &["--log-level=x", "--channel="], "--log-level is invalid"),
        check(TOOL, &["--channel=", "--http-client-connect-timeout=0"], "--channel is required"),
        check(
            TOOL,
            &["--http-client-connect-timeout=-1s", "--http-client-request-timeout=0"],
            "--http-client-connect-timeout should be positive",
        ),
        check(TOOL, &["--http-client-request-timeout=0"], "--http-client-request-timeout should be positive"),
        check(TOOL, &["--gzip-level=0"], REQUIRED),
        check(TOOL, &["--nsqd-tcp-address=a", "--lookupd-http-address=b", "--gzip-level=0"], BOTH),
        check(TOOL, &[NSQD, "--gzip-level=0"], "invalid --gzip-level value (0), should be 1-9"),
        check(TOOL, &[NSQD, "--gzip-level=10"], "invalid --gzip-level value (10), should be 1-9"),
        check(TOOL, &[NSQD], "--topic or --topic-pattern required"),
        check(TOOL, &[NSQD, "--topic-pattern=x"], LOOKUPD),
        usage(TOOL, &["--nope"], "flag provided but not defined: -nope"),
        usage(TOOL, &["--max-in-flight=x"], "invalid value \"x\" for flag -max-in-flight: parse error"),
        usage(TOOL, &["--rotate-interval=5"], "invalid value \"5\" for flag -rotate-interval: parse error"),
        better(TOOL, &[NSQD, "--zstd-level=20"], "invalid --zstd-level value (20), should be 1-19"),
        better(TOOL, &[NSQD, "--zstd", "--gzip"], "use --gzip or --zstd not both"),
        // The reference panics, waits for ever, or matches nothing.
        better(TOOL, &[NSQD, "--topic=t", "--sync-interval=0"], "--sync-interval should be positive"),
        better(TOOL, &[NSQD, "--topic=t", "--max-in-flight=0"], "--max-in-flight=0: must be at least 1"),
        better(
            TOOL,
            &["--lookupd-http-address=127.0.0.1:9", "--topic-pattern=("],
            "--topic-pattern=(: is no regular expression",
        ),
    ])
    .await;
    let ended = Tool::run(TOOL, &[NSQD, "--topic=t", "--consumer-opt=nope,1"]).await;
    assert_eq!(ended.code, 2, "the reference ignores it: {}", ended.stderr);
    let line = "invalid value \"nope,1\" for flag -consumer-opt: invalid option nope";
    assert_eq!(ended.stderr.lines().next(), Some(line));
}

#[tokio::test]
async fn help_and_version_end_with_success() {
    let ended = Tool::run(TOOL, &["--version"]).await;
    assert_eq!((ended.code, ended.stdout), (0, format!("{TOOL} v1.3.0\n")));
    let ended = Tool::run(TOOL, &["-h"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
    assert!(ended.stderr.starts_with("Usage: nsq_to_file [flags]\n"), "{}", ended.stderr);
}

#[tokio::test]
async fn what_cannot_begin_ends_the_tool() {
    // Protects against a live process that does nothing for ever, as in the reference.
    let begun = "couldn't create logger for new topic";
    let rev = "missing <REV> in --filename-format when gzip, rotation, or work dir enabled";
    for (arguments, expected) in [
        (&["--topic=bad!"][..], format!("{begun} bad!: invalid topic name")),
        (&["--topic=t", "--channel=bad!"], "invalid channel name".to_owned()),
        (&["--topic=t", "--filename-format=x", "--gzip"], format!("{begun} t: {rev}")),
        (&["--topic=t", "--filename-format=x", "--zstd"], format!("{begun} t: {rev}")),
        (&["--topic=t", "--filename-format=x", "--rotate-size=1"], format!("{begun} t: {rev}")),
        (&["--topic=t", "--filename-format=x", "--rotate-interval=1s"], format!("{begun} t: {rev}")),
        (&["--topic=t", "--filename-format=x", "--work-dir=/nowhere"], format!("{begun} t: {rev}")),
        (&["--topic=t", "--topic=u"], "dial tcp 127.0.0.1:9: connect: connection refused".to_owned()),
    ] {
        let mut all = vec![NSQD];
        all.extend_from_slice(arguments);
        let ended = Tool::run(TOOL, &all).await;
        assert_eq!(ended.code, 1, "{arguments:?}: {}", ended.stderr);
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert!(last.ends_with(&expected), "{arguments:?}: {last}");
        assert!(last.starts_with("[nsq_to_file] 2") && last.contains(" FATAL: "), "{arguments:?}: {last}");
    }
    let ended = Tool::run(TOOL, &["--lookupd-http-address=127.0.0.1", "--topic=t"]).await;
    assert!(ended.code == 1 && ended.stderr.ends_with(" t: missing port\n"), "{}", ended.stderr);
}

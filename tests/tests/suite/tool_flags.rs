//! Command lines of the utilities: what is refused, in which order, in which words, with which exit code.

use tests::{Ended, Nsqd, Signal, Tool};

/// What a command line leads to, and whether NSQ 1.3 does the same.
pub(crate) struct Row {
    pub(crate) tool: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) code: i32,
    /// The last line of the log that is not usage, without its time.
    pub(crate) text: &'static str,
    pub(crate) as_reference: bool,
}

/// A failed check.
pub(crate) const fn check(tool: &'static str, arguments: &'static [&'static str], text: &'static str) -> Row {
    Row { tool, arguments, code: 1, text, as_reference: true }
}

/// A check that the reference does not make, or makes otherwise.
pub(crate) const fn better(
    tool: &'static str,
    arguments: &'static [&'static str],
    text: &'static str,
) -> Row {
    Row { tool, arguments, code: 1, text, as_reference: false }
}

/// A command line that cannot be read.
pub(crate) const fn usage(tool: &'static str, arguments: &'static [&'static str], text: &'static str) -> Row {
    Row { tool, arguments, code: 2, text, as_reference: true }
}

#[track_caller]
fn compare(row: &Row, ended: &Ended, whose: &str) {
    let what = format!("{whose}: {} {}", row.tool, row.arguments.join(" "));
    assert_eq!(ended.code, row.code, "{what}: {}", ended.stderr);
    let log = ended.log();
    let line = if row.code == 2 { log.first() } else { log.last() };
    assert_eq!(line.map(String::as_str), Some(row.text), "{what}: {}", ended.stderr);
    assert_eq!(ended.stdout, "", "{what}");
}

pub(crate) async fn run(rows: &[Row]) {
    for row in rows {
        compare(row, &Tool::run(row.tool, row.arguments).await, "ours");
        if row.as_reference
            && let Some(ended) = Tool::run_reference(row.tool, row.arguments).await
        {
            compare(row, &ended, "the reference");
        }
    }
}

#[tokio::test]
async fn nsq_stat_checks_its_flags_in_order() {
    const TOOL: &str = "nsq_stat";
    const BOTH: &str = "use --nsqd-http-address or --lookupd-http-address not both";
    run(&[
        check(TOOL, &["--interval=0s"], "--topic and --channel are required"),
        check(TOOL, &["--topic=t", "--channel="], "--topic and --channel are required"),
        check(
            TOOL,
            &["--topic=t", "--channel=c", "--interval=0s", "--http-client-connect-timeout=0s"],
            "--interval should be positive",
        ),
        check(
            TOOL,
            &["--topic=t", "--channel=c", "--http-client-request-timeout=-1s", "--http-client-connect-timeout=0s"],
            "--http-client-connect-timeout should be positive",
        ),
        check(
            TOOL,
            &["--topic=t", "--channel=c", "--http-client-request-timeout=-1s", "--count=0"],
            "--http-client-request-timeout should be positive",
        ),
        check(TOOL, &["-topic=t", "-channel=c", "-count", "0"], "--count should be positive"),
        check(
            TOOL,
            &["--topic=t", "--channel=c", "--count=1"],
            "--nsqd-http-address or --lookupd-http-address required",
        ),
        check(
            TOOL,
            &["--topic=t", "--channel=c", "--nsqd-http-address=http://a", "--lookupd-http-address=b"],
            BOTH,
        ),
        check(
            TOOL,
            &["--topic=t", "--channel=c", "--nsqd-http-address=http://a"],
            "--nsqd-http-address error - address should not contain scheme",
        ),
        check(
            TOOL,
            &["--topic=t", "--channel=c", "--lookupd-http-address=https://a"],
            "--lookupd-http-address error - address should not contain scheme",
        ),
        // A host whose name begins like a scheme is a host.
        better(
            TOOL,
            &["--topic=t", "--channel=c", "--nsqd-http-address=httpd1:x"],
            "ERROR: failed to get topic producers - failed to query any nsqd: nsqd httpd1:x: is not an address of \
             the form host:port",
        ),
        usage(TOOL, &["--interval=5"], "invalid value \"5\" for flag -interval: parse error"),
        usage(TOOL, &["--nope"], "flag provided but not defined: -nope"),
        usage(TOOL, &["--topic"], "flag needs an argument: -topic"),
    ])
    .await;
}

#[tokio::test]
async fn to_nsq_checks_its_flags_in_order() {
    const TOOL: &str = "to_nsq";
    run(&[
        check(TOOL, &["--delimiter="], "--topic required"),
        check(TOOL, &["--topic=t", "--delimiter=ab"], "--delimiter must be a single byte"),
        check(TOOL, &["--topic=t", "--delimiter=é"], "--delimiter must be a single byte"),
        check(TOOL, &["--topic=t", "--delimiter="], "--delimiter must be a single byte"),
        check(TOOL, &["--topic=t"], "--nsqd-tcp-address required"),
        usage(
            TOOL,
            &["--producer-opt=nope,1"],
            "invalid value \"nope,1\" for flag -producer-opt: invalid option nope",
        ),
        usage(TOOL, &["--rate=x"], "invalid value \"x\" for flag -rate: parse error"),
    ])
    .await;
}

#[tokio::test]
async fn nsq_tail_checks_its_flags_in_order() {
    const TOOL: &str = "nsq_tail";
    const NSQD: &str = "--nsqd-tcp-address=127.0.0.1:1";
    run(&[
        check(TOOL, &["--topic=t"], "--nsqd-tcp-address or --lookupd-http-address required"),
        check(
            TOOL,
            &["--lookupd-http-address=a", NSQD],
            "use --nsqd-tcp-address or --lookupd-http-address not both",
        ),
        check(TOOL, &[NSQD], "--topic required"),
        check(TOOL, &[NSQD, "--topic=bad!"], "invalid topic name"),
        check(TOOL, &[NSQD, "--topic=t", "--channel=bad!"], "invalid channel name"),
        check(TOOL, &[NSQD, "--topic=t", "--max-in-flight=-1"], "invalid MaxInFlight ! -1 < 0"),
        check(TOOL, &[NSQD, "--topic=t"], "dial tcp 127.0.0.1:1: connect: connection refused"),
        check(TOOL, &["--lookupd-http-address=127.0.0.1", "--topic=t"], "missing port"),
        better(
            TOOL,
            &[NSQD, "--topic=t", "--from=earliest"],
            "--from with --nsqd-tcp-address needs --nsqd-http-address",
        ),
        better(
            TOOL,
            &[NSQD, "--topic=t", "--nsqd-http-address=a:1"],
            "--nsqd-http-address only used with --from",
        ),
        usage(
            TOOL,
            &["--consumer-opt=nope,1"],
            "invalid value \"nope,1\" for flag -consumer-opt: invalid option nope",
        ),
        usage(
            TOOL,
            &["--consumer-opt=max_attempts,x"],
            "invalid value \"max_attempts,x\" for flag -consumer-opt: failed to coerce option max_attempts (x) - \
             strconv.ParseUint: parsing \"x\": invalid syntax",
        ),
        Row {
            as_reference: false,
            ..usage(TOOL, &["--format=xml"], "invalid value \"xml\" for flag -format: must be text, hex or json")
        },
    ])
    .await;
}

#[tokio::test]
async fn nsq_to_nsq_checks_its_flags_in_order() {
    const TOOL: &str = "nsq_to_nsq";
    const NSQD: &str = "--nsqd-tcp-address=127.0.0.1:1";
    run(&[
        check(TOOL, &[NSQD], "--topic and --channel are required"),
        check(TOOL, &["--topic=t", "--channel="], "--topic and --channel are required"),
        check(TOOL, &["--topic=t", "--topic=bad!", "--channel=bad!"], "--topic is invalid"),
        check(
            TOOL,
            &["--topic=t", "--destination-topic=bad!", "--channel=bad!"],
            "--destination-topic is invalid",
        ),
        check(TOOL, &["--topic=t", "--channel=bad!"], "--channel is invalid"),
        check(TOOL, &["--topic=t"], "--nsqd-tcp-address or --lookupd-http-address required"),
        check(
            TOOL,
            &["--topic=t", NSQD, "--lookupd-http-address=a"],
            "use --nsqd-tcp-address or --lookupd-http-address not both",
        ),
        check(TOOL, &["--topic=t", NSQD], "--destination-nsqd-tcp-address required"),
        check(
            TOOL,
            &["--topic=t", NSQD, "--destination-nsqd-tcp-address=127.0.0.1:1"],
            "dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        Row {
            as_reference: false,
            ..usage(
                TOOL,
                &["--mode=all"],
                "invalid value \"all\" for flag -mode: must be one of round-robin, hostpool, epsilon-greedy",
            )
        },
    ])
    .await;
}

#[tokio::test]
async fn nsq_to_http_checks_its_flags_in_order() {
    const TOOL: &str = "nsq_to_http";
    const NSQD: &str = "--nsqd-tcp-address=127.0.0.1:1";
    const GET: &str = "--get=http://127.0.0.1:1/%s";
    const POST: &str = "--post=http://127.0.0.1:1/";
    const HEADER: &str = "--header value format should be 'key=value'";
    run(&[
        check(TOOL, &["--header=a=b"], HEADER),
        check(TOOL, &["--header=a:b", "--header=:b"], HEADER),
        check(TOOL, &["--header=a:b", NSQD], "--topic and --channel are required"),
        check(TOOL, &["--topic=t", "--content-type=a/b"], "--content-type only used with --post"),
        check(TOOL, &["--topic=t", "--content-type=", POST], "--content-type requires a value when used"),
        check(TOOL, &["--topic=t", POST], "--nsqd-tcp-address or --lookupd-http-address required"),
        check(
            TOOL,
            &["--topic=t", NSQD, "--lookupd-http-address=a"],
            "use --nsqd-tcp-address or --lookupd-http-address not both",
        ),
        check(TOOL, &["--topic=t", NSQD], "--get or --post required"),
        check(TOOL, &["--topic=t", NSQD, GET, POST], "use --get or --post not both"),
        check(
            TOOL,
            &["--topic=t", NSQD, "--get=http://h/", "--sample=2"],
            "invalid GET address - must be a printf string",
        ),
        better(
            TOOL,
            &["--topic=t", NSQD, "--get=http://h/%s%20"],
            "invalid GET address - must be a printf string",
        ),
        check(
            TOOL,
            &["--topic=bad!", NSQD, GET, "--sample=1.5"],
            "ERROR: --sample must be between 0.0 and 1.0",
        ),
        better(TOOL, &["--topic=t", NSQD, GET, "--sample=NaN"], "ERROR: --sample must be between 0.0 and 1.0"),
        check(TOOL, &["--topic=bad!", NSQD, GET], "invalid topic name"),
        check(TOOL, &["--topic=t", NSQD, GET, "--n=0"], "no handlers"),
        check(TOOL, &["--topic=t", NSQD, GET], "dial tcp 127.0.0.1:1: connect: connection refused"),
        better(
            TOOL,
            &["--topic=t", NSQD, "--post=ftp://h/"],
            "--post=ftp://h/: not a URL of the form http://host/path",
        ),
        usage(TOOL, &["--sample=x"], "invalid value \"x\" for flag -sample: parse error"),
        Row {
            as_reference: false,
            ..usage(
                TOOL,
                &["--mode=multicast"],
                "invalid value \"multicast\" for flag -mode: must be one of round-robin, hostpool, epsilon-greedy, all",
            )
        },
    ])
    .await;
}

#[tokio::test]
async fn help_and_version_end_with_success() {
    for tool in ["nsq_stat", "nsq_tail", "nsq_to_http", "nsq_to_nsq", "to_nsq"] {
        let ended = Tool::run(tool, &["--version", "ignored"]).await;
        assert_eq!((ended.code, ended.stdout), (0, format!("{tool} v1.3.0\n")));
        let ended = Tool::run(tool, &["-h"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
        assert!(ended.stderr.starts_with(&format!("Usage: {tool} [flags]\n")), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn signals_end_consumers_in_an_orderly_way_save_one() {
    let [nsqd, other] = [Nsqd::start().await, Nsqd::start().await];
    let source = format!("--nsqd-tcp-address={}", nsqd.tcp_address());
    let destination = format!("--destination-nsqd-tcp-address={}", other.tcp_address());
    let to_http = ["--topic=t", &source, "--post=http://127.0.0.1:1/"];
    let to_nsq = ["--topic=t", &source, &destination];
    for (tool, arguments) in [("nsq_to_http", to_http), ("nsq_to_nsq", to_nsq)] {
        for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 0), (Signal::HUP, 129)] {
            let running = Tool::start(tool, &arguments);
            nsqd.await_channel("t", tool, |channel| channel["client_count"] == 1).await;
            running.signal(signal);
            assert_eq!(running.ended_with_open_stdin().await.code, code, "{tool}: {signal:?}");
            nsqd.await_channel("t", tool, |channel| channel["client_count"] == 0).await;
        }
    }
}

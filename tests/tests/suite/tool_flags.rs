//! Command lines of the utilities: what is refused, in which order, in which words, with which exit code.

use tests::{Ended, Tool};

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
async fn help_and_version_end_with_success() {
    for tool in ["nsq_stat"] {
        let ended = Tool::run(tool, &["--version", "ignored"]).await;
        assert_eq!((ended.code, ended.stdout), (0, format!("{tool} v1.3.0\n")));
        let ended = Tool::run(tool, &["-h"]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
        assert!(ended.stderr.starts_with(&format!("Usage: {tool} [flags]\n")), "{}", ended.stderr);
    }
}

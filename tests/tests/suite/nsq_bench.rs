//! The load generator, which checks what it gets.

use tests::{Authority, Nsqd, ours_only, tool, within};

#[tokio::test]
async fn it_runs_over_each_layer() {
    // Protects the figures: what is measured is what was asked for, and arrives whole.
    if !ours_only("one of them is enough") {
        return;
    }
    let authority = Authority::new();
    let flags = authority.server_flags();
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for layers in [
        &[][..],
        &["--tls"],
        &["--compression", "snappy"],
        &["--compression", "deflate"],
        &["--tls", "--compression", "snappy"],
    ] {
        let mut command = tokio::process::Command::new(tool("nsq_bench"));
        command
            .args(["--nsqd-tcp-address", &nsqd.tcp_address().to_string(), "--topic", "bench"])
            .args(layers);
        command.args(["pubsub", "--messages", "2000", "--batch", "50", "--size", "3000"]).kill_on_drop(true);
        let output = within("the end of nsq_bench", command.output()).await.expect("it can be run");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{layers:?}: {told}");
    }
    let mut command = tokio::process::Command::new(tool("nsq_bench"));
    command.args(["--topic", "web", "http", "--nsqd-http-address", &nsqd.http_address().to_string()]);
    command.args(["--messages", "200", "--connections", "10"]).kill_on_drop(true);
    let output = within("the end of nsq_bench", command.output()).await.expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(nsqd.stats().await.topic("web")["message_count"], 200);
    let mut command = tokio::process::Command::new(tool("nsq_bench"));
    command.args(["--nsqd-tcp-address", &nsqd.tcp_address().to_string(), "--tls"]);
    command.args(["latency", "--rate", "100", "--duration", "100ms"]).kill_on_drop(true);
    let output = within("the end of nsq_bench", command.output()).await.expect("it can be run");
    assert!(!output.status.success(), "a schedule and layers do not go together");
}

//! nsqd and nsqlookupd together: what the one has, the other knows.

use tests::{Lookupd, Nsqd};

/// Waits for the line about a topic, or a channel of it.
async fn await_change(lookupd: &Lookupd, verb: &str, topic: &str, channel: Option<&str>) {
    let key = match channel {
        Some(channel) => format!("category:channel key:{topic} subkey:{channel}"),
        None => format!("category:topic key:{topic} subkey:"),
    };
    lookupd.await_log(&format!(") {verb} {key}")).await;
}

#[tokio::test]
async fn nsqd_registers_what_it_has() {
    // Protects discovery: topics and channels appear as they are made, and go as they are deleted.
    let lookupd = Lookupd::start().await;
    let nsqd = Nsqd::start_with(&[&lookupd.flag()]).await;
    let (tcp, http) = (nsqd.tcp_address().port(), nsqd.http_address().port());
    lookupd.await_log(&format!("IDENTIFY Address:127.0.0.1 TCP:{tcp} HTTP:{http} Version:")).await;
    nsqd.create_channel("t", "c").await;
    await_change(&lookupd, "REGISTER", "t", Some("c")).await;
    await_change(&lookupd, "REGISTER", "t", None).await;
    nsqd.post_ok("/channel/delete?topic=t&channel=c").await;
    await_change(&lookupd, "UNREGISTER", "t", Some("c")).await;
    nsqd.post_ok("/topic/delete?topic=t").await;
    await_change(&lookupd, "UNREGISTER", "t", None).await;
}

#[tokio::test]
async fn an_nsqd_that_is_killed_goes_with_all_that_it_had() {
    // Protects consumers from addresses at which nobody is.
    let lookupd = Lookupd::start().await;
    let mut nsqd = Nsqd::start_with(&[&lookupd.flag()]).await;
    nsqd.create_channel("t", "c").await;
    await_change(&lookupd, "REGISTER", "t", Some("c")).await;
    nsqd.kill().await;
    await_change(&lookupd, "UNREGISTER", "t", Some("c")).await;
    await_change(&lookupd, "UNREGISTER", "t", None).await;
    lookupd.await_log(") UNREGISTER category:client").await;
}

#[tokio::test]
async fn a_directory_that_was_killed_fills_again() {
    // Protects a cluster whose nsqlookupd is restarted: it remembers nothing, and is told all within seconds.
    if !tests::ours_only("its nsqd comes back with its next ping only") {
        return;
    }
    let lookupd = Lookupd::start().await;
    let nsqd = Nsqd::start_with(&[&lookupd.flag()]).await;
    nsqd.create_channel("t", "c").await;
    nsqd.post_ok("/topic/create?topic=alone").await;
    await_change(&lookupd, "REGISTER", "alone", None).await;
    let lookupd = lookupd.start_again().await;
    await_change(&lookupd, "REGISTER", "t", Some("c")).await;
    await_change(&lookupd, "REGISTER", "t", None).await;
    await_change(&lookupd, "REGISTER", "alone", None).await;
}

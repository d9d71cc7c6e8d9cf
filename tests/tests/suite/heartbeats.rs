//! Signs of life, and the end of those who give none.

use std::time::{Duration, Instant};

use tests::{Client, Nsqd, Received, ours_only};

const HEARTBEAT: &[u8] = b"_heartbeat_";

#[tokio::test]
async fn heartbeats_come_at_the_interval_that_was_asked_for() {
    // Protects clients that watch their server: an answered heartbeat is followed by the next, on and on.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    let asked = Instant::now();
    client.identify(r#"{"heartbeat_interval":1000}"#).await;
    for count in 1..=3 {
        assert_eq!(client.next_frame().await, Some(Received::Response(HEARTBEAT.to_vec())));
        let earliest = Duration::from_millis(1000 * count - 100);
        assert!(asked.elapsed() >= earliest, "heartbeat {count} came after {:?}", asked.elapsed());
        client.send("NOP\n").await;
    }
    client.expect_alive().await;
}

#[tokio::test]
async fn a_client_that_is_silent_is_disconnected() {
    // Protects the server from dead clients: twice the interval without a command, and the connection ends, without an
    // error frame.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    let asked = Instant::now();
    client.identify(r#"{"heartbeat_interval":1000}"#).await;
    let mut heartbeats = 0;
    while let Some(frame) = client.next_frame().await {
        assert_eq!(frame, Received::Response(HEARTBEAT.to_vec()));
        heartbeats += 1;
    }
    assert!(asked.elapsed() >= Duration::from_millis(1900), "closed after {:?}", asked.elapsed());
    // The second races with the close.
    assert!(heartbeats == 1 || heartbeats == 2, "{heartbeats} heartbeats");
}

#[tokio::test]
async fn a_silent_consumer_loses_its_messages_to_another() {
    // Protects messages from consumers that hang: heartbeats find them out.
    let nsqd = Nsqd::start().await;
    let mut hanging = nsqd.connect().await;
    hanging.identify(r#"{"heartbeat_interval":1000,"msg_timeout":1000}"#).await;
    hanging.subscribe("t", "c").await;
    hanging.rdy(1).await;
    hanging.publish("t", b"x").await;
    hanging.next_message().await;
    nsqd.await_channel("t", "c", |channel| channel["client_count"] == 0).await;
    // Once or twice before: its timeout passes before the heartbeats find it out, and it is ready for one more.
    assert!(2 <= nsqd.consumer("t", "c", 1).await.next_message().await.attempts);
}

#[tokio::test]
async fn a_dripping_line_is_no_sign_of_life() {
    // Protects connections from being held by a client that never completes a command.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    client.identify(r#"{"heartbeat_interval":1000}"#).await;
    let dripping = async {
        while client.try_send("x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tests::within("the end of a client that drips", dripping).await;
}

#[tokio::test]
async fn without_heartbeats_one_cannot_subscribe() {
    // Protects the rule that consumers are watched; producers may do without, and live on in silence.
    let nsqd = Nsqd::start().await;
    let mut producer = nsqd.connect().await;
    producer.identify(r#"{"heartbeat_interval":-1}"#).await;
    producer.expect_alive().await;
    producer.send("SUB\n").await;
    producer.expect_error("E_INVALID cannot SUB with heartbeats disabled").await;
    producer.expect_closed().await;
}

#[tokio::test]
async fn who_never_says_the_magic_does_not_hold_up_the_stop() {
    // Protects the orderly stop from connections that say nothing: NSQ waits for them for ever.
    if !ours_only("such a connection blocks its stop") {
        return;
    }
    let mut nsqd = Nsqd::start().await;
    let _silent = Client::connect_silently(nsqd.tcp_address()).await;
    let mut half = Client::connect_silently(nsqd.tcp_address()).await;
    half.send("  ").await;
    nsqd.connect().await.expect_alive().await;
    assert!(nsqd.terminate().await.success());
}

#[tokio::test]
async fn who_does_not_read_is_disconnected() {
    // Protects messages from a consumer that writes and never reads: a write that cannot be done ends the connection,
    // whatever layers are between.
    if !ours_only("such a consumer lives on and holds its messages") {
        return;
    }
    let authority = tests::Authority::new();
    let flags = authority.server_flags();
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let layers =
        [r#""snappy":false"#, r#""tls_v1":true"#, r#""snappy":true"#, r#""deflate":true,"deflate_level":1"#];
    let mut deaf = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let mut client = nsqd.connect().await;
        client.negotiate(&format!(r#""heartbeat_interval":1000,{layer}"#), &authority.client()).await;
        client.subscribe("t", &format!("c{number}")).await;
        client.rdy(2500).await;
        deaf.push(client);
    }
    let mut random = fastrand::Rng::with_seed(1);
    let body: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1 << 20).collect();
    let mut producer = nsqd.connect().await;
    for _ in 0..32 {
        producer.publish("t", &body).await;
    }
    let talking = async {
        loop {
            let stats = nsqd.stats().await;
            if (0..deaf.len()).all(|number| stats.channel("t", &format!("c{number}"))["client_count"] == 0) {
                return;
            }
            for client in &mut deaf {
                // Refused in the end, when it has been disconnected.
                drop(client.try_send("NOP\n").await);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tests::within("the end of consumers that do not read", talking).await;
}

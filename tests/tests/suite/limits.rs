//! What strangers can take: connections, sockets, memory.

use tests::{Client, HttpConnection, Nsqd, ours_only};

#[tokio::test]
async fn connections_have_a_bound() {
    // Protects the daemon from more clients than it has descriptors for: who is too many is told so, others go on, and
    // operators still get in over HTTP.
    if !ours_only("it takes connections until it has no descriptors") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--max-connections=3"]).await;
    let mut first = nsqd.connect().await;
    first.expect_alive().await;
    let mut others = (nsqd.connect().await, nsqd.connect().await);
    others.0.expect_alive().await;
    others.1.expect_alive().await;
    for _ in 0..3 {
        let mut refused = Client::connect_silently(nsqd.tcp_address()).await;
        refused.expect_error("E_INVALID too many connections").await;
        refused.expect_closed().await;
    }
    assert!(nsqd.await_log("which is the limit").await.contains("WARNING"));
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut http = HttpConnection::connect(nsqd.http_address()).await;
        assert_eq!(http.request("GET", "/ping", b"").await.status, 200);
        kept.push(http);
    }
    let mut refused = HttpConnection::connect(nsqd.http_address()).await;
    assert_eq!(refused.request("GET", "/ping", b"").await.status, 503);
    first.expect_alive().await;
    drop(others.0);
    // Its place is free as soon as nsqd has seen the end.
    let again = async {
        loop {
            let mut client = nsqd.connect().await;
            if client.try_send("NOP\n").await.is_ok() && client.is_answered().await {
                return;
            }
        }
    };
    tests::within("a free place", again).await;
}

#[tokio::test]
async fn a_declared_length_takes_no_memory() {
    // Protects memory from lengths that are only declared: a body is kept as it comes.
    let nsqd = Nsqd::start_with(&["--max-msg-size=104857600", "--max-body-size=104857600"]).await;
    let mut clients = Vec::new();
    for command in ["PUB t\n", "DPUB t 5\n", "MPUB t\n", "IDENTIFY\n", "AUTH\n"].repeat(20) {
        let mut client = nsqd.connect().await;
        client.send([command.as_bytes(), &104_857_600_u32.to_be_bytes(), b"\0\0\0\x01"].concat()).await;
        clients.push(client);
    }
    nsqd.connect().await.expect_alive().await;
    let memory = nsqd.peak_memory();
    assert!(tests::is_reference() || memory < 100 << 20, "{memory} bytes");
}

#[tokio::test]
async fn unix_sockets_serve_as_tcp_does() {
    // Protects clients on the same host: they publish and consume, statistics show them, the file goes with the daemon.
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let socket = folder.path().join("nsqd.sock");
    let mut nsqd = Nsqd::start_with(&[&format!("--tcp-address={}", socket.display())]).await;
    let mut client = Client::connect_unix(&socket).await;
    client.negotiate(r#""snappy":true"#, &tests::Authority::new().client()).await;
    client.subscribe("t", "c").await;
    client.rdy(1).await;
    client.publish("t", b"x").await;
    client.finish_messages(1).await;
    let entry = &nsqd.stats().await.channel("t", "c")["clients"][0];
    assert_eq!((&entry["remote_address"], &entry["snappy"]), (&"@".into(), &true.into()));
    assert!(nsqd.terminate().await.success());
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_consumer_that_does_not_read_takes_bounded_memory() {
    // Protects memory from consumers with much in flight that read nothing, through each layer.
    if !ours_only("it waits for a heartbeat that it cannot send") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let tls = tests::Authority::new().client();
    let mut deaf = Vec::new();
    for layer in [r#""snappy":false"#, r#""snappy":true"#, r#""deflate":true,"deflate_level":1"#].repeat(10) {
        let mut client = nsqd.connect().await;
        client.negotiate(layer, &tls).await;
        client.subscribe("t", &format!("c{}", deaf.len())).await;
        client.rdy(2500).await;
        deaf.push(client);
    }
    let mut producer = nsqd.connect().await;
    // Nothing that a layer could make small.
    let mut random = fastrand::Rng::with_seed(1);
    let body: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(100_000).collect();
    for _ in 0..20 {
        producer.mpub("t", &vec![&body; 50]).await;
    }
    // They are served as far as they can be.
    nsqd.await_stats("messages in flight to all", |stats| {
        let channels = stats.topic("t")["channels"].as_array().cloned().unwrap_or_default();
        channels.iter().filter(|channel| channel["in_flight_count"].as_u64() > Some(0)).count() == 30
    })
    .await;
    let memory = nsqd.peak_memory();
    assert!(memory < 150 << 20, "{memory} bytes");
}

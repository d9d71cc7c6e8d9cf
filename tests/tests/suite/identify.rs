//! IDENTIFY: what clients ask for and what they are told.

use tests::{Nsqd, ours_only};

#[tokio::test]
async fn a_client_that_negotiates_is_told_everything() {
    // Protects the answer byte by byte: keys, order, no white space.
    if !ours_only("the release 1.3.0 has no topology fields, unlike what follows it") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let answer = nsqd.connect().await.identify(r#"{"feature_negotiation":true}"#).await;
    let version = nsqd.get("/info").await.json()["version"].as_str().expect("a version").to_owned();
    let expected = format!(
        concat!(
            r#"{{"max_rdy_count":2500,"version":"{}","max_msg_timeout":900000,"msg_timeout":60000,"tls_v1":false,"#,
            r#""deflate":false,"deflate_level":6,"max_deflate_level":6,"snappy":false,"sample_rate":0,"#,
            r#""auth_required":false,"output_buffer_size":16384,"output_buffer_timeout":250,"#,
            r#""topology_region":"","topology_zone":""}}"#
        ),
        version
    );
    assert_eq!(String::from_utf8_lossy(&answer), expected);
}

#[tokio::test]
async fn a_client_that_does_not_negotiate_is_told_ok() {
    // Protects old clients: the settings apply, upgrades are ignored, the answer is OK.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    let answer = client.identify(r#"{"tls_v1":true,"snappy":true,"deflate":true,"msg_timeout":2000}"#).await;
    assert_eq!(answer, b"OK");
    client.expect_alive().await;
}

#[tokio::test]
async fn settings_are_in_force_and_reported() {
    // Protects what clients read back, bounds included and with the special values.
    let nsqd = Nsqd::start().await;
    for (asked, key, expected) in [
        (r#""msg_timeout":1000"#, "msg_timeout", 1000),
        (r#""msg_timeout":900000"#, "msg_timeout", 900_000),
        (r#""msg_timeout":0"#, "msg_timeout", 60_000),
        (r#""sample_rate":99"#, "sample_rate", 99),
        (r#""output_buffer_size":64"#, "output_buffer_size", 64),
        (r#""output_buffer_size":65536"#, "output_buffer_size", 65536),
        (r#""output_buffer_size":-1"#, "output_buffer_size", 1),
        (r#""output_buffer_size":-1"#, "output_buffer_timeout", 0),
        (r#""output_buffer_timeout":25"#, "output_buffer_timeout", 25),
        (r#""output_buffer_timeout":30000"#, "output_buffer_timeout", 30000),
        (r#""output_buffer_timeout":-1"#, "output_buffer_timeout", 0),
        (r#""OUTPUT_Buffer_Timeout":1000"#, "output_buffer_timeout", 1000),
        (r#""output_buffer_timeout":null"#, "output_buffer_timeout", 250),
        (r#""unknown":{"a":[1]},"msg_timeout":5000,"msg_timeout":6000"#, "msg_timeout", 6000),
    ] {
        let answer =
            nsqd.connect().await.identify(&format!(r#"{{"feature_negotiation":true,{asked}}}"#)).await;
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("the answer is JSON");
        assert_eq!(answer[key], expected, "asked for {asked}");
    }
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    // Protects the limits and their texts.
    let nsqd = Nsqd::start().await;
    for (json, error) in [
        (r#"{"heartbeat_interval":999}"#, "heartbeat interval (999) is invalid"),
        (r#"{"heartbeat_interval":60001}"#, "heartbeat interval (60001) is invalid"),
        (r#"{"heartbeat_interval":-2}"#, "heartbeat interval (-2) is invalid"),
        (r#"{"output_buffer_timeout":24}"#, "output buffer timeout (24) is invalid"),
        (r#"{"output_buffer_timeout":30001}"#, "output buffer timeout (30001) is invalid"),
        (r#"{"output_buffer_size":63}"#, "output buffer size (63) is invalid"),
        (r#"{"output_buffer_size":65537}"#, "output buffer size (65537) is invalid"),
        (r#"{"sample_rate":100}"#, "sample rate (100) is invalid"),
        (r#"{"sample_rate":-1}"#, "sample rate (-1) is invalid"),
        (r#"{"msg_timeout":999}"#, "msg timeout (999) is invalid"),
        (r#"{"msg_timeout":900001}"#, "msg timeout (900001) is invalid"),
        (r#"{"heartbeat_interval":5,"msg_timeout":5}"#, "heartbeat interval (5) is invalid"),
        (r#"{"heartbeat_interval":1000.0}"#, "failed to decode JSON body"),
        (r#"{"heartbeat_interval":"1000"}"#, "failed to decode JSON body"),
        (r#"{"heartbeat_interval":1e4}"#, "failed to decode JSON body"),
        (r#"{"sample_rate":3000000000}"#, "failed to decode JSON body"),
        (r#"{"feature_negotiation":1}"#, "failed to decode JSON body"),
        (r#"{"client_id":1}"#, "failed to decode JSON body"),
        ("{} {}", "failed to decode JSON body"),
        ("\"text\"", "failed to decode JSON body"),
    ] {
        let mut client = nsqd.connect().await;
        client.command(&protocol::Command::Identify { body: json.as_bytes() }).await;
        client.expect_error(format!("E_BAD_BODY IDENTIFY {error}")).await;
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn who_a_client_is_shows_in_the_statistics() {
    // Protects what operators see of a client: its own words, the address before any, blank when left out.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    client.identify(r#"{"client_id":"web-1","hostname":"web-1.example.com","user_agent":"test/1.0"}"#).await;
    client.subscribe("t", "named").await;
    let mut silent = nsqd.connect().await;
    silent.subscribe("t", "silent").await;
    let mut blank = nsqd.connect().await;
    blank.identify("{}").await;
    blank.subscribe("t", "blank").await;
    let stats = nsqd.stats().await;
    for (channel, id, host, agent) in [
        ("named", "web-1", "web-1.example.com", "test/1.0"),
        ("silent", "127.0.0.1", "127.0.0.1", ""),
        ("blank", "", "", ""),
    ] {
        let entry = &stats.channel("t", channel)["clients"][0];
        assert_eq!((&entry["client_id"], &entry["hostname"]), (&id.into(), &host.into()), "{channel}");
        assert_eq!(entry["user_agent"], agent, "{channel}");
    }
}

#[tokio::test]
async fn a_sampling_consumer_gets_a_share_and_the_rest_is_dropped() {
    // Protects sampling: what is not delivered to a sampling consumer is gone for its channel.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.connect().await;
    consumer.identify(r#"{"sample_rate":50}"#).await;
    consumer.subscribe("t", "c").await;
    consumer.rdy(2500).await;
    consumer.mpub("t", &vec!["x"; 2000]).await;
    let channel = nsqd
        .await_channel("t", "c", |channel| channel["message_count"] == 2000 && channel["depth"] == 0)
        .await;
    let delivered = channel["in_flight_count"].as_u64().expect("a number");
    // 50 % of 2000, with 10 standard deviations to either side: the chance to miss is nil.
    assert!((776..=1224).contains(&delivered), "{delivered} of 2000");
}

//! What clients in the wild lean on, though no document promises it. Each test names who.

use std::time::Duration;

use serde_json::Value;
use tests::{Authority, Client, Nsqd, Received, is_reference};

/// The answer to IDENTIFY with negotiation.
async fn negotiated(nsqd: &Nsqd, more: &str) -> Value {
    let answer = nsqd.connect().await.identify(&format!(r#"{{"feature_negotiation":true{more}}}"#)).await;
    serde_json::from_slice(&answer).expect("JSON")
}

#[tokio::test]
async fn the_answer_to_identify_has_every_field_and_small_numbers() {
    // Protects nsqphp, which indexes each key, and tokio-nsq, whose fields are u8, u16 and u32.
    let nsqd = Nsqd::start().await;
    let answer = negotiated(&nsqd, "").await;
    for (key, max) in [
        ("max_rdy_count", u64::from(u16::MAX)),
        ("max_msg_timeout", u64::from(u32::MAX)),
        ("msg_timeout", u64::from(u32::MAX)),
        ("deflate_level", u64::from(u8::MAX)),
        ("max_deflate_level", u64::from(u8::MAX)),
        ("sample_rate", u64::from(u8::MAX)),
        ("output_buffer_size", u64::from(u32::MAX)),
        ("output_buffer_timeout", u64::from(u32::MAX)),
    ] {
        let number = answer[key].as_u64().unwrap_or_else(|| panic!("{key} is a number"));
        assert!(number <= max, "{key}: {number}");
    }
    for key in ["tls_v1", "deflate", "snappy", "auth_required"] {
        assert!(answer[key].is_boolean(), "{key}");
    }
}

#[tokio::test]
async fn the_version_can_be_compared() {
    // Protects pynsq, which splits it at '.' and '-' and compares integers.
    let nsqd = Nsqd::start().await;
    let answer = negotiated(&nsqd, "").await;
    let version = answer["version"].as_str().expect("a text");
    let parts: Vec<&str> = version.split(['.', '-']).collect();
    assert!(3 <= parts.len() && parts[..3].iter().all(|part| part.parse::<u32>().is_ok()), "{version}");
}

#[tokio::test]
async fn the_answer_to_identify_begins_with_a_brace_or_is_ok() {
    // Protects go-nsq, which looks at the first byte only.
    let nsqd = Nsqd::start().await;
    let answer = nsqd.connect().await.identify(r#"{"feature_negotiation":true}"#).await;
    assert_eq!(answer[0], b'{');
    assert_eq!(nsqd.connect().await.identify(r#"{"feature_negotiation":false}"#).await, b"OK");
}

#[tokio::test]
async fn each_layer_is_answered_by_ok_alone() {
    // Protects go-nsq, which compares the frame behind each upgrade with these two bytes.
    let authority = Authority::new();
    let flags = authority.server_flags();
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut client = nsqd.connect().await;
    client.identify(r#"{"feature_negotiation":true,"tls_v1":true,"snappy":true}"#).await;
    client.try_tls(&authority.client()).await.expect("the handshake succeeds");
    assert_eq!(client.next_frame().await, Some(Received::Response(b"OK".to_vec())));
    client.compress(protocol::Compression::Snappy);
    assert_eq!(client.next_frame().await, Some(Received::Response(b"OK".to_vec())));
    client.expect_silence().await;
}

#[tokio::test]
async fn errors_begin_with_a_known_word() {
    // Protects nsqjs, nsq-j and nsqphp, which split the first word off, and JavaNSQClient, which looks at prefixes.
    let nsqd = Nsqd::start().await;
    for (command, word) in [
        (&b"FOO\n"[..], "E_INVALID"),
        (b"PUB t!\n", "E_BAD_TOPIC"),
        (b"SUB t c!\n", "E_BAD_CHANNEL"),
        (b"PUB t\n\0\0\0\0", "E_BAD_MESSAGE"),
        (b"MPUB t\n\0\0\0\0", "E_BAD_BODY"),
    ] {
        let mut client = nsqd.connect().await;
        client.send(command).await;
        let error = client.next_error().await;
        assert_eq!(error.split(' ').next(), Some(word), "{error}");
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn any_command_answers_a_heartbeat() {
    // Protects clients that finish or publish in place of a NOP.
    let nsqd = Nsqd::start().await;
    let answer = async |command: &'static [u8]| {
        let mut client = nsqd.connect().await;
        client.identify(r#"{"heartbeat_interval":1000}"#).await;
        client.subscribe("t", "c").await;
        // Three times the interval: without answers it would be closed behind two.
        let mut heartbeats = 0;
        while heartbeats < 3 {
            if client.next_frame().await.expect("it lives") == Received::Response(b"_heartbeat_".to_vec()) {
                heartbeats += 1;
                client.send(command).await;
            }
        }
    };
    tokio::join!(answer(b"NOP\n"), answer(b"PUB t\n\0\0\0\x01x"), answer(b"FIN 0123456789abcdef\n"));
}

#[tokio::test]
async fn cls_is_answered_by_close_wait_alone() {
    // Protects elixir_nsq, which matches the whole frame, and go-nsq, which switches on it.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.send("CLS\n").await;
    assert_eq!(consumer.next_frame().await, Some(Received::Response(b"CLOSE_WAIT".to_vec())));
}

#[tokio::test]
async fn go_nsq_identifies_with_values_that_mean_nothing() {
    // Protects go-nsq, which sends its defaults, and what is -1 or 0 among them.
    let nsqd = Nsqd::start().await;
    let answer = negotiated(
        &nsqd,
        r#","client_id":"h","hostname":"h.example","user_agent":"go-nsq/1.1.0","short_id":"h","long_id":"h.example",
           "tls_v1":false,"deflate":false,"deflate_level":6,"snappy":false,"heartbeat_interval":30000,"sample_rate":0,
           "output_buffer_size":16384,"output_buffer_timeout":-1,"msg_timeout":0,"topology_region":"","topology_zone":"""#,
    )
    .await;
    assert_eq!((&answer["output_buffer_timeout"], &answer["msg_timeout"]), (&0.into(), &60_000.into()));
}

#[tokio::test]
async fn ids_are_sixteen_hex_digits_and_attempts_begin_at_one() {
    // Protects whoever prints ids, parses them as hex, or gives up after some attempts.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", b"x").await;
    for attempts in 1..=3 {
        let message = consumer.next_message().await;
        assert_eq!(message.attempts, attempts);
        let id = message.id.to_string();
        assert!(id.len() == 16 && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{id}");
        let since_1970 =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later");
        let age = since_1970.as_nanos().cast_signed() - i128::from(message.timestamp_ns);
        assert!((0..60_000_000_000).contains(&age), "nanoseconds since 1970: {}", message.timestamp_ns);
        consumer.req(message.id, Duration::ZERO).await;
    }
}

#[tokio::test]
async fn requeue_delays_are_cut_and_publish_delays_refused() {
    // Protects clients whose backoff grows without a bound, and those that rely on the error of DPUB.
    let nsqd = Nsqd::start_with(&["--max-req-timeout=1s"]).await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", b"x").await;
    let message = consumer.next_message().await;
    consumer.req(message.id, Duration::from_hours(100)).await;
    assert_eq!(consumer.next_message().await.attempts, 2);
    consumer.send("DPUB t 1001\n").await;
    consumer.expect_error("E_INVALID DPUB timeout 1001 out of range 0-1000").await;
    consumer.expect_closed().await;
}

#[tokio::test]
async fn a_failed_fin_is_told_with_its_text_and_costs_nothing() {
    // Protects consumers that answer late: tokio-nsq drops the connection at such a frame, all others go on.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.connect().await;
    consumer.identify(r#"{"msg_timeout":1000}"#).await;
    consumer.subscribe("t", "c").await;
    consumer.rdy(1).await;
    consumer.publish("t", b"x").await;
    let first = consumer.next_message().await;
    let again = consumer.next_message().await;
    assert_eq!((again.id, again.attempts), (first.id, 2));
    // It is in flight again, to the same connection: a late FIN finishes it.
    consumer.fin(first.id).await;
    nsqd.await_channel("t", "c", |channel| channel["clients"][0]["finish_count"] == 1).await;
    consumer.fin(first.id).await;
    consumer.expect_error(format!("E_FIN_FAILED FIN {} failed ID not in flight", first.id)).await;
    consumer.expect_alive().await;
}

#[tokio::test]
async fn mpub_over_http_splits_lines_and_reads_binary() {
    // Protects HTTP publishers: empty lines are dropped, "0" and "false" mean text.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    for (query, body, messages) in [
        ("", &b"a\n\nb\nc"[..], 3),
        ("&binary=0", b"a\nb\n", 2),
        ("&binary=false", b"a\nb\n", 2),
        ("&binary=true", b"\0\0\0\x02\0\0\0\x01a\0\0\0\x01b", 2),
    ] {
        let before = nsqd.stats().await.topic("t")["message_count"].as_u64().expect("a number");
        let answer = nsqd.post(&format!("/mpub?topic=t{query}"), body).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "OK"), "{query}");
        let after = nsqd.stats().await.topic("t")["message_count"].as_u64().expect("a number");
        assert_eq!(after - before, messages, "{query}");
    }
}

#[tokio::test]
async fn curl_publishes_large_bodies_after_a_continue() {
    // Protects curl, which asks before it sends more than a kilobyte, and every content type.
    let nsqd = Nsqd::start().await;
    let mut client = Client::connect_silently(nsqd.http_address()).await;
    let head = "POST /pub?topic=t&defer=1 HTTP/1.1\r\nHost: nsqd\r\nContent-Length: 5000\r\nContent-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    client.send(head).await;
    client.expect_bytes(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    client.send(vec![b'x'; 5000]).await;
    let answer = String::from_utf8_lossy(&client.read_to_end().await).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nOK"), "{answer}");
    for old in ["/put?topic=t", "/mput?topic=t", "/create_topic?topic=t"] {
        assert_eq!(nsqd.post(old, b"x").await.status, 404, "{old} is gone since 1.0");
    }
}

#[tokio::test]
async fn statistics_have_the_shape_that_exporters_read() {
    // Protects exporters, Telegraf and KEDA: paths, types, and what is null.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    consumer.publish("t", b"x").await;
    let stats = nsqd.get("/stats?format=json").await.json();
    let topic = &stats["topics"][0];
    let channel = &topic["channels"][0];
    for (of, keys) in [
        (topic, &["depth", "backend_depth", "message_count"][..]),
        (
            channel,
            &[
                "depth",
                "backend_depth",
                "in_flight_count",
                "deferred_count",
                "message_count",
                "requeue_count",
                "timeout_count",
            ],
        ),
    ] {
        for key in keys {
            assert!(of[key].is_u64(), "{key}: {}", of[key]);
        }
        assert!(of["paused"].is_boolean());
        assert_eq!(of["e2e_processing_latency"]["count"], 0);
        assert!(of["e2e_processing_latency"].get("percentiles").is_some_and(Value::is_null));
    }
    assert!(channel["clients"].is_array());
    let counted =
        nsqd.get("/stats?format=json&topic=t&channel=c&include_clients=false&include_mem=false").await.json();
    assert_eq!(counted["topics"][0]["channels"][0]["clients"], Value::Null);
    assert!(counted.get("memory").is_none() || counted["memory"].is_null());
    if !is_reference() {
        assert_eq!(counted["topics"][0]["channels"][0]["client_count"], 1);
    }
}

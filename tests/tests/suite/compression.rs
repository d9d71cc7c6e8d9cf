//! Snappy and deflate, alone and over TLS.

use std::time::{Duration, Instant};

use protocol::Compression;
use tests::{Authority, Client, Nsqd, compressed, is_reference, ours_only};

/// Bytes of which half can be compressed.
fn body(number: usize, bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number as u64);
    (0..bytes).map(|at| if at % 512 < 256 { b'a' } else { random.u8(..) }).collect()
}

#[tokio::test]
async fn every_combination_carries_messages_of_every_size() {
    // Protects the layers: what goes in comes out, small and large, each way, in the order of the protocol.
    let authority = Authority::new();
    let flags = authority.server_flags();
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (number, settings) in [
        r#""snappy":true"#,
        r#""deflate":true"#,
        r#""deflate":true,"deflate_level":1"#,
        r#""tls_v1":true,"snappy":true"#,
        r#""tls_v1":true,"deflate":true"#,
        r#""snappy":true,"output_buffer_size":-1"#,
        r#""snappy":true,"output_buffer_size":64"#,
    ]
    .into_iter()
    .enumerate()
    {
        let topic = format!("t{number}");
        let mut client = nsqd.connect().await;
        client.negotiate(settings, &authority.client()).await;
        client.subscribe(&topic, "c").await;
        client.rdy(5).await;
        for (number, bytes) in [1, 100, 5000, 70_000, 1_000_000].into_iter().enumerate() {
            let body = body(number, bytes);
            client.publish(&topic, &body).await;
            assert!(client.finish_messages(1).await[0].body == body, "{settings}: {bytes} bytes");
        }
        let entry = &nsqd.stats().await.channel(&topic, "c")["clients"][0];
        for layer in ["snappy", "deflate"] {
            assert_eq!(entry[layer], settings.contains(layer), "{settings}");
        }
        assert_eq!(entry["tls"], settings.contains("tls"), "{settings}");
    }
}

#[tokio::test]
async fn a_stream_of_many_messages_is_carried() {
    // Protects the state of the streams over many flushes, both ways at once, beyond every buffer.
    let nsqd = Nsqd::start().await;
    let authority = Authority::new();
    for layer in ["snappy", "deflate"] {
        let mut producer = nsqd.connect().await;
        producer.negotiate(&format!(r#""{layer}":true"#), &authority.client()).await;
        let mut consumer = nsqd.connect().await;
        consumer.negotiate(&format!(r#""{layer}":true"#), &authority.client()).await;
        consumer.subscribe(layer, "c").await;
        consumer.rdy(100).await;
        let bodies: Vec<Vec<u8>> = (0..2000).map(|number| body(number, 50 + number % 3000)).collect();
        let publish = async {
            for batch in bodies.chunks(50) {
                producer.mpub(layer, batch).await;
            }
        };
        let ((), mut messages) = tokio::join!(publish, consumer.finish_messages(bodies.len()));
        messages.sort_by_key(|message| message.id);
        assert!(messages.iter().map(|message| &message.body).eq(&bodies), "{layer}");
    }
}

#[tokio::test]
async fn what_is_agreed_on_is_what_is_asked_for_and_offered() {
    // Protects the answer: the level in force, what is switched off, and both at once.
    let authority = Authority::new();
    for (flags, settings, expected) in [
        (&[][..], r#""deflate":true"#, (false, true, 6)),
        (&[], r#""deflate":true,"deflate_level":9"#, (false, true, 6)),
        (&[], r#""deflate":true,"deflate_level":1"#, (false, true, 1)),
        (&[], r#""deflate":true,"deflate_level":-3"#, (false, true, 6)),
        (&[], r#""deflate_level":3"#, (false, false, 6)),
        (&["--max-deflate-level=9"], r#""deflate":true,"deflate_level":9"#, (false, true, 9)),
        (&["--max-deflate-level=3"], r#""deflate":true"#, (false, true, 3)),
        (&["--snappy=false"], r#""snappy":true"#, (false, false, 6)),
        (&["--snappy=false"], r#""snappy":true,"deflate":true"#, (false, true, 6)),
        (&["--deflate=false"], r#""snappy":true,"deflate":true"#, (true, false, 6)),
    ] {
        let nsqd = Nsqd::start_with(flags).await;
        let mut client = nsqd.connect().await;
        let answer = client.negotiate(settings, &authority.client()).await;
        let (snappy, deflate, level) = expected;
        assert_eq!(answer["snappy"], snappy, "{flags:?} {settings}");
        assert_eq!(answer["deflate"], deflate, "{flags:?} {settings}");
        assert_eq!(answer["deflate_level"], level, "{flags:?} {settings}");
        client.expect_alive().await;
    }
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    let both = br#"{"feature_negotiation":true,"snappy":true,"deflate":true}"#;
    client.command(&protocol::Command::Identify { body: both }).await;
    client.expect_error("E_IDENTIFY_FAILED cannot enable both deflate and snappy compression").await;
    client.expect_closed().await;
}

#[tokio::test]
async fn a_lone_message_is_flushed_through_the_compressor() {
    // Protects latency: a message that is compressed does not wait for the next one, nor for a heartbeat.
    if !ours_only("deflate without an output buffer holds messages until the next heartbeat") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let authority = Authority::new();
    for settings in
        [r#""deflate":true,"output_buffer_size":-1"#, r#""snappy":true,"output_buffer_timeout":-1"#]
    {
        let mut consumer = nsqd.connect().await;
        consumer.negotiate(settings, &authority.client()).await;
        consumer.subscribe("t", "c").await;
        consumer.rdy(5).await;
        let published = Instant::now();
        nsqd.connect().await.publish("t", b"x").await;
        let message = consumer.next_message().await;
        consumer.fin(message.id).await;
        nsqd.await_channel("t", "c", |channel| channel["clients"][0]["finish_count"] == 1).await;
        assert!(published.elapsed() < Duration::from_secs(5), "{settings}: {:?}", published.elapsed());
    }
}

/// A client that has agreed on a compression, and sends raw bytes from then on.
async fn raw(nsqd: &Nsqd, compression: Compression) -> Client {
    let mut client = nsqd.connect().await;
    let layer = if compression == Compression::Snappy { "snappy" } else { "deflate" };
    client.identify(&format!(r#"{{"feature_negotiation":true,"{layer}":true}}"#)).await;
    client
}

const DEFLATE: Compression = Compression::Deflate { level: 6 };

#[tokio::test]
async fn corrupt_streams_end_without_a_word() {
    // Protects the daemon from whatever is not the compression that was agreed on.
    let nsqd = Nsqd::start().await;
    let whole = compressed(Compression::Snappy, b"NOP\n").await;
    let mut wrong_sum = whole.clone();
    wrong_sum[14] ^= 1;
    let without_identifier = whole[10..].to_vec();
    for (compression, bytes) in [
        (Compression::Snappy, b"NOP\nNOP\nNOP\n".to_vec()),
        (Compression::Snappy, wrong_sum),
        (Compression::Snappy, without_identifier),
        (Compression::Snappy, [&whole[..10], b"\x02\x00\x00\x00"].concat()),
        (Compression::Snappy, [&whole[..10], b"\x00\xff\xff\xff"].concat()),
        (DEFLATE, b"\xff\xff\xff\xffNOP\n".to_vec()),
    ] {
        let mut client = raw(&nsqd, compression).await;
        client.send(&bytes).await;
        client.compress(compression);
        client.expect_ok().await;
        client.expect_closed().await;
    }
    // What means nothing is passed over.
    let mut client = raw(&nsqd, Compression::Snappy).await;
    let publish = compressed(Compression::Snappy, b"PUB t\n\0\0\0\x01x").await;
    client.send([&publish[..10], b"\xfe\x03\x00\x00abc\x80\x01\x00\x00x", &publish[..]].concat()).await;
    client.compress(Compression::Snappy);
    client.expect_ok().await;
    client.expect_ok().await;
}

#[tokio::test]
async fn limits_hold_behind_the_decompressor() {
    // Protects memory: little that expands to much meets the limits of lines, bodies and messages, and is not gathered.
    let nsqd = Nsqd::start().await;
    for compression in [Compression::Snappy, DEFLATE] {
        let line = compressed(compression, &vec![b'a'; 64 << 20]).await;
        assert!(line.len() < 8 << 20, "{compression:?}: it is small");
        let mut client = raw(&nsqd, compression).await;
        // It is closed long before the end.
        drop(client.try_send(&line).await);
        client.compress(compression);
        client.expect_ok().await;
        if !is_reference() {
            client.next_error_or_end().await;
        }
        let mut body = b"PUB t\n\x00\x10\x00\x01".to_vec();
        body.resize(32 << 20, 0);
        let body = compressed(compression, &body).await;
        let mut client = raw(&nsqd, compression).await;
        drop(client.try_send(&body).await);
        client.compress(compression);
        client.expect_ok().await;
        client.expect_error("E_BAD_MESSAGE PUB message too big 1048577 > 1048576").await;
    }
    let heap = nsqd.peak_memory();
    assert!(is_reference() || heap < 64 << 20, "{heap} bytes");
    nsqd.connect().await.expect_alive().await;
}

#[tokio::test]
async fn the_layers_stay_when_a_client_identifies_again() {
    // Protects the stream: the reference answers a second IDENTIFY in clear, in the middle of it.
    if !ours_only("its answer breaks the stream") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    client.negotiate(r#""snappy":true"#, &Authority::new().client()).await;
    client.send(b"IDENTIFY\n\0\0\0\x02{}").await;
    client.expect_error("E_INVALID cannot IDENTIFY in current state").await;
    client.expect_closed().await;
}

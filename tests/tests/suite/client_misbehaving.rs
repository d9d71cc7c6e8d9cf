//! The client against an nsqd that cuts, delays, refuses, lies or falls silent.

use std::time::{Duration, Instant};

use client::{Config, Consumer, Source};
use protocol::{CLOSE_WAIT, Frame, HEARTBEAT, MessageId};
use tests::{LogCapture, MockConnection, MockNsqd, consume, next_message, try_consume, within};

/// Reconnects soon.
fn config() -> Config {
    Config { lookupd_poll_interval: Duration::from_millis(20), max_in_flight: 10, ..Config::default() }
}

/// A consumer, and the nsqd's end of its connection.
async fn pair(mock: &MockNsqd, config: Config) -> (Consumer, MockConnection) {
    let connecting = consume(vec![mock.address()], config);
    let (consumer, mut connection) = tokio::join!(connecting, mock.accept_subscribed());
    assert_eq!(connection.next_command().await, "RDY 10");
    (consumer, connection)
}

/// The consumer drops this connection and makes another one, which works.
async fn expect_reconnect(mock: &MockNsqd, consumer: &mut Consumer, mut old: MockConnection) {
    let closing = async {
        old.closed().await;
        old
    };
    let (mut new, _old) = tokio::join!(mock.accept_subscribed(), closing);
    assert_eq!(new.next_command().await, "RDY 10");
    new.message(7, 1, b"after").await;
    let message = next_message(consumer).await;
    assert_eq!(message.body, "after");
    message.finish();
    assert_eq!(new.next_deed().await, format!("FIN {}", MessageId::from_u64(7)));
}

#[tokio::test]
async fn frames_may_come_in_pieces() {
    // Protects against a network that cuts where it likes.
    let mock = MockNsqd::start().await;
    let (mut consumer, mut connection) = pair(&mock, config()).await;
    let frame = MockConnection::message_frame(1, 1, b"in pieces");
    for byte in &frame {
        connection.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    let message = next_message(&mut consumer).await;
    assert_eq!(message.body, "in pieces");
    message.finish();
    assert_eq!(connection.next_command().await, format!("FIN {}", MessageId::from_u64(1)));
}

#[tokio::test]
async fn heartbeats_are_answered() {
    // Protects idle connections, which nsqd closes otherwise.
    let mock = MockNsqd::start().await;
    let (_consumer, mut connection) = pair(&mock, config()).await;
    for _ in 0..3 {
        connection.frame(&Frame::Response(HEARTBEAT)).await;
        assert_eq!(connection.next_command().await, "NOP");
    }
}

#[tokio::test]
async fn errors_about_a_message_are_no_reason_to_leave() {
    // Protects the other messages of the connection when one was finished too late.
    let log = LogCapture::new();
    let mock = MockNsqd::start().await;
    let (mut consumer, mut connection) = pair(&mock, config()).await;
    for code in ["E_FIN_FAILED FIN x failed", "E_REQ_FAILED REQ x failed", "E_TOUCH_FAILED TOUCH x failed"] {
        connection.frame(&Frame::Error(code.as_bytes())).await;
    }
    connection.message(1, 1, b"x").await;
    next_message(&mut consumer).await.finish();
    assert_eq!(connection.next_command().await, format!("FIN {}", MessageId::from_u64(1)));
    let address = mock.address();
    let line = log.await_line("E_FIN_FAILED").await;
    let expected = format!("[t/c] ({address}) protocol error - E_FIN_FAILED FIN x failed");
    assert!(line.starts_with("ERROR ") && line.ends_with(&expected), "{line}");
}

#[tokio::test]
async fn other_errors_end_the_connection() {
    // Protects against waiting on a connection that nsqd has given up.
    let mock = MockNsqd::start().await;
    let (mut consumer, mut connection) = pair(&mock, config()).await;
    connection.frame(&Frame::Error(b"E_INVALID nonsense")).await;
    expect_reconnect(&mock, &mut consumer, connection).await;
}

#[tokio::test]
async fn sizes_that_cannot_be_are_refused() {
    // Protects memory: a size is believed up to a bound only, whatever stands behind it.
    let mock = MockNsqd::start().await;
    for garbage in [
        &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 2][..],
        &[0, 0, 0, 1, 0, 0, 0, 2],
        &[0, 0, 0, 20, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        &[0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 0],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ] {
        let (mut consumer, mut connection) = pair(&mock, config()).await;
        connection.send(garbage).await;
        expect_reconnect(&mock, &mut consumer, connection).await;
    }
}

#[tokio::test]
async fn the_size_of_messages_may_be_bounded() {
    // Protects `max_msg_size`; answers are not bounded by it.
    let mock = MockNsqd::start().await;
    let (mut consumer, mut connection) = pair(&mock, Config { max_msg_size: 100_000, ..config() }).await;
    connection.message(1, 1, &vec![b'x'; 100_000]).await;
    let message = next_message(&mut consumer).await;
    assert_eq!(message.body.len(), 100_000);
    message.finish();
    connection.send(&MockConnection::message_frame(2, 1, &vec![b'x'; 100_001])[..34]).await;
    expect_reconnect(&mock, &mut consumer, connection).await;
}

#[tokio::test]
async fn silence_ends_the_connection() {
    // Protects against an nsqd whose machine is gone: no FIN ever comes from it.
    let mock = MockNsqd::start().await;
    let quick = Duration::from_millis(150);
    let config = Config { read_timeout: quick, heartbeat_interval: quick, ..config() };
    let (mut consumer, connection) = pair(&mock, config).await;
    let began = Instant::now();
    expect_reconnect(&mock, &mut consumer, connection).await;
    assert!(quick <= began.elapsed());
}

#[tokio::test]
async fn what_was_on_a_lost_connection_is_not_given_out() {
    // Protects against work that is done twice: nsqd sends these messages again, to whom it likes.
    let mock = MockNsqd::start().await;
    let (mut consumer, mut connection) = pair(&mock, config()).await;
    let handle = consumer.handle();
    let mut bytes = MockConnection::message_frame(1, 1, b"lost");
    bytes.extend_from_slice(&MockConnection::message_frame(2, 1, b"cut")[..20]);
    connection.send(bytes).await;
    within("a message", async {
        while handle.counts().received == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(connection);
    let mut new = mock.accept_subscribed().await;
    new.message(3, 1, b"new").await;
    let message = next_message(&mut consumer).await;
    assert_eq!(message.body, "new");
    message.finish();
    let counts = handle.counts();
    assert_eq!((counts.received, counts.finished, counts.requeued), (2, 1, 0));
}

#[tokio::test]
async fn an_nsqd_that_floods_is_held_back() {
    // Protects memory from an nsqd that sends more than it was allowed: reading stops, and goes on when there is room.
    const COUNT: u64 = 20_000;
    let mock = MockNsqd::start().await;
    let (mut consumer, mut connection) = pair(&mock, config()).await;
    let handle = consumer.handle();
    let flooding = tokio::spawn(async move {
        let body = vec![b'x'; 2000];
        for number in 0..COUNT {
            connection.send(MockConnection::message_frame(number, 1, &body)).await;
        }
        connection
    });
    within("a halt", async {
        let mut before = u64::MAX;
        while before != handle.counts().received || before == 0 {
            before = handle.counts().received;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(handle.counts().received < COUNT / 2, "{} are held", handle.counts().received);
    for _ in 0..COUNT {
        next_message(&mut consumer).await.finish();
    }
    let mut connection = within("the end of the flood", flooding).await.unwrap();
    for number in 0..COUNT {
        assert_eq!(connection.next_deed().await, format!("FIN {}", MessageId::from_u64(number)));
    }
}

#[tokio::test]
async fn a_stop_ends_what_nsqd_does_not_end() {
    // Protects the stop: CLS is sent, messages before CLOSE_WAIT still come, and what is held can be finished.
    let mock = MockNsqd::start().await;
    let (mut consumer, mut connection) = pair(&mock, config()).await;
    let handle = consumer.handle();
    handle.stop();
    assert_eq!(connection.next_command().await, "CLS");
    connection.message(1, 1, b"late").await;
    connection.frame(&Frame::Response(CLOSE_WAIT)).await;
    let message = next_message(&mut consumer).await;
    assert!(within("the end", consumer.next()).await.is_none());
    message.finish();
    assert_eq!(connection.next_command().await, format!("FIN {}", MessageId::from_u64(1)));
    connection.closed().await;
    within("the stop", handle.stopped()).await;
}

#[tokio::test]
async fn what_identify_answers_is_checked() {
    // Protects the handshake: each way in which it can fail ends in an error that says so.
    let mock = MockNsqd::start().await;
    let check = async |answer: &[u8], config: Config, expected: &str| {
        let source = Source::Nsqds(vec![mock.address()]);
        let connecting = try_consume(source, config);
        let answering = async {
            let mut connection = mock.accept().await;
            connection.send(answer).await;
            connection.closed().await;
        };
        let (consumer, ()) = within("an error", async { tokio::join!(connecting, answering) }).await;
        assert_eq!(consumer.unwrap_err().to_string(), expected);
    };
    let framed = |kind: u8, data: &[u8]| {
        let size = u8::try_from(data.len() + 4).expect("it is short");
        [&[0, 0, 0, size, 0, 0, 0, kind][..], data].concat()
    };
    let expected =
        "failed to IDENTIFY - the answer is no JSON: EOF while parsing an object at line 1 column 1";
    check(&framed(0, b"{"), config(), expected).await;
    check(&framed(1, b"E_INVALID no"), config(), "E_INVALID no").await;
    let expected = "failed to IDENTIFY - frame of 2147483647 bytes is over the limit of 134217758; raise the limit or check the peer";
    check(&[0x7f, 0xff, 0xff, 0xff], config(), expected).await;
    let auth = framed(0, br#"{"auth_required":true}"#);
    check(&auth, config(), "Auth Required").await;
    let tls = Config { tls_v1: true, tls_insecure_skip_verify: true, ..config() };
    let address = mock.address();
    let expected =
        format!("nsqd at {address} does not offer TLS; give it a certificate, or leave tls_v1 out");
    check(&framed(0, b"{}"), tls, &expected).await;
    let short = Config {
        read_timeout: Duration::from_millis(100),
        heartbeat_interval: Duration::from_millis(100),
        ..config()
    };
    check(b"", short, "failed to IDENTIFY - read: i/o timeout").await;
}

//! The client's consumer on a real nsqd: what becomes of messages, and how it stops.

use std::time::Duration;

use client::{Config, Consumer, Message, Requeue, Source};
use tests::{LogCapture, MockNsqd, Nsqd, SILENCE, consume, next_message, ours_only, try_consume, within};

/// A consumer of `t`/`c`.
async fn consumer(nsqd: &Nsqd, config: Config) -> Consumer {
    consume(vec![nsqd.tcp_address().to_string()], config).await
}

fn in_flight(max_in_flight: u32) -> Config {
    Config { max_in_flight, ..Config::default() }
}

async fn publish(nsqd: &Nsqd, bodies: &[&str]) {
    let mut client = nsqd.connect().await;
    for body in bodies {
        client.publish("t", body).await;
    }
}

#[tokio::test]
async fn messages_come_and_are_finished() {
    // Protects the whole way: content, order, the address; nsqd sees each FIN.
    let nsqd = Nsqd::start().await;
    let mut consumer = consumer(&nsqd, in_flight(10)).await;
    publish(&nsqd, &["one", "two", "three"]).await;
    for body in ["one", "two", "three"] {
        let message = next_message(&mut consumer).await;
        assert_eq!((message.body.as_ref(), message.attempts), (body.as_bytes(), 1));
        assert_eq!(message.nsqd_address(), nsqd.tcp_address().to_string());
        assert!(0 < message.timestamp_ns && !message.is_given_up());
        message.finish();
    }
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0 && channel["depth"] == 0).await;
    let counts = consumer.handle().counts();
    assert_eq!((counts.received, counts.finished, counts.requeued, counts.connections), (3, 3, 0, 1));
    let entry = &nsqd.stats().await.channel("t", "c")["clients"][0];
    assert_eq!(entry["user_agent"], concat!("nsq-rs/", env!("CARGO_PKG_VERSION")));
    assert_eq!(entry["ready_count"], 10);
}

#[tokio::test]
async fn messages_are_requeued_as_asked() {
    // Protects the three ways back: explicit, default delay times attempts, and by being dropped.
    let nsqd = Nsqd::start().await;
    let default_requeue_delay = Duration::from_millis(20);
    let no_backoff = Duration::ZERO;
    let config =
        Config { default_requeue_delay, max_backoff_duration: no_backoff, max_attempts: 0, ..in_flight(10) };
    let mut consumer = consumer(&nsqd, config).await;
    publish(&nsqd, &["x"]).await;
    next_message(&mut consumer).await.requeue(Requeue::after(Duration::ZERO));
    let message = next_message(&mut consumer).await;
    assert_eq!(message.attempts, 2);
    let began = std::time::Instant::now();
    message.requeue(Requeue::default());
    let message = next_message(&mut consumer).await;
    assert_eq!(message.attempts, 3);
    assert!(Duration::from_millis(40) <= began.elapsed(), "it came after {:?}", began.elapsed());
    drop(message);
    let message = next_message(&mut consumer).await;
    assert_eq!(message.attempts, 4);
    message.finish();
    nsqd.await_channel("t", "c", |channel| channel["requeue_count"] == 3 && channel["depth"] == 0).await;
    assert_eq!(consumer.handle().counts().requeued, 3);
}

#[tokio::test]
async fn a_touched_message_is_not_timed_out() {
    // Protects long work: TOUCH, and the timeout that the options ask for.
    let nsqd = Nsqd::start().await;
    let config = Config { msg_timeout: Duration::from_secs(1), ..in_flight(1) };
    let mut consumer = consumer(&nsqd, config).await;
    publish(&nsqd, &["x"]).await;
    let message = next_message(&mut consumer).await;
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(2500) {
        message.touch();
        tokio::time::sleep(SILENCE / 2).await;
    }
    message.finish();
    let channel = nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    assert_eq!((&channel["timeout_count"], &channel["depth"]), (&0.into(), &0.into()));
}

#[tokio::test]
async fn several_are_taken_at_once() {
    // Protects the batch call: it waits for the first, and gives no more than asked for.
    let nsqd = Nsqd::start().await;
    publish(&nsqd, &["1", "2", "3", "4", "5"]).await;
    let mut consumer = consumer(&nsqd, in_flight(100)).await;
    let mut messages = Vec::new();
    while messages.len() < 5 {
        let before = messages.len();
        let added = within("a batch", consumer.next_batch(&mut messages, 2)).await;
        assert!((1..=2).contains(&added) && messages.len() == before + added);
    }
    let bodies: Vec<_> = messages.iter().map(|message| message.body.as_ref()).collect();
    assert_eq!(bodies, [b"1", b"2", b"3", b"4", b"5"]);
    messages.into_iter().for_each(Message::finish);
    consumer.handle().stop();
    assert_eq!(within("the end", consumer.next_batch(&mut Vec::new(), 2)).await, 0);
}

#[tokio::test]
async fn a_graceful_stop_finishes_what_is_in_flight() {
    // Protects work that is done: what came before the stop is given out and finished, the rest stays in the channel.
    let nsqd = Nsqd::start().await;
    let mut consumer = consumer(&nsqd, in_flight(3)).await;
    publish(&nsqd, &["1", "2", "3", "4", "5"]).await;
    let handle = consumer.handle();
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 3).await;
    let held = next_message(&mut consumer).await;
    handle.stop();
    let stopped = tokio::spawn({
        let handle = handle.clone();
        async move { handle.stopped().await }
    });
    let more = [next_message(&mut consumer).await, next_message(&mut consumer).await];
    assert!(within("the end", consumer.next()).await.is_none());
    assert!(!stopped.is_finished(), "messages are still held");
    more.into_iter().for_each(Message::finish);
    held.finish();
    within("the stop", stopped).await.unwrap();
    let channel = nsqd.await_channel("t", "c", |channel| channel["client_count"] == 0).await;
    assert_eq!((&channel["depth"], &channel["requeue_count"]), (&2.into(), &0.into()));
    assert_eq!((handle.counts().finished, handle.counts().connections), (3, 0));
}

#[tokio::test]
async fn a_dropped_consumer_gives_back_what_nobody_saw() {
    // Protects the next consumer: it need not wait for the timeout of what this one had prefetched.
    let nsqd = Nsqd::start().await;
    let mut consumer = consumer(&nsqd, in_flight(5)).await;
    publish(&nsqd, &["1", "2", "3", "4", "5"]).await;
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 5).await;
    let message = next_message(&mut consumer).await;
    let handle = consumer.handle();
    drop(consumer);
    message.finish();
    within("the stop", handle.stopped()).await;
    let channel = nsqd.await_channel("t", "c", |channel| channel["client_count"] == 0).await;
    assert_eq!((&channel["depth"], &channel["requeue_count"]), (&4.into(), &4.into()));
    assert_eq!(channel["deferred_count"], 0);
}

#[tokio::test]
async fn what_comes_too_often_is_given_up() {
    // Protects the channel from a message that nobody can handle, and the operator, who is told which.
    let log = LogCapture::new();
    let nsqd = Nsqd::start().await;
    let config = Config { max_attempts: 2, max_backoff_duration: Duration::ZERO, ..in_flight(1) };
    let mut consumer = consumer(&nsqd, config).await;
    publish(&nsqd, &["bad"]).await;
    let mut id = String::new();
    for attempts in [1, 2] {
        let message = next_message(&mut consumer).await;
        assert_eq!((message.body.as_ref(), message.attempts), (b"bad".as_slice(), attempts));
        id = message.id.to_string();
        message.requeue(Requeue::after(Duration::ZERO));
    }
    let line = log.await_line("giving up").await;
    let expected = format!(" [t/c] msg {id} attempted 3 times, giving up");
    assert!(line.starts_with("WARN ") && line.ends_with(&expected), "{line}");
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0 && channel["depth"] == 0).await;
}

#[tokio::test]
async fn what_is_given_up_can_be_taken() {
    // Protects who wants to publish such messages elsewhere.
    let nsqd = Nsqd::start().await;
    let config = Config {
        max_attempts: 1,
        max_backoff_duration: Duration::ZERO,
        deliver_given_up: true,
        ..in_flight(1)
    };
    let mut consumer = consumer(&nsqd, config).await;
    publish(&nsqd, &["bad"]).await;
    let message = next_message(&mut consumer).await;
    assert!(!message.is_given_up());
    message.requeue(Requeue::after(Duration::ZERO));
    let message = next_message(&mut consumer).await;
    assert!(message.is_given_up());
    assert_eq!(message.body, "bad");
    message.finish();
}

#[tokio::test]
async fn a_consumer_is_starved_when_its_share_is_in_flight() {
    // Protects those who gather before they finish, as nsq_to_file does.
    let nsqd = Nsqd::start().await;
    let mut consumer = consumer(&nsqd, in_flight(7)).await;
    let handle = consumer.handle();
    assert!(!handle.is_starved());
    publish(&nsqd, &["1", "2", "3", "4"]).await;
    let mut held = Vec::new();
    while held.len() < 4 {
        held.push(next_message(&mut consumer).await);
    }
    assert!(!handle.is_starved(), "4 of 7");
    publish(&nsqd, &["5"]).await;
    held.push(next_message(&mut consumer).await);
    assert!(handle.is_starved(), "5 of 7 are 85 % in whole numbers");
    held.into_iter().for_each(Message::finish);
    assert!(!handle.is_starved());
}

#[tokio::test]
async fn options_reach_nsqd() {
    // Protects each option that is about nsqd: what IDENTIFY says, and where the connection comes from.
    let mock = MockNsqd::start().await;
    let mut config = Config::default();
    for (name, value) in [
        ("client_id", "me"),
        ("hostname", "here"),
        ("user_agent", "tool/1"),
        ("heartbeat_interval", "20s"),
        ("sample_rate", "7"),
        ("msg_timeout", "90s"),
        ("output_buffer_size", "-1"),
        ("output_buffer_timeout", "30ms"),
        ("deflate_level", "4"),
        ("topology_region", "r"),
        ("topology_zone", "z"),
        ("local_addr", "127.0.0.9:0"),
    ] {
        config.set(name, value).unwrap();
    }
    let connecting = try_consume(Source::Nsqds(vec![mock.address()]), config);
    let answering = async {
        let mut connection = mock.accept().await;
        assert_eq!(connection.peer_address().ip().to_string(), "127.0.0.9");
        connection.identify("OK").await
    };
    let (_, said) = tokio::join!(connecting, answering);
    let expected = concat!(
        r#"{"client_id":"me","hostname":"here","user_agent":"tool/1","feature_negotiation":true,"heartbeat_interval":20000,"#,
        r#""output_buffer_timeout":30,"output_buffer_size":-1,"sample_rate":7,"msg_timeout":90000,"tls_v1":false,"#,
        r#""snappy":false,"deflate":false,"deflate_level":4,"topology_region":"r","topology_zone":"z"}"#
    );
    assert_eq!(said, expected);
}

#[tokio::test]
async fn the_first_connection_has_to_succeed() {
    // Protects whoever mistypes an address: the tools end with this text.
    let mut nsqd = Nsqd::start().await;
    let address = nsqd.tcp_address();
    nsqd.kill().await;
    let source = Source::Nsqds(vec![address.to_string()]);
    let error = try_consume(source, Config::default()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("dial tcp {address}: connect: connection refused"));
}

#[tokio::test]
async fn a_lost_nsqd_is_connected_again() {
    // Protects consumers over a restart: what was in flight comes again, from the new process.
    if !ours_only("messages survive a kill") {
        return;
    }
    let log = LogCapture::new();
    let mut nsqd = Nsqd::start().await;
    let address = nsqd.tcp_address();
    let config = Config { lookupd_poll_interval: Duration::from_millis(50), ..in_flight(1) };
    let mut consumer = consumer(&nsqd, config).await;
    publish(&nsqd, &["x"]).await;
    let message = next_message(&mut consumer).await;
    nsqd.kill().await;
    log.await_line(&format!("[t/c] ({address}) re-connecting in 50ms")).await;
    log.await_line("there are 0 connections left alive").await;
    log.await_line(&format!("({address}) error connecting to nsqd - dial tcp {address}: connect: ")).await;
    message.finish();
    let flag = format!("--tcp-address={address}");
    let nsqd = nsqd.start_again_with(&[&flag]).await;
    let message = next_message(&mut consumer).await;
    assert_eq!(message.body, "x");
    message.finish();
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0 && channel["depth"] == 0).await;
}

//! How the client's consumer finds nsqds.

use std::time::Duration;

use client::{Config, Consumer, ConsumerError, Source};
use tests::{HttpServer, LogCapture, Lookupd, Nsqd, next_message, try_consume, within};

async fn consumer(addresses: &[String], config: Config) -> Result<Consumer, ConsumerError> {
    try_consume(Source::Lookupds(addresses.to_vec()), config).await
}

fn soon() -> Config {
    Config { lookupd_poll_interval: Duration::from_millis(50), max_in_flight: 10, ..Config::default() }
}

async fn await_connections(consumer: &Consumer, count: usize) {
    let handle = consumer.handle();
    within(&format!("{count} connections"), async {
        while handle.counts().connections != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn expect_body(consumer: &mut Consumer, body: &str) {
    let message = next_message(consumer).await;
    assert_eq!(message.body, body);
    message.finish();
}

#[tokio::test]
async fn nodes_are_found_lost_and_found_again() {
    // Protects a cluster that changes: a node that begins, one that is killed, and one that comes in its place.
    let lookupd = Lookupd::start().await;
    let first = Nsqd::start_with(&[&lookupd.flag()]).await;
    first.connect().await.publish("t", b"1").await;
    let mut consumer = consumer(&[lookupd.http_address().to_string()], soon()).await.unwrap();
    expect_body(&mut consumer, "1").await;
    let mut second = Nsqd::start_with(&[&lookupd.flag()]).await;
    second.connect().await.publish("t", b"2").await;
    expect_body(&mut consumer, "2").await;
    await_connections(&consumer, 2).await;
    second.kill().await;
    await_connections(&consumer, 1).await;
    first.connect().await.publish("t", b"3").await;
    expect_body(&mut consumer, "3").await;
    let address = second.tcp_address();
    let flags = [lookupd.flag(), format!("--tcp-address={address}")];
    let second = second.start_again_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    second.connect().await.publish("t", b"4").await;
    // What was finished just before the kill may come once more.
    within("the message of the new process", async {
        loop {
            let message = consumer.next().await.expect("it was not stopped");
            let is_new = message.body == "4";
            message.finish();
            if is_new {
                return;
            }
        }
    })
    .await;
    await_connections(&consumer, 2).await;
    let handle = consumer.handle();
    handle.stop();
    assert!(within("the end", consumer.next()).await.is_none());
    within("the stop", handle.stopped()).await;
}

#[tokio::test]
async fn the_next_nsqlookupd_is_asked_when_one_fails() {
    // Protects discovery while one of several is down: up to three tries a poll, each at the next.
    let log = LogCapture::new();
    let dead = HttpServer::start().await;
    dead.say(500, "no");
    let lookupd = Lookupd::start().await;
    let nsqd = Nsqd::start_with(&[&lookupd.flag()]).await;
    nsqd.connect().await.publish("t", b"1").await;
    let config = Config { lookupd_poll_interval: Duration::from_mins(5), ..soon() };
    let addresses = [dead.address().to_string(), lookupd.http_address().to_string()];
    // nsqlookupd has to know the topic before the only poll.
    within("the registration", async {
        while !lookupd.log().iter().any(|line| line.contains("category:topic key:t ")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut consumer = consumer(&addresses, config).await.unwrap();
    expect_body(&mut consumer, "1").await;
    let url = format!("http://{}/lookup?topic=t", dead.address());
    let line = log.await_line("error querying").await;
    let expected =
        format!("error querying nsqlookupd ({url}) - got response 500 Internal Server Error \"no\"");
    assert!(line.ends_with(&expected), "{line}");
    log.await_line("retrying with next nsqlookupd").await;
    assert_eq!(dead.requests().len(), 1);
}

#[tokio::test]
async fn the_secret_goes_along() {
    // Protects nsqlookupds behind a proxy that wants a token; the option's name says the opposite of what it does.
    let server = HttpServer::start().await;
    server.say(200, r#"{"channels":[],"producers":[]}"#);
    for (is_told, auth_secret) in [(true, "s3cret"), (false, "s3cret"), (false, "")] {
        let before = server.requests().len();
        let mut config = Config { auth_secret: auth_secret.to_owned(), ..soon() };
        config.set("skip_lookupd_authorization", if is_told { "true" } else { "false" }).unwrap();
        let address = format!("http://{}/some/path", server.address());
        let consumer = consumer(&[address], config).await.unwrap();
        within("a request", async {
            while server.requests().len() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        drop(consumer);
        let request = &server.requests()[before];
        assert_eq!(request.line, "GET /some/path?topic=t HTTP/1.1");
        let has_secret = request.headers.contains(&"authorization: bearer s3cret".to_owned());
        assert_eq!(has_secret, is_told, "{request:?}");
    }
}

#[tokio::test]
async fn addresses_are_checked_at_the_start() {
    // Protects whoever mistypes one: the tools end with these texts.
    let error = consumer(&["127.0.0.1".to_owned()], soon()).await.unwrap_err();
    assert_eq!(error.to_string(), "missing port");
    let error = consumer(&[], soon()).await.unwrap_err();
    assert_eq!(error.to_string(), "no nsqd and no nsqlookupd is named; give at least one address");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_nsqlookupd() {
    // Protects the stop while nothing was found yet.
    let server = HttpServer::start().await;
    server.hold(true);
    let mut consumer = consumer(&[server.address().to_string()], soon()).await.unwrap();
    let handle = consumer.handle();
    handle.stop();
    assert!(within("the end", consumer.next()).await.is_none());
    within("the stop", handle.stopped()).await;
}

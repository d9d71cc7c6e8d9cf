//! The client's producers: what is acknowledged is there, and what fails says what to do.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use client::{Config, Producer, ProducerPool, PublishError};
use parking_lot::Mutex;
use protocol::Frame;
use tests::{MockNsqd, Nsqd, consume, ours_only, within};

fn producer(address: &impl ToString) -> Producer {
    Producer::new(address.to_string(), Config::default()).expect("the defaults are good")
}

/// All bodies of `t`, through a consumer of its own.
async fn bodies(nsqds: &[&Nsqd], until: impl Fn(&HashSet<Bytes>) -> bool) -> HashSet<Bytes> {
    let addresses = nsqds.iter().map(|nsqd| nsqd.tcp_address().to_string()).collect();
    let mut consumer = consume(addresses, Config { max_in_flight: 1000, ..Config::default() }).await;
    let mut bodies = HashSet::new();
    within("all messages", async {
        while !until(&bodies) {
            let message = consumer.next().await.expect("it was not stopped");
            bodies.insert(message.body.clone());
            message.finish();
        }
    })
    .await;
    bodies
}

#[tokio::test]
async fn what_is_published_arrives() {
    // Protects the three ways to publish.
    let nsqd = Nsqd::start().await;
    let producer = producer(&nsqd.tcp_address());
    producer.publish("t", "one").await.unwrap();
    producer.publish_multi("t", &[Bytes::from("two"), Bytes::from("three")]).await.unwrap();
    producer.publish_deferred("t", Duration::from_millis(300), "later").await.unwrap();
    let bodies = bodies(&[&nsqd], |bodies| bodies.len() == 4).await;
    assert!(["one", "two", "three", "later"].iter().all(|body| bodies.contains(body.as_bytes())));
    producer.close().await;
    assert_eq!(producer.publish("t", "x").await, Err(PublishError::Closed));
}

#[tokio::test]
async fn many_publishes_are_under_way_at_once() {
    // Protects pipelining: nothing waits for the answer before it, and answers come to those who asked.
    let mock = MockNsqd::start().await;
    let producer = producer(&mock.address());
    let publishing = async {
        tokio::join!(
            producer.publish("t", "1"),
            producer.publish("t", "2"),
            producer.publish("t", "3"),
            producer.publish_deferred("t", Duration::from_millis(7), "4")
        )
    };
    let answering = async {
        let mut connection = mock.accept_identified().await;
        for expected in ["PUB t 1", "PUB t 2", "PUB t 3", "DPUB t 7 4"] {
            assert_eq!(connection.next_command().await, expected);
        }
        connection.ok().await;
        connection.frame(&Frame::Error(b"E_SOMETHING new")).await;
        connection.ok().await;
        connection.ok().await;
        connection
    };
    let (answers, _connection) = within("the answers", async { tokio::join!(publishing, answering) }).await;
    let refused = PublishError::Refused { text: "E_SOMETHING new".to_owned() };
    assert_eq!(answers, (Ok(()), Err(refused), Ok(()), Ok(())));
}

#[tokio::test]
async fn a_refused_publish_does_not_harm_the_others() {
    // Protects those behind it on the connection, which nsqd closes: they are not executed, and sent again.
    let nsqd = Nsqd::start_with(&["--max-msg-size=1000"]).await;
    let producer = producer(&nsqd.tcp_address());
    let too_big = Bytes::from(vec![b'x'; 1001]);
    let mut publishes = tokio::task::JoinSet::new();
    for number in 0..50_u32 {
        let (producer, too_big) = (producer.clone(), too_big.clone());
        publishes.spawn(async move {
            let body = if number % 10 == 3 { too_big } else { Bytes::from(number.to_string()) };
            (number, producer.publish("t", body).await)
        });
    }
    while let Some(published) = within("a publish", publishes.join_next()).await {
        let (number, result) = published.unwrap();
        if number % 10 == 3 {
            let text = "E_BAD_MESSAGE PUB message too big 1001 > 1000".to_owned();
            assert_eq!(result, Err(PublishError::Refused { text }));
        } else {
            assert_eq!(result, Ok(()), "{number}");
        }
    }
    assert_eq!(nsqd.stats().await.topic("t")["message_count"], 45, "each is there once");
}

#[tokio::test]
async fn what_nsqd_would_refuse_is_refused_in_its_words() {
    // Protects scripts that look for the texts; the connection is not lost over them.
    let nsqd = Nsqd::start().await;
    let producer = producer(&nsqd.tcp_address());
    let error = producer.publish("bad!", "x").await.unwrap_err();
    assert_eq!(error.to_string(), r#"E_BAD_TOPIC PUB topic name "bad!" is not valid"#);
    let error = producer.publish("t", "").await.unwrap_err();
    assert_eq!(error.to_string(), "E_BAD_MESSAGE PUB invalid message body size 0");
    let error = producer.publish_deferred("t", Duration::from_hours(5000), "x").await.unwrap_err();
    assert_eq!(error.code(), Some(protocol::ErrorCode::Invalid), "{error}");
    producer.publish("t", "x").await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_says_what_is_not_known() {
    // Protects callers: what was written may be there, and what could not be sent is not.
    let mock = MockNsqd::start().await;
    let producer = producer(&mock.address());
    let losing = async {
        let mut connection = mock.accept_identified().await;
        assert_eq!(connection.next_command().await, "PUB t x");
    };
    let (result, ()) = within("an error", async { tokio::join!(producer.publish("t", "x"), losing) }).await;
    let address = mock.address();
    assert_eq!(result, Err(PublishError::Lost { address, cause: "EOF".to_owned() }));
    drop(mock);
    let error = within("an error", producer.publish("t", "x")).await.unwrap_err();
    assert!(matches!(error, PublishError::Connect(_)), "{error}");
    assert!(error.to_string().ends_with("connect: connection refused"), "{error}");
}

#[tokio::test]
async fn an_nsqd_that_does_not_read_is_given_up() {
    // Protects publishers from an nsqd that is stuck: they learn of it after `write_timeout`.
    let mock = MockNsqd::start().await;
    let config = Config { write_timeout: Duration::from_millis(100), ..Config::default() };
    let producer = Producer::new(mock.address(), config).unwrap();
    // More than the buffers of both sockets take.
    let body = Bytes::from(vec![b'x'; 32 << 20]);
    let publishing = producer.publish("t", body);
    let (result, _connection) = tokio::join!(within("an error", publishing), mock.accept_identified());
    let (address, cause) = (mock.address(), "write: i/o timeout".to_owned());
    assert_eq!(result, Err(PublishError::Lost { address, cause }));
}

#[tokio::test]
async fn answers_to_nothing_end_the_connection() {
    // Protects against an nsqd that acknowledges what it never got.
    let mock = MockNsqd::start().await;
    let producer = producer(&mock.address());
    let lying = async {
        let mut connection = mock.accept_identified().await;
        assert_eq!(connection.next_command().await, "PUB t 1");
        connection.ok().await;
        connection.ok().await;
        connection.closed().await;
    };
    let (result, ()) = within("an answer", async { tokio::join!(producer.publish("t", "1"), lying) }).await;
    assert_eq!(result, Ok(()));
}

#[tokio::test]
async fn what_is_under_way_is_bounded() {
    // Protects memory when nsqd does not answer: publishing waits, and goes on with the answers.
    let mock = MockNsqd::start().await;
    let producer = producer(&mock.address());
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    let mut publishes = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (producer, body) = (producer.clone(), body.clone());
        publishes.spawn(async move { producer.publish("t", body).await });
    }
    let mut connection = mock.accept_identified().await;
    for _ in 0..7 {
        assert!(connection.next_command().await.starts_with("PUB t xx"));
    }
    let more = tokio::time::timeout(tests::SILENCE, connection.next_command()).await;
    assert!(more.is_err(), "eight are over the bound");
    for _ in 0..20 {
        connection.ok().await;
        within("an answer", publishes.join_next()).await.expect("one waits").unwrap().unwrap();
        if publishes.len() >= 7 {
            connection.next_command().await;
        }
    }
}

/// Publishes until the returned flag is set; gives what was acknowledged.
struct Publishing {
    acknowledged: Arc<Mutex<Vec<String>>>,
    tasks: tokio::task::JoinSet<()>,
}

impl Publishing {
    fn start(pool: &ProducerPool) -> Self {
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let (pool, acknowledged) = (pool.clone(), Arc::clone(&acknowledged));
            tasks.spawn(async move {
                for number in 0_u64.. {
                    let body = format!("{task}-{number}");
                    match pool.publish("t", body.clone()).await {
                        Ok(()) => acknowledged.lock().push(body),
                        // Nobody is there just now.
                        Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
            });
        }
        Self { acknowledged, tasks }
    }

    /// Waits until so many more are acknowledged.
    async fn await_more(&self, count: usize) {
        let goal = self.acknowledged.lock().len() + count;
        within("acknowledged publishes", async {
            while self.acknowledged.lock().len() < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    async fn end(mut self) -> Vec<String> {
        self.tasks.shutdown().await;
        std::mem::take(&mut self.acknowledged.lock())
    }
}

#[tokio::test]
async fn every_acknowledged_message_survives_a_killed_nsqd() {
    // Protects the promise of an OK while nsqd is killed and started again below a producer.
    if !ours_only("messages survive a kill") {
        return;
    }
    let mut nsqd = Nsqd::start().await;
    let address = nsqd.tcp_address();
    let flag = format!("--tcp-address={address}");
    let pool = ProducerPool::new(&[address.to_string()], &Config::default()).unwrap();
    let publishing = Publishing::start(&pool);
    for _ in 0..3 {
        publishing.await_more(500).await;
        nsqd.kill().await;
        nsqd = nsqd.start_again_with(&[&flag]).await;
    }
    publishing.await_more(500).await;
    let acknowledged = publishing.end().await;
    let is_there = |bodies: &HashSet<Bytes>| acknowledged.iter().all(|body| bodies.contains(body.as_bytes()));
    bodies(&[&nsqd], is_there).await;
}

#[tokio::test]
async fn a_pool_goes_on_with_the_nodes_that_are_left() {
    // Protects publishing while one of two nodes is down: no publish fails, and the node is used again later.
    let (mut first, second) = (Nsqd::start().await, Nsqd::start().await);
    let addresses = [first.tcp_address().to_string(), second.tcp_address().to_string()];
    let pool = ProducerPool::new(&addresses, &Config::default()).unwrap();
    for number in 0..10 {
        pool.publish("t", format!("both-{number}")).await.unwrap();
    }
    assert_eq!(first.stats().await.topic("t")["message_count"], 5);
    first.kill().await;
    for number in 0..10 {
        within("a publish", pool.publish("t", format!("left-{number}"))).await.unwrap();
    }
    assert_eq!(second.stats().await.topic("t")["message_count"], 15);
    let flag = format!("--tcp-address={}", addresses[0]);
    let first = first.start_again_with(&[&flag]).await;
    within("the node that came back", async {
        while first.stats().await.topic("t")["message_count"].as_u64() < Some(1) {
            pool.publish("t", "again").await.unwrap();
        }
    })
    .await;
    let error = pool.publish("bad!", "x").await.unwrap_err();
    assert!(error.to_string().starts_with("E_BAD_TOPIC "), "{error}");
    pool.close().await;
}

//! HTTP: operations on topics and channels, and what they say to names.

use tests::Nsqd;

use super::http_api::check;

const OPERATIONS: [&str; 5] = ["create", "delete", "empty", "pause", "unpause"];

#[tokio::test]
async fn topics() {
    // Protects the three ways in which operations on topics refuse a name.
    let nsqd = Nsqd::start().await;
    let check = async |request: String, status, message| check(&nsqd, &request, b"", status, message).await;
    for operation in OPERATIONS {
        let base = format!("POST /topic/{operation}");
        let checks_name = matches!(operation, "create" | "empty");
        let (status, bad) = if checks_name { (400, "INVALID_TOPIC") } else { (404, "TOPIC_NOT_FOUND") };
        check(base.clone(), 400, "MISSING_ARG_TOPIC").await;
        check(format!("{base}?topic=a%zz"), 400, "INVALID_REQUEST").await;
        check(format!("{base}?topic=a;b=c"), 400, "INVALID_REQUEST").await;
        check(format!("{base}?topic="), status, bad).await;
        check(format!("{base}?topic=bad%20t"), status, bad).await;
        if operation != "create" {
            check(format!("{base}?topic=none"), 404, "TOPIC_NOT_FOUND").await;
        }
        check("POST /topic/create?topic=T".to_owned(), 200, "").await;
        check(format!("{base}?topic=T"), 200, "").await;
    }
}

#[tokio::test]
async fn creating_topics() {
    // Protects which names make a topic: the longest, dots, ephemeral ones; only the query counts.
    let nsqd = Nsqd::start().await;
    let longest = "x".repeat(64);
    for (query, status, message) in [
        (format!("topic={longest}"), 200, ""),
        (format!("topic={longest}x"), 400, "INVALID_TOPIC"),
        ("topic=.".to_owned(), 200, ""),
        ("topic=..".to_owned(), 200, ""),
        ("topic=eph%23ephemeral".to_owned(), 200, ""),
        ("topic=again".to_owned(), 200, ""),
        ("topic=again".to_owned(), 200, ""),
        ("topic=first&topic=second".to_owned(), 200, ""),
    ] {
        check(&nsqd, &format!("POST /topic/create?{query}"), b"", status, message).await;
    }
    check(&nsqd, "POST /topic/create", b"topic=x", 400, "MISSING_ARG_TOPIC").await;
    let stats = nsqd.stats().await;
    let mut names: Vec<_> = stats.0["topics"].as_array().into_iter().flatten().collect();
    names.sort_by_key(|topic| topic["topic_name"].to_string());
    let names: Vec<_> = names.iter().filter_map(|topic| topic["topic_name"].as_str()).collect();
    assert_eq!(names, [".", "..", "again", "eph#ephemeral", "first", longest.as_str()]);
}

#[tokio::test]
async fn channels() {
    // Protects the order in which operations on channels look at their parameters.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("T", "ex").await;
    let check = async |request: String, status, message| check(&nsqd, &request, b"", status, message).await;
    for operation in OPERATIONS {
        let base = format!("POST /channel/{operation}");
        check(base.clone(), 400, "MISSING_ARG_TOPIC").await;
        check(format!("{base}?channel=c"), 400, "MISSING_ARG_TOPIC").await;
        check(format!("{base}?topic=T"), 400, "MISSING_ARG_CHANNEL").await;
        check(format!("{base}?topic=bad%20t"), 400, "INVALID_ARG_TOPIC").await;
        check(format!("{base}?topic=&channel=c"), 400, "INVALID_ARG_TOPIC").await;
        check(format!("{base}?topic=bad%20t&channel=c"), 400, "INVALID_ARG_TOPIC").await;
        check(format!("{base}?topic=T&channel=bad%20c"), 400, "INVALID_ARG_CHANNEL").await;
        check(format!("{base}?topic=T&channel="), 400, "INVALID_ARG_CHANNEL").await;
        check(format!("{base}?topic=none&channel=bad%20c"), 400, "INVALID_ARG_CHANNEL").await;
        check(format!("{base}?topic=none&channel=c"), 404, "TOPIC_NOT_FOUND").await;
        check(format!("{base}?topic=T%zz&channel=c"), 400, "INVALID_REQUEST").await;
        if operation != "create" {
            check(format!("{base}?topic=T&channel=none"), 404, "CHANNEL_NOT_FOUND").await;
        }
        check("POST /channel/create?topic=T&channel=ex".to_owned(), 200, "").await;
        check(format!("{base}?topic=T&channel=ex"), 200, "").await;
    }
    assert!(nsqd.stats().await.topic("none").is_null());
}

#[tokio::test]
async fn operations_are_idempotent() {
    // Protects scripts that run twice.
    let nsqd = Nsqd::start().await;
    for operation in ["create", "pause", "pause", "empty", "empty", "unpause", "unpause"] {
        nsqd.post_ok(&format!("/topic/{operation}?topic=t")).await;
    }
    for operation in ["create", "pause", "pause", "empty", "empty", "unpause", "unpause"] {
        nsqd.post_ok(&format!("/channel/{operation}?topic=t&channel=c")).await;
    }
    let stats = nsqd.stats().await;
    assert_eq!(stats.topic("t")["paused"], false);
    assert_eq!(stats.channel("t", "c")["paused"], false);
}

#[tokio::test]
async fn a_broken_body_of_an_operation() {
    // Protects operations from bodies they do not need: NSQ reads and refuses them, we need not look at them.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("T", "c").await;
    let response = nsqd.http().await.try_raw_chunks("POST", "/topic/pause?topic=T", b"zz\r\nx\r\n").await;
    let answer = response.map(|response| (response.status, response.message()));
    let refused = answer == Some((400, "INVALID_REQUEST".to_owned()));
    // Ours ends such a connection, since nothing on it can be told apart any more.
    assert!(refused || !tests::is_reference() && answer.is_none(), "{answer:?}");
}

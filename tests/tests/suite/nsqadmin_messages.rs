//! Messages through nsqadmin: looking at them, publishing one, moving a channel.

use serde_json::{Value, json};
use tests::{HttpServer, Lookupd, Nsqadmin, Nsqd, ours_only};

const KEEP: &str = "--retention-bytes=100000000";

/// Two nsqds that have the topic `t` with the channel `c`, and the nsqadmin of their nsqlookupd.
async fn cluster(flags: &[&str]) -> (Lookupd, [Nsqd; 2], Nsqadmin) {
    let lookupd = Lookupd::start().await;
    let flag = lookupd.flag();
    let start = async || Nsqd::start_with(&[&flag, "--broadcast-address=127.0.0.1", KEEP]).await;
    let nsqds = [start().await, start().await];
    for nsqd in &nsqds {
        nsqd.create_channel("t", "c").await;
    }
    let admin = Nsqadmin::start_with(&[&lookupd], flags).await;
    let both = |topic: &Value| topic["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2);
    admin.await_document("/api/topics/t", both).await;
    (lookupd, nsqds, admin)
}

async fn post(admin: &Nsqadmin, target: &str, body: Value) -> (u16, Value) {
    let answer = admin.request("POST", target, &body.to_string()).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn messages_of_all_nodes_are_shown() {
    if !ours_only("it shows, publishes and moves nothing") {
        return;
    }
    let (_lookupd, nsqds, admin) = cluster(&[]).await;
    nsqds[0].connect().await.publish("t", "one").await;
    nsqds[1].connect().await.publish("t", [0xff]).await;
    let answer = admin.get("/api/peek?topic=t&channel=c").await;
    assert_eq!(answer["warnings"], json!([]));
    let mut shown: Vec<(Value, Value)> = answer["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (message["node"].clone(), message["body"].clone()))
        .collect();
    shown.sort_by_key(|(_, body)| body.to_string());
    let node = |nsqd: &Nsqd| json!(nsqd.http_address().to_string());
    assert_eq!(shown, [(node(&nsqds[1]), json!("/w==")), (node(&nsqds[0]), json!("one"))]);
    let one = admin.get("/api/peek?topic=t&channel=c&limit=1").await;
    assert_eq!(one["messages"].as_array().map(Vec::len), Some(1));
    for (target, status, message) in [
        ("/api/peek?topic=t", 400, "MISSING_ARG_CHANNEL"),
        ("/api/peek?topic=x&channel=c", 404, "TOPIC_NOT_FOUND"),
        ("/api/peek?topic=t&channel=c&limit=101", 400, "INVALID_ARG_LIMIT"),
    ] {
        let answer = admin.request("GET", target, "").await;
        assert_eq!((answer.status, answer.message().as_str()), (status, message), "{target}");
    }
}

#[tokio::test]
async fn a_message_is_published_at_one_node() {
    // Protects: one message is one, whatever is in it, at the node that was chosen.
    if !ours_only("it shows, publishes and moves nothing") {
        return;
    }
    let (_lookupd, nsqds, admin) = cluster(&[]).await;
    let node = nsqds[1].http_address().to_string();
    let draft = json!({"topic": "t", "node": node, "body": "AP8=", "encoding": "base64", "defer_ms": 0});
    let (status, answer) = post(&admin, "/api/publish", draft).await;
    let expected =
        json!([{"node": node, "kind": "nsqd", "step": "publish message", "done": true, "error": null}]);
    assert_eq!((status, &answer["message"], &answer["results"]), (200, &json!(""), &expected));
    let mut consumer = nsqds[1].consumer("t", "c", 1).await;
    assert_eq!(consumer.next_message().await.body, [0, 0xff]);
    let draft = json!({"topic": "t", "node": null, "body": "later", "defer_ms": 60_000});
    let (status, answer) = post(&admin, "/api/publish", draft).await;
    assert_eq!((status, answer["results"].as_array().map(Vec::len)), (200, Some(1)));
    let deferred = admin.await_document("/api/topics/t/c", |channel| channel["deferred_count"] == 1).await;
    assert_eq!(deferred["depth"], 0);
    for (draft, status, message) in [
        (json!({"topic": "t", "node": "127.0.0.1:1", "body": "x"}), 404, "NODE_NOT_FOUND"),
        (json!({"topic": "x", "body": "x"}), 404, "TOPIC_NOT_FOUND"),
        (json!({"topic": "a b", "body": "x"}), 400, "INVALID_TOPIC"),
        (json!({"topic": "t", "body": "?", "encoding": "base64"}), 400, "INVALID_BODY"),
    ] {
        let (found, answer) = post(&admin, "/api/publish", draft.clone()).await;
        assert_eq!((found, &answer["message"]), (status, &json!(message)), "{draft}");
    }
    let (status, answer) = post(&admin, "/api/publish", json!({"topic": "t", "body": ""})).await;
    assert_eq!((status, &answer["results"][0]["done"]), (200, &json!(false)));
    assert!(answer["message"].as_str().is_some_and(|text| text.starts_with("WARNING: ")), "{answer}");
}

#[tokio::test]
async fn a_channel_is_moved_on_all_nodes() {
    // Protects replays from the page, and that who did it is told.
    if !ours_only("it shows, publishes and moves nothing") {
        return;
    }
    let told = HttpServer::start().await;
    let flag = format!("--notification-http-endpoint=http://{}/", told.address());
    let (_lookupd, nsqds, admin) = cluster(&[&flag]).await;
    for nsqd in &nsqds {
        nsqd.connect().await.publish("t", "x").await;
        let mut consumer = nsqd.consumer("t", "c", 1).await;
        let message = consumer.next_message().await;
        consumer.fin(message.id).await;
        nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0).await;
    }
    for (to, depth) in [("start", 2), ("end", 0), ("-1h", 2), ("2100-01-01T00:00:00Z", 0)] {
        let (status, answer) =
            post(&admin, "/api/seek", json!({"topic": "t", "channel": "c", "to": to})).await;
        assert_eq!((status, &answer["message"]), (200, &json!("")), "{answer}");
        assert_eq!(answer["results"][1]["step"], "seek channel");
        admin.await_document("/api/topics/t/c", |channel| channel["depth"] == depth).await;
    }
    let (status, answer) = post(&admin, "/api/seek", json!({"topic": "t", "channel": "c", "to": "5"})).await;
    assert_eq!((status, &answer["message"]), (400, &json!("INVALID_TO")));
    let (_, answer) = post(&admin, "/api/seek", json!({"topic": "t", "channel": "x", "to": "end"})).await;
    assert_eq!(answer["results"][0]["done"], false);
    told.await_requests(4).await;
    let notice: Value = serde_json::from_str(&told.requests()[0].body).unwrap();
    assert_eq!((&notice["action"], &notice["channel"]), (&json!("seek_channel"), &json!("c")));
    admin.await_log("ACTION: seek_channel topic=t channel=c by somebody").await;
}

#[tokio::test]
async fn only_who_may_act_sees_messages_and_moves_channels() {
    // Protects the bodies of messages: they are not for every reader, nor for pages of other sites.
    if !ours_only("it shows, publishes and moves nothing") {
        return;
    }
    let (_lookupd, _nsqds, admin) = cluster(&["--admin-user=alice"]).await;
    let alice = "X-Forwarded-User: alice";
    let elsewhere = "Sec-Fetch-Site: cross-site";
    let peek = "/api/peek?topic=t&channel=c";
    let publish = json!({"topic": "t", "body": "x"}).to_string();
    let seek = json!({"topic": "t", "channel": "c", "to": "end"}).to_string();
    for (method, target, body) in
        [("GET", peek, ""), ("POST", "/api/publish", publish.as_str()), ("POST", "/api/seek", seek.as_str())]
    {
        for headers in [&[][..], &["X-Forwarded-User: bob"], &[alice, elsewhere]] {
            let answer = admin.request_with(method, target, body, headers).await;
            assert_eq!(
                (answer.status, answer.message().as_str()),
                (403, "FORBIDDEN"),
                "{target} {headers:?}"
            );
        }
        assert_eq!(admin.request_with(method, target, body, &[alice]).await.status, 200, "{target}");
    }
}

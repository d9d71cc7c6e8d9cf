//! The HTTP API of nsqlookupd: every path, method and bad parameter, and what consumers are told.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tests::{HttpConnection, LookupClient, Lookupd, Nsqd, Response, is_reference, ours_only};

async fn request(lookupd: &Lookupd, request: &str, body: &[u8]) -> Response {
    let (method, target) = request.split_once(' ').expect("a method and a target");
    HttpConnection::connect(lookupd.http_address()).await.request(method, target, body).await
}

async fn get(lookupd: &Lookupd, target: &str) -> Value {
    let response = request(lookupd, &format!("GET {target}"), b"").await;
    assert_eq!(response.status, 200, "{target}: {}", response.text());
    response.json()
}

async fn post_ok(lookupd: &Lookupd, target: &str) {
    let response = request(lookupd, &format!("POST {target}"), b"").await;
    assert_eq!((response.status, response.text().as_str()), (200, ""), "{target}");
}

/// Waits until an answer is as wanted: what a disconnect changes is announced nowhere.
async fn await_answer(lookupd: &Lookupd, target: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let wait = async {
        loop {
            last = get(lookupd, target).await;
            if is_wanted(&last) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(tests::DEADLINE, wait).await.is_ok(), "{target} stays at {last:#}");
    last
}

/// An nsqd of this name that has these topics and channels.
async fn node(lookupd: &Lookupd, name: &str, registrations: &[&str]) -> LookupClient {
    let mut client = lookupd.connect().await;
    let identity = format!(
        r#"{{"broadcast_address":"{name}","hostname":"h-{name}","tcp_port":4150,"http_port":4151,"version":"1.3.0"}}"#
    );
    client.send_identify(identity).await;
    client.answer().await;
    for registration in registrations {
        client.ok(&format!("REGISTER {registration}")).await;
    }
    client
}

/// What is listed, whatever its order.
fn set(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|one| one.as_str().expect("a text").to_owned()).collect()
}

fn addresses(answer: &Value) -> BTreeSet<String> {
    let producers = answer["producers"].as_array().expect("a list").iter();
    producers.map(|one| one["broadcast_address"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn routes_and_bad_parameters() {
    // Protects scripts and clients: each path, method and bad parameter has NSQ's answer.
    let lookupd = Lookupd::start().await;
    post_ok(&lookupd, "/channel/create?topic=cc&channel=there").await;
    for (row, status, message, allow) in [
        ("GET /lookup", 400, "MISSING_ARG_TOPIC", ""),
        ("GET /lookup?topic=", 404, "TOPIC_NOT_FOUND", ""),
        ("GET /lookup?topic=nope", 404, "TOPIC_NOT_FOUND", ""),
        ("GET /lookup?topic=bad%20name", 404, "TOPIC_NOT_FOUND", ""),
        ("GET /lookup?topic=%zz", 400, "INVALID_REQUEST", ""),
        ("GET /lookup?topic=a;b", 400, "INVALID_REQUEST", ""),
        ("POST /lookup?topic=a", 405, "METHOD_NOT_ALLOWED", "GET, OPTIONS"),
        ("OPTIONS /lookup", 200, "", "GET, OPTIONS"),
        ("OPTIONS /topic/create", 200, "", "OPTIONS, POST"),
        ("GET /channels", 400, "MISSING_ARG_TOPIC", ""),
        ("POST /topic/create", 400, "MISSING_ARG_TOPIC", ""),
        ("POST /topic/create?topic=", 400, "INVALID_ARG_TOPIC", ""),
        ("POST /topic/create?topic=bad%20name", 400, "INVALID_ARG_TOPIC", ""),
        ("POST /channel/create", 400, "MISSING_ARG_TOPIC", ""),
        ("POST /channel/create?topic=aa", 400, "MISSING_ARG_CHANNEL", ""),
        ("POST /channel/create?topic=aa&channel=bad!", 400, "INVALID_ARG_CHANNEL", ""),
        ("POST /channel/create?topic=bad!", 400, "INVALID_ARG_TOPIC", ""),
        ("POST /channel/delete?topic=cc&channel=nope", 404, "CHANNEL_NOT_FOUND", ""),
        ("POST /channel/delete?topic=cc", 400, "MISSING_ARG_CHANNEL", ""),
        ("POST /topic/delete", 400, "MISSING_ARG_TOPIC", ""),
        ("POST /topic/delete?topic=nope", 200, "", ""),
        ("POST /topic/delete?topic=bad!", 200, "", ""),
        ("POST /topic/tombstone", 400, "MISSING_ARG_TOPIC", ""),
        ("POST /topic/tombstone?topic=aa", 400, "MISSING_ARG_NODE", ""),
        ("POST /topic/tombstone?topic=nope&node=x:1", 200, "", ""),
        ("GET /topic/create?topic=aa", 405, "METHOD_NOT_ALLOWED", "OPTIONS, POST"),
        ("GET /nope", 404, "NOT_FOUND", ""),
        ("GET /", 404, "NOT_FOUND", ""),
        ("GET /put?topic=t", 404, "NOT_FOUND", ""),
        ("GET /ping", 200, "OK", ""),
    ] {
        let response = request(&lookupd, row, b"").await;
        assert_eq!((response.status, response.message().as_str()), (status, message), "{row}");
        assert_eq!(response.header("Allow").unwrap_or_default(), allow, "{row}");
    }
    let response = request(&lookupd, "POST /topic/create", b"topic=bb").await;
    assert_eq!((response.status, response.message().as_str()), (400, "MISSING_ARG_TOPIC"), "a form body");
    for (row, status, location) in [
        ("GET /ping/", 301, "/ping"),
        ("GET /PING", 301, "/ping"),
        ("POST /topic//create?topic=a", 307, "/topic/create?topic=a"),
    ] {
        let response = request(&lookupd, row, b"").await;
        assert_eq!((response.status, response.header("Location")), (status, Some(location)), "{row}");
    }
}

#[tokio::test]
async fn answers_have_the_header_that_clients_look_for() {
    // Protects Go's clients, which unwrap `data` where the header is missing, and then see no producers.
    let lookupd = Lookupd::start().await;
    let json = Some("application/json; charset=utf-8");
    for (row, kind, is_v1) in [
        ("GET /info", json, true),
        ("GET /topics", json, true),
        ("GET /nodes", json, true),
        ("GET /lookup?topic=x", json, true),
        ("POST /topic/create?topic=t", None, true),
        ("GET /ping", Some("text/plain; charset=utf-8"), false),
    ] {
        let response = request(&lookupd, row, b"").await;
        assert_eq!(response.header("Content-Type"), kind, "{row}");
        let header = response.header("X-Nsq-Content-Type");
        assert_eq!(header, is_v1.then_some("nsq; version=1.0"), "{row}");
    }
    post_ok(&lookupd, "/topic/delete?topic=t").await;
    assert_eq!(request(&lookupd, "GET /info", b"").await.text(), r#"{"version":"1.3.0"}"#);
    assert_eq!(request(&lookupd, "GET /topics", b"").await.text(), r#"{"topics":[]}"#);
    assert_eq!(request(&lookupd, "GET /channels?topic=nope", b"").await.text(), r#"{"channels":[]}"#);
    assert_eq!(request(&lookupd, "GET /nodes", b"").await.text(), r#"{"producers":[]}"#);
}

#[tokio::test]
async fn what_nsqds_have_is_found() {
    // Protects discovery: who has a topic, which channels it has, to the byte.
    let lookupd = Lookupd::start().await;
    let one = node(&lookupd, "n1.example", &["t ch1", "t ch2"]).await;
    let two = node(&lookupd, "n2.example", &["t", "other#ephemeral x#ephemeral"]).await;
    let answer = get(&lookupd, "/lookup?topic=t").await;
    assert_eq!(set(&answer["channels"]), ["ch1", "ch2"].map(String::from).into());
    assert_eq!(addresses(&answer), ["n1.example", "n2.example"].map(String::from).into());
    assert_eq!(
        set(&get(&lookupd, "/topics").await["topics"]),
        ["t", "other#ephemeral"].map(String::from).into()
    );
    let channels = get(&lookupd, "/channels?topic=other%23ephemeral").await;
    assert_eq!(channels, json!({"channels": ["x#ephemeral"]}));
    drop(two);
    await_answer(&lookupd, "/lookup?topic=t", |answer| addresses(answer).len() == 1).await;
    let topology = if is_reference() { "" } else { r#","topology_zone":"","topology_region":"""# };
    let peer = format!(
        r#""remote_address":"{}","hostname":"h-n1.example","broadcast_address":"n1.example","tcp_port":4150,"http_port":4151,"version":"1.3.0"{topology}"#,
        one.address()
    );
    let text = request(&lookupd, "GET /lookup?topic=t", b"").await.text();
    let (channels, producers) = text.split_once(",\"producers\":").expect("two lists");
    assert!(channels.starts_with("{\"channels\":["), "{text}");
    assert_eq!(producers, format!("[{{{peer}}}]}}"));
    let text = request(&lookupd, "GET /nodes", b"").await.text();
    assert_eq!(text, format!(r#"{{"producers":[{{{peer},"tombstones":[false],"topics":["t"]}}]}}"#));
    drop(one);
    let answer = await_answer(&lookupd, "/lookup?topic=t", |answer| addresses(answer).is_empty()).await;
    // The topic stays, though nobody has it.
    assert_eq!(answer["producers"], json!([]));
    assert!(set(&get(&lookupd, "/topics").await["topics"]).contains("t"));
}

#[tokio::test]
async fn a_tombstone_hides_one_node_for_one_topic_for_a_while() {
    // Protects the removal of a topic from a node: consumers do not go back there while it lasts.
    let lookupd = Lookupd::start_with(&["--tombstone-lifetime=700ms"]).await;
    let mut one = node(&lookupd, "n1", &["t c", "u"]).await;
    let _two = node(&lookupd, "n2", &["t"]).await;
    post_ok(&lookupd, "/topic/tombstone?topic=t&node=n1:4151").await;
    let answer = get(&lookupd, "/lookup?topic=t").await;
    assert_eq!(addresses(&answer), ["n2".to_owned()].into());
    assert_eq!(answer["channels"], json!(["c"]));
    assert_eq!(addresses(&get(&lookupd, "/lookup?topic=u").await), ["n1".to_owned()].into());
    let nodes = get(&lookupd, "/nodes").await;
    let hidden =
        nodes["producers"].as_array().expect("a list").iter().find(|node| node["broadcast_address"] == "n1");
    let hidden = hidden.expect("it is listed");
    let at = set(&hidden["topics"]).len();
    assert_eq!((at, hidden["tombstones"].as_array().map(Vec::len)), (2, Some(2)));
    let topics = hidden["topics"].as_array().expect("a list").iter();
    let flags = hidden["tombstones"].as_array().expect("a list").iter();
    let flags: Vec<(&str, bool)> = topics
        .zip(flags)
        .map(|(topic, flag)| (topic.as_str().expect("a text"), flag.as_bool().expect("a flag")))
        .collect();
    assert!(flags.contains(&("t", true)) && flags.contains(&("u", false)), "{flags:?}");
    // REGISTER does not lift it; UNREGISTER and REGISTER do.
    one.ok("REGISTER t").await;
    assert_eq!(addresses(&get(&lookupd, "/lookup?topic=t").await), ["n2".to_owned()].into());
    await_answer(&lookupd, "/lookup?topic=t", |answer| addresses(answer).len() == 2).await;
    post_ok(&lookupd, "/topic/tombstone?topic=t&node=n1:4151").await;
    one.ok("UNREGISTER t").await;
    one.ok("REGISTER t").await;
    assert_eq!(addresses(&get(&lookupd, "/lookup?topic=t").await).len(), 2);
}

#[tokio::test]
async fn a_node_that_says_nothing_is_hidden() {
    // Protects consumers from a node that hangs: without PING it is no longer told of, and with one it is again.
    let lookupd = Lookupd::start_with(&["--inactive-producer-timeout=300ms"]).await;
    let mut silent = node(&lookupd, "n1", &["t c"]).await;
    let answer = await_answer(&lookupd, "/lookup?topic=t", |answer| addresses(answer).is_empty()).await;
    assert_eq!(answer["channels"], json!(["c"]));
    assert_eq!(get(&lookupd, "/nodes").await["producers"], json!([]));
    assert_eq!(set(&get(&lookupd, "/topics").await["topics"]).len(), 1);
    silent.ok("REGISTER t d").await;
    assert!(addresses(&get(&lookupd, "/lookup?topic=t").await).is_empty(), "REGISTER is no sign of life");
    silent.ok("PING").await;
    assert_eq!(addresses(&get(&lookupd, "/lookup?topic=t").await).len(), 1);
}

#[tokio::test]
async fn operators_make_and_delete() {
    // Protects nsqadmin's actions, each of which may be said again.
    let lookupd = Lookupd::start().await;
    let mut producer = node(&lookupd, "n1", &["t c"]).await;
    for _ in 0..2 {
        post_ok(&lookupd, "/topic/create?topic=made").await;
        post_ok(&lookupd, "/channel/create?topic=both&channel=c").await;
    }
    assert_eq!(
        set(&get(&lookupd, "/topics").await["topics"]),
        ["both", "made", "t"].map(String::from).into()
    );
    assert_eq!(get(&lookupd, "/lookup?topic=both").await, json!({"channels": ["c"], "producers": []}));
    post_ok(&lookupd, "/channel/delete?topic=both&channel=c").await;
    assert_eq!(get(&lookupd, "/channels?topic=both").await, json!({"channels": []}));
    post_ok(&lookupd, "/topic/delete?topic=t").await;
    assert_eq!(request(&lookupd, "GET /lookup?topic=t", b"").await.status, 404);
    assert_eq!(get(&lookupd, "/channels?topic=t").await, json!({"channels": []}));
    // What was deleted under an nsqd comes back when it says so.
    producer.ok("REGISTER t c").await;
    assert_eq!(addresses(&get(&lookupd, "/lookup?topic=t").await).len(), 1);
}

#[tokio::test]
async fn debug_shows_the_whole_registry() {
    // Protects whoever looks for what an nsqlookupd believes: NSQ's keys, sorted, and all that is known of each producer.
    let lookupd = Lookupd::start().await;
    let client = node(&lookupd, "n1", &["t c"]).await;
    post_ok(&lookupd, "/topic/create?topic=nobody").await;
    let all = get(&lookupd, "/debug").await;
    let keys: Vec<&String> = all.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["channel:t:c", "client::", "topic:t:"]);
    let entry = &all["topic:t:"][0];
    assert_eq!(entry["id"], client.address().to_string());
    assert_eq!((&entry["tombstoned"], &entry["broadcast_address"]), (&json!(false), &json!("n1")));
    assert!(entry["tombstoned_at"].as_i64().is_some_and(|at| at <= 0), "{entry}");
    assert!(entry["last_update"].as_i64().is_some_and(|at| 1_700_000_000_000_000_000 < at), "{entry}");
    post_ok(&lookupd, "/topic/tombstone?topic=t&node=n1:4151").await;
    let entry = get(&lookupd, "/debug").await["topic:t:"][0].clone();
    assert_eq!(entry["tombstoned"], true);
    assert!(entry["tombstoned_at"].as_i64().is_some_and(|at| 0 < at), "{entry}");
}

#[tokio::test]
async fn what_is_a_trap_in_nsq_is_none() {
    // Protects the directory from a star, and operators of IPv6 nodes from actions that do nothing.
    if !ours_only("a star stands for every topic, and brackets are not understood") {
        return;
    }
    let lookupd = Lookupd::start().await;
    let one = node(&lookupd, "fd00::1", &["t c", "e#ephemeral c"]).await;
    for (row, status, message) in [
        ("POST /topic/delete?topic=*", 400, "INVALID_ARG_TOPIC"),
        ("POST /topic/tombstone?topic=*&node=x:1", 400, "INVALID_ARG_TOPIC"),
        ("GET /lookup?topic=*", 404, "TOPIC_NOT_FOUND"),
    ] {
        let response = request(&lookupd, row, b"").await;
        assert_eq!((response.status, response.message().as_str()), (status, message), "{row}");
    }
    assert_eq!(get(&lookupd, "/channels?topic=*").await, json!({"channels": []}));
    for spelling in ["[fd00::1]:4151", "fd00::1:4151"] {
        post_ok(&lookupd, &format!("/topic/tombstone?topic=t&node={spelling}")).await;
        assert!(addresses(&get(&lookupd, "/lookup?topic=t").await).is_empty(), "{spelling}");
    }
    assert_eq!(request(&lookupd, "HEAD /ping", b"").await.status, 200);
    drop(one);
    // Ephemeral names go with the last who has them.
    await_answer(&lookupd, "/topics", |answer| set(&answer["topics"]) == ["t".to_owned()].into()).await;
}

#[tokio::test]
async fn figures_for_prometheus() {
    // Protects dashboards: how much there is, in a text of a fixed number of series.
    if !ours_only("it has no /metrics") {
        return;
    }
    let lookupd = Lookupd::start().await;
    let _one = node(&lookupd, "n1", &["t c", "t d", "u"]).await;
    post_ok(&lookupd, "/topic/create?topic=nobody").await;
    let text = request(&lookupd, "GET /metrics", b"").await.text();
    for line in [
        "nsqlookupd_topics 3\n",
        "nsqlookupd_channels 2\n",
        "nsqlookupd_producers 1\n",
        "nsqlookupd_producers_active 1\n",
        "nsqlookupd_registrations 2\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(text.contains("process_resident_memory_bytes "));
}

#[tokio::test]
async fn a_new_topic_has_the_channels_that_it_has_elsewhere() {
    // Protects the first messages of a topic on a second nsqd: they wait for the channels that the first one has, which
    // nsqlookupd tells over HTTP.
    let lookupd = Lookupd::start().await;
    let flags = [&lookupd.flag(), "--broadcast-address=127.0.0.1"];
    let first = Nsqd::start_with(&flags).await;
    first.create_channel("t", "archive").await;
    await_answer(&lookupd, "/channels?topic=t", |answer| answer["channels"] == json!(["archive"])).await;
    let second = Nsqd::start_with(&flags).await;
    let both = |answer: &Value| answer["producers"].as_array().is_some_and(|nodes| nodes.len() == 2);
    await_answer(&lookupd, "/nodes", both).await;
    second.connect().await.publish("t", "x").await;
    second.await_channel("t", "archive", |channel| channel["depth"] == 1).await;
    let answer = await_answer(&lookupd, "/lookup?topic=t", both).await;
    let ports: BTreeSet<u64> = answer["producers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|node| node["tcp_port"].as_u64().expect("a port"))
        .collect();
    assert_eq!(ports, [&first, &second].map(|nsqd| u64::from(nsqd.tcp_address().port())).into());
}

//! nsqadmin's JSON API on a real cluster: what scripts read, and what they do.

use serde_json::{Value, json};
use tests::{Authority, HttpServer, Lookupd, Nsqadmin, Nsqd, ours_only};

/// Two nsqds that are registered, and the nsqadmin of their nsqlookupd.
struct Cluster {
    lookupd: Lookupd,
    nsqds: Vec<Nsqd>,
    admin: Nsqadmin,
}

impl Cluster {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further flags of nsqadmin.
    async fn start_with(flags: &[&str]) -> Self {
        let lookupd = Lookupd::start().await;
        let mut nsqds = Vec::new();
        for _ in 0..2 {
            nsqds.push(Nsqd::start_with(&[&lookupd.flag(), "--broadcast-address=127.0.0.1"]).await);
        }
        let admin = Nsqadmin::start_with(&[&lookupd], flags).await;
        Self { lookupd, nsqds, admin }
    }

    /// Makes `channel` of `topic` on an nsqd, and waits until it is registered.
    async fn create(&self, nsqd: usize, topic: &str, channel: &str) {
        self.nsqds[nsqd].create_channel(topic, channel).await;
        let port = self.nsqds[nsqd].http_address().port();
        let target = format!("/lookup?topic={topic}");
        let mut http = tests::HttpConnection::connect(self.lookupd.http_address()).await;
        tests::within("a registration", async {
            loop {
                let answer = http.request("GET", &target, b"").await.json();
                let is_there = |producer: &Value| producer["http_port"] == port;
                let has_channel =
                    answer["channels"].as_array().is_some_and(|all| all.contains(&json!(channel)));
                if has_channel && answer["producers"].as_array().is_some_and(|all| all.iter().any(is_there)) {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    fn node(&self, nsqd: usize) -> String {
        self.nsqds[nsqd].http_address().to_string()
    }
}

/// The values of a key of all objects in a list.
fn all<'a>(list: &'a Value, key: &str) -> Vec<&'a Value> {
    list.as_array().map(|list| list.iter().map(|object| &object[key]).collect()).unwrap_or_default()
}

#[tokio::test]
async fn topics_and_channels_are_sums_over_nodes() {
    // Protects the figures: sums, and the part of each nsqd beside them, in NSQ's shapes.
    let cluster = Cluster::start().await;
    for nsqd in 0..2 {
        cluster.create(nsqd, "orders", "archive").await;
    }
    cluster.create(1, "orders", "billing").await;
    for (nsqd, count) in [(0, 2), (1, 3)] {
        for _ in 0..count {
            cluster.nsqds[nsqd].connect().await.publish("orders", b"x").await;
        }
    }
    let mut consumer = cluster.nsqds[1].consumer("orders", "billing", 2).await;
    let held = consumer.next_message().await;
    let topic = cluster.admin.get("/api/topics/orders").await;
    assert_eq!(
        (&topic["node"], &topic["hostname"], &topic["message"]),
        (&json!("*"), &json!(""), &json!(""))
    );
    assert_eq!((&topic["message_count"], &topic["depth"]), (&json!(5), &json!(0)));
    assert_eq!(topic["nodes"].as_array().map(Vec::len), Some(2));
    let sums: Vec<_> = topic["channels"].as_array().expect("channels").iter().collect();
    let archive = sums.iter().find(|channel| channel["channel_name"] == "archive").expect("it is there");
    assert_eq!((&archive["depth"], &archive["message_count"]), (&json!(5), &json!(5)));
    let channel = cluster.admin.get("/api/topics/orders/billing").await;
    assert_eq!(channel["in_flight_count"], 2);
    assert_eq!((&channel["client_count"], &channel["clients"][0]["in_flight_count"]), (&json!(1), &json!(2)));
    assert_eq!(channel["clients"][0]["node"], cluster.node(1));
    assert_eq!(channel["nodes"].as_array().map(Vec::len), Some(1));
    consumer.fin(held.id).await;
    if ours_only("a part is used as the sum, and the first part is missing") {
        assert_eq!(all(&topic["channels"], "node"), ["*", "*"]);
        assert_eq!(all(&archive["nodes"], "depth").len(), 2);
        let parts = topic["nodes"].as_array().expect("nodes");
        let part = parts.iter().find(|part| part["node"] == cluster.node(0)).expect("it is there");
        assert_eq!((&part["channels"][0]["depth"], &part["message_count"]), (&json!(2), &json!(2)));
    }
}

#[tokio::test]
async fn lists_of_topics_nodes_and_counts() {
    // Protects the lists that scripts walk: all topics, those that nobody has, nodes, one node, counts by channel.
    let cluster = Cluster::start().await;
    cluster.create(0, "b", "c").await;
    cluster.create(1, "a.b", "c").await;
    for target in [
        "/topic/create?topic=planned",
        "/topic/create?topic=future",
        "/channel/create?topic=future&channel=x",
    ] {
        let mut http = tests::HttpConnection::connect(cluster.lookupd.http_address()).await;
        assert_eq!(http.request("POST", target, b"").await.status, 200);
    }
    cluster.nsqds[0].connect().await.publish("b", b"x").await;
    let topics = cluster.admin.get("/api/topics").await;
    assert_eq!(topics, json!({"topics": ["a.b", "b", "future", "planned"], "message": ""}));
    let inactive = cluster.admin.get("/api/topics?inactive=true").await;
    assert_eq!(inactive, json!({"topics": {"future": ["x"], "planned": null}, "message": ""}));
    let nodes = cluster.admin.get("/api/nodes").await;
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(2));
    let of_b = |node: &&Value| node["topics"] == json!([{"topic": "b", "tombstoned": false}]);
    let first = nodes["nodes"].as_array().expect("nodes").iter().find(of_b).expect("one has b");
    assert_eq!(first["http_port"], cluster.nsqds[0].http_address().port());
    assert_eq!((&first["version"], &first["out_of_date"]), (&json!("1.3.0"), &json!(false)));
    let seen = first["remote_addresses"][0].as_str().expect("a text");
    assert!(seen.starts_with(&format!("{}/127.0.0.1:", cluster.lookupd.http_address())), "{seen}");
    let node = cluster.admin.get(&format!("/api/nodes/{}", cluster.node(0))).await;
    assert_eq!((&node["total_messages"], &node["total_clients"]), (&json!(1), &json!(0)));
    assert_eq!(
        (&node["node"], &node["topics"][0]["channels"][0]["depth"]),
        (&json!(cluster.node(0)), &json!(1))
    );
    let counter = cluster.admin.get("/api/counter").await;
    let key = format!("b:c:{}", cluster.node(0));
    let expected =
        json!({"node": cluster.node(0), "topic_name": "b", "channel_name": "c", "message_count": 1});
    assert_eq!(counter["stats"][&key], expected);
    assert_eq!(counter["stats"].as_object().map(serde_json::Map::len), Some(2));
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    // Protects scripts from taking a slip for an outage.
    let cluster = Cluster::start().await;
    cluster.create(0, "t", "c").await;
    for (method, target, body, status, message) in [
        ("GET", "/api/nodes/127.0.0.1:1", "", 404, "NODE_NOT_FOUND"),
        ("POST", "/api/topics", r#"{"topic":"bad!"}"#, 400, "INVALID_TOPIC"),
        ("POST", "/api/topics", r#"{"topic":"t","channel":"bad!"}"#, 400, "INVALID_CHANNEL"),
        ("POST", "/api/topics", "", 400, "EOF"),
        ("POST", "/api/topics/t", r#"{"action":"Pause"}"#, 400, "INVALID_ACTION"),
        ("POST", "/api/topics/t/c", "{}", 400, "INVALID_ACTION"),
        ("DELETE", "/api/nodes/127.0.0.1:1", "[", 400, "INVALID_BODY"),
        ("DELETE", "/api/nodes/127.0.0.1:1", r#"{"topic":""}"#, 400, "INVALID_TOPIC"),
        ("GET", "/api/nope", "", 404, "NOT_FOUND"),
        ("PUT", "/api/topics", "", 405, "METHOD_NOT_ALLOWED"),
    ] {
        let answer = cluster.admin.request(method, target, body).await;
        assert_eq!((answer.status, answer.message().as_str()), (status, message), "{method} {target} {body}");
    }
    let other = cluster.admin.request("POST", "/api/topics", r#"{"topic":5}"#).await;
    assert_eq!(other.status, 400, "{}", other.text());
    if ours_only("it takes them for outages, or crashes inside") {
        let mut http = tests::HttpConnection::connect(cluster.lookupd.http_address()).await;
        assert_eq!(http.request("POST", "/topic/create?topic=planned", b"").await.status, 200);
        for (target, status, message) in [
            ("/api/topics/nope", 404, "TOPIC_NOT_FOUND"),
            ("/api/topics/nope/c", 404, "TOPIC_NOT_FOUND"),
            ("/api/topics/t/nope", 404, "CHANNEL_NOT_FOUND"),
        ] {
            let answer = cluster.admin.request("GET", target, "").await;
            assert_eq!((answer.status, answer.message().as_str()), (status, message), "{target}");
        }
        let planned = cluster.admin.get("/api/topics/planned").await;
        assert_eq!((&planned["nodes"], &planned["message_count"]), (&json!([]), &json!(0)));
        let nobody = cluster.admin.request("POST", "/api/topics/nope", r#"{"action":"pause"}"#).await;
        assert_eq!((nobody.status, nobody.message().as_str()), (404, "TOPIC_NOT_FOUND"));
        let nothing = cluster.admin.request("POST", "/api/topics/planned", r#"{"action":"pause"}"#).await;
        assert_eq!(nothing.message(), "WARNING: no nsqd has the topic: nothing was done");
        let stranger = cluster.admin.request("DELETE", "/api/nodes/127.0.0.1:1", r#"{"topic":"t"}"#).await;
        assert_eq!((stranger.status, stranger.message().as_str()), (404, "NODE_NOT_FOUND"));
    }
}

#[tokio::test]
async fn a_dead_node_hides_its_share_and_nothing_else() {
    // Protects operators in an outage: the rest is shown, and what is missing is named.
    let mut cluster = Cluster::start().await;
    for nsqd in 0..2 {
        cluster.create(nsqd, "t", "c").await;
        cluster.nsqds[nsqd].connect().await.publish("t", b"x").await;
    }
    let dead = cluster.node(0);
    let topic = cluster.admin.get("/api/topics/t").await;
    assert_eq!((&topic["message_count"], &topic["message"]), (&json!(2), &json!("")));
    // Listed still, and not answering: nsqlookupd is told the address of nobody.
    let mut ghost = cluster.lookupd.connect().await;
    ghost.send_identify(Lookupd::BODY.replace("n1.example", "127.0.0.1").replace("4151", "1")).await;
    ghost.answer().await;
    ghost.ok("REGISTER t c").await;
    for target in ["/api/topics/t", "/api/topics/t/c", "/api/counter"] {
        let seen = cluster.admin.get(target).await;
        let message = seen["message"].as_str().expect("a text");
        assert!(message.starts_with("WARNING: ") && message.contains("127.0.0.1:1"), "{target}: {message}");
    }
    assert_eq!(cluster.admin.get("/api/topics/t").await["message_count"], 2);
    let node = cluster.admin.request("GET", "/api/nodes/127.0.0.1:1", "").await;
    assert_eq!(node.status, 502);
    assert!(node.message().starts_with("UPSTREAM_ERROR: failed to query any nsqd: "), "{}", node.text());
    cluster.nsqds[0].kill().await;
    let live = |nodes: &Value| {
        !nodes
            .to_string()
            .contains(&format!("\"http_port\":{}", dead.rsplit_once(':').map_or("", |(_, port)| port)))
    };
    cluster.admin.await_document("/api/nodes", live).await;
    assert_eq!(cluster.admin.get("/api/topics/t").await["message_count"], 1);
    drop(ghost);
    let Cluster { lookupd, admin, nsqds: _nsqds } = cluster;
    drop(lookupd);
    let nothing = admin.request("GET", "/api/topics", "").await;
    assert_eq!(nothing.status, 502);
    assert!(
        nothing.message().starts_with("UPSTREAM_ERROR: failed to query any nsqlookupd: "),
        "{}",
        nothing.text()
    );
}

#[tokio::test]
async fn one_of_two_nsqlookupds_is_enough() {
    // Protects discovery with a dead nsqlookupd, and with one that does not know a topic, which is no warning.
    let (first, second) = (Lookupd::start().await, Lookupd::start().await);
    let nsqd = Nsqd::start_with(&[&first.flag(), "--broadcast-address=127.0.0.1"]).await;
    nsqd.create_channel("t", "c").await;
    first.await_log(") REGISTER category:channel key:t subkey:c").await;
    let admin = Nsqadmin::start(&[&first, &second]).await;
    let topic = admin.get("/api/topics/t").await;
    if ours_only("what one of them does not know is an eternal warning") {
        assert_eq!(topic["message"], "");
    }
    assert_eq!(topic["nodes"].as_array().map(Vec::len), Some(1));
    drop(second);
    let topics = admin.get("/api/topics").await;
    assert_eq!(topics["topics"], json!(["t"]));
    assert!(topics["message"].as_str().is_some_and(|text| text.starts_with("WARNING: ")), "{topics}");
    if ours_only("it takes a failure for inactivity") {
        let inactive = admin.get("/api/topics?inactive=true").await;
        assert_eq!(inactive["topics"], json!({}));
    }
}

#[tokio::test]
async fn actions_reach_every_node() {
    // Protects operators: each action does what it says, wherever the topic is.
    let cluster = Cluster::start().await;
    for nsqd in 0..2 {
        cluster.create(nsqd, "t", "c").await;
        cluster.nsqds[nsqd].connect().await.publish("t", b"x").await;
    }
    let act = async |method: &str, target: &str, body: &str| {
        let answer = cluster.admin.request(method, target, body).await;
        assert_eq!((answer.status, answer.message().as_str()), (200, ""), "{method} {target} {body}");
        if ours_only("it does not say what was done where") {
            let answer = answer.json();
            let done = all(&answer["results"], "done");
            assert!(!done.is_empty() && done.iter().all(|done| **done == json!(true)), "{answer}");
        }
    };
    for (action, paused) in [("pause", true), ("unpause", false)] {
        act("POST", "/api/topics/t", &json!({ "action": action }).to_string()).await;
        act("POST", "/api/topics/t/c", &json!({ "action": action }).to_string()).await;
        for nsqd in &cluster.nsqds {
            let stats = nsqd.stats().await;
            assert_eq!(
                (&stats.topic("t")["paused"], &stats.channel("t", "c")["paused"]),
                (&json!(paused), &json!(paused))
            );
        }
    }
    act("POST", "/api/topics/t/c", r#"{"action":"empty"} and more"#).await;
    assert_eq!(cluster.nsqds[1].stats().await.channel("t", "c")["depth"], 0);
    act("POST", "/api/topics/t", r#"{"action":"empty"}"#).await;
    act("POST", "/api/topics", r#"{"topic":"t","channel":"made"}"#).await;
    for nsqd in &cluster.nsqds {
        assert_eq!(nsqd.stats().await.channel("t", "made")["depth"], 0);
    }
    // A registration that is under way would make again what is deleted.
    for nsqd in 0..2 {
        cluster.create(nsqd, "t", "made").await;
    }
    act("POST", "/api/topics", r#"{"topic":"reserved"}"#).await;
    assert_eq!(cluster.admin.get("/api/topics").await["topics"], json!(["reserved", "t"]));
    act("DELETE", "/api/topics/t/c", "").await;
    for nsqd in &cluster.nsqds {
        assert_eq!(all(&nsqd.stats().await.topic("t")["channels"], "channel_name"), ["made"]);
    }
    act("DELETE", &format!("/api/nodes/{}", cluster.node(0)), r#"{"topic":"t"}"#).await;
    let has = |nsqd: &tests::Stats| nsqd.has_topic("t");
    assert!(!has(&cluster.nsqds[0].stats().await) && has(&cluster.nsqds[1].stats().await));
    act("DELETE", "/api/topics/t", "").await;
    assert!(!has(&cluster.nsqds[1].stats().await));
    assert_eq!(cluster.admin.get("/api/topics").await["topics"], json!(["reserved"]));
    let missing = cluster.admin.request("DELETE", "/api/topics/reserved/nope", "").await;
    assert_eq!(missing.status, 200);
    assert!(
        missing.message().starts_with("WARNING: ") && missing.message().contains("404"),
        "{}",
        missing.text()
    );
}

#[tokio::test]
async fn without_nsqlookupds_the_nsqds_themselves_are_asked() {
    // Protects small clusters: the same answers, and a topic is made where it can be.
    let nsqds = [Nsqd::start().await, Nsqd::start().await];
    for nsqd in &nsqds {
        nsqd.create_channel("t", "c").await;
        nsqd.connect().await.publish("t", b"x").await;
    }
    let flags: Vec<String> =
        nsqds.iter().map(|nsqd| format!("--nsqd-http-address={}", nsqd.http_address())).collect();
    let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    flags.push(flags[0]);
    let admin = Nsqadmin::start_on(&flags).await;
    assert_eq!(admin.get("/api/topics").await["topics"], json!(["t"]));
    let nodes = admin.get("/api/nodes").await;
    assert_eq!(nodes["nodes"][0]["remote_addresses"], Value::Null);
    assert_eq!(admin.get("/api/topics?inactive=true").await["topics"], json!({}));
    if ours_only("it counts an address that is given twice twice, and makes nothing") {
        assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(2));
        assert_eq!(admin.get("/api/topics/t").await["message_count"], 2);
        assert_eq!(admin.get("/api/topics/t/c").await["depth"], 2);
        let made = admin.request("POST", "/api/topics", r#"{"topic":"made","channel":"c"}"#).await;
        assert_eq!((made.status, made.message().as_str()), (200, ""));
        for nsqd in &nsqds {
            assert_eq!(nsqd.stats().await.channel("made", "c")["depth"], 0);
        }
        let node = nsqds[0].http_address();
        let gone = admin.request("DELETE", &format!("/api/nodes/{node}"), r#"{"topic":"made"}"#).await;
        assert_eq!((gone.status, gone.message().as_str()), (200, ""));
        assert!(!nsqds[0].stats().await.has_topic("made") && nsqds[1].stats().await.has_topic("made"));
    }
}

#[tokio::test]
async fn nsqds_that_want_https_are_asked_over_it() {
    // Protects clusters where nothing goes in clear.
    let authority = Authority::new();
    let server = authority.server_flags();
    let mut flags: Vec<&str> = server.iter().map(String::as_str).collect();
    flags.push("--tls-required");
    let nsqd = Nsqd::start_with(&flags).await;
    let flags = [
        format!("--nsqd-http-address={}", nsqd.http_address()),
        format!("--http-client-tls-root-ca-file={}", authority.root().display()),
    ];
    let trusting = Nsqadmin::start_on(&[&flags[0], &flags[1]]).await;
    for _ in 0..2 {
        assert_eq!(trusting.get("/api/topics").await["message"], "");
    }
    let strict = Nsqadmin::start_on(&[&flags[0]]).await;
    assert_eq!(strict.request("GET", "/api/topics", "").await.status, 502);
    let blind = Nsqadmin::start_on(&[&flags[0], "--http-client-tls-insecure-skip-verify"]).await;
    assert_eq!(blind.get("/api/topics").await["message"], "");
}

#[tokio::test]
async fn only_admins_act() {
    // Protects the cluster: the proxy's header, the read-only mode, and pages of other sites.
    let cluster = Cluster::start_with(&["--admin-user=alice", "--acl-http-header=X-User"]).await;
    cluster.create(0, "t", "c").await;
    let pause = r#"{"action":"pause"}"#;
    for (header, status) in [
        ("X-User: alice", 200),
        ("X-User: Alice", 403),
        ("X-Forwarded-User: alice", 403),
        ("x-user: alice", 200),
    ] {
        let answer = cluster.admin.request_with("POST", "/api/topics/t", pause, &[header]).await;
        assert_eq!(answer.status, status, "{header}: {}", answer.text());
        assert_eq!(answer.message() == "FORBIDDEN", status == 403);
    }
    // The right comes before the body.
    assert_eq!(cluster.admin.request("POST", "/api/topics", "nonsense").await.message(), "FORBIDDEN");
    assert_eq!(cluster.admin.request("GET", "/api/topics", "").await.status, 200);
    if !ours_only("it has neither") {
        return;
    }
    let evil = ["X-User: alice", "Origin: http://evil.example"];
    assert_eq!(cluster.admin.request_with("POST", "/api/topics/t", pause, &evil).await.status, 403);
    assert_eq!(cluster.admin.request("PUT", "/config/log_level", "debug").await.status, 403);
    let reader = Nsqadmin::start_with(&[&cluster.lookupd], &["--read-only"]).await;
    let answer = reader.request("DELETE", "/api/topics/t", "").await.json();
    assert_eq!(answer, json!({"message": "FORBIDDEN", "reason": "nsqadmin runs with --read-only"}));
    let line = cluster.admin.await_log("ACTION: pause_topic topic=t").await;
    assert!(line.contains("by alice (127.0.0.1:") && line.contains("1 of 1 steps done"), "{line}");
}

#[tokio::test]
async fn actions_are_told() {
    // Protects those who keep records of what operators do; an endpoint that is away harms nobody.
    let endpoint = HttpServer::start().await;
    endpoint.say(200, "");
    let flag = format!("--notification-http-endpoint=http://{}/told?by=admin", endpoint.address());
    let cluster = Cluster::start_with(&[&flag]).await;
    cluster.create(0, "t", "c").await;
    let headers = ["Authorization: Basic Y2Fyb2w6cHc=", "User-Agent: test/1", "X-Scheme: https"];
    let made =
        cluster.admin.request_with("POST", "/api/topics", r#"{"topic":"t","channel":"n"}"#, &headers).await;
    assert_eq!(made.status, 200);
    endpoint.await_requests(2).await;
    let told: Vec<Value> = endpoint
        .requests()
        .iter()
        .map(|request| serde_json::from_str(&request.body).expect("JSON"))
        .collect();
    let channel = told.iter().find(|notice| notice["action"] == "create_channel").expect("it was told");
    assert!(told.iter().any(|notice| notice["action"] == "create_topic" && notice["channel"].is_null()));
    assert_eq!(
        (&channel["topic"], &channel["channel"], &channel["user"]),
        (&json!("t"), &json!("n"), &json!("carol"))
    );
    assert_eq!(channel["user_agent"], "test/1");
    assert_eq!(channel["url"], format!("https://{}/api/topics", cluster.admin.address()));
    assert!(channel["timestamp"].as_i64().is_some_and(|time| 1_700_000_000 < time));
    assert!(channel["node"].is_null() && channel["via"].is_string());
    assert!(channel["remote_ip"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")));
    assert!(endpoint.requests()[0].line.starts_with("POST /told?by=admin"));
    if ours_only("it ends if nobody is there to be told") {
        drop(endpoint);
        for action in ["pause", "unpause"] {
            let answer = cluster
                .admin
                .request("POST", "/api/topics/t", &json!({ "action": action }).to_string())
                .await;
            assert_eq!((answer.status, answer.message().as_str()), (200, ""));
        }
        cluster.admin.await_log("was not told to --notification-http-endpoint").await;
        assert_eq!(cluster.admin.request("GET", "/ping", "").await.text(), "OK");
    }
}

#[tokio::test]
async fn options_are_read_and_two_of_them_change() {
    // Protects scripts that move nsqadmin to other nsqlookupds, or turn its log up.
    let (first, second) = (Lookupd::start().await, Lookupd::start().await);
    let admin = Nsqadmin::start_with(&[&first], &["--statsd-interval=30s"]).await;
    for (method, option, body, status, answer) in [
        ("GET", "log_level", "", 200, "2"),
        ("PUT", "log_level", "DEBUG", 200, "1"),
        ("PUT", "log_level", "\"debug\"", 400, r#"{"message":"INVALID_VALUE"}"#),
        ("PUT", "log_level", "", 413, r#"{"message":"INVALID_VALUE"}"#),
        ("GET", "statsd_interval", "", 200, "30000000000"),
        ("GET", "acl_http_header", "", 200, "X-Forwarded-User"),
        ("GET", "graphite_url", "", 200, ""),
        ("GET", "proxy_graphite", "", 200, "false"),
        ("GET", "nope", "", 400, r#"{"message":"INVALID_OPTION"}"#),
        ("PUT", "nsqd_http_addresses", "[]", 400, r#"{"message":"INVALID_OPTION"}"#),
        ("PUT", "nsqlookupd_http_addresses", "[1]", 400, r#"{"message":"INVALID_VALUE"}"#),
        ("POST", "log_level", "", 405, r#"{"message":"METHOD_NOT_ALLOWED"}"#),
    ] {
        let target = format!("/config/{option}");
        let got = admin.request(method, &target, body).await;
        assert_eq!((got.status, got.text().as_str()), (status, answer), "{method} {option} {body}");
    }
    let list = json!([second.http_address().to_string()]).to_string();
    assert_eq!(admin.request("PUT", "/config/nsqlookupd_http_addresses", &list).await.text(), list);
    drop(first);
    assert_eq!(admin.get("/api/nodes").await["message"], "");
    let far = Nsqadmin::start_with(&[&second], &["--allow-config-from-cidr=10.0.0.0/8"]).await;
    assert_eq!(far.request("GET", "/config/log_level", "").await.message(), "FORBIDDEN");
}

#[tokio::test]
async fn everything_hangs_below_the_base_path() {
    // Protects nsqadmin behind a proxy that gives it a folder.
    let lookupd = Lookupd::start().await;
    let admin = Nsqadmin::start_with(&[&lookupd], &["--base-path=nsq/"]).await;
    for (target, status) in [
        ("/nsq", 200),
        ("/nsq/ping", 200),
        ("/nsq/api/topics", 200),
        ("/nsq/topics/t/c", 200),
        ("/", 404),
        ("/ping", 404),
        ("/nsq/nope", 404),
    ] {
        assert_eq!(admin.request("GET", target, "").await.status, status, "{target}");
    }
    let moved = admin.request("GET", "/nsq/", "").await;
    assert_eq!((moved.status, moved.header("Location")), (301, Some("/nsq")));
}

//! The cluster as nsqadmin's pages see it live: streams, findings, history.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Events, HttpServer, Lookupd, Nsqadmin, Nsqd, ours_only, within};

/// Looks often, so that tests take little time.
const OFTEN: &str = "--poll-interval=200ms";

/// An nsqd that is registered, and the nsqadmin of its nsqlookupd.
struct Cluster {
    lookupd: Lookupd,
    nsqd: Nsqd,
    admin: Nsqadmin,
}

impl Cluster {
    async fn start() -> Self {
        Self::start_with(&[OFTEN]).await
    }

    async fn start_with(flags: &[&str]) -> Self {
        let lookupd = Lookupd::start().await;
        let nsqd = Nsqd::start_with(&[&lookupd.flag(), "--broadcast-address=127.0.0.1"]).await;
        let admin = Nsqadmin::start_with(&[&lookupd], flags).await;
        let cluster = Self { lookupd, nsqd, admin };
        cluster.admin.await_document("/api/nodes", |nodes| nodes["nodes"] != json!([])).await;
        cluster
    }

    fn node(&self) -> String {
        self.nsqd.http_address().to_string()
    }
}

/// The object of a list whose key has this value.
fn find<'a>(list: &'a Value, key: &str, value: &str) -> &'a Value {
    let mut objects = list.as_array().into_iter().flatten();
    objects.find(|object| object[key] == value).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn each_view_begins_with_its_whole_state() {
    // Protects: what pages show when they open, and that all of it is told as the pages read it.
    if !ours_only("its pages are not live") {
        return;
    }
    let cluster = Cluster::start().await;
    cluster.nsqd.create_channel("orders", "billing").await;
    cluster.nsqd.create_channel("plain", "c").await;
    let _consumer = cluster.nsqd.consumer("orders", "billing", 5).await;
    cluster.nsqd.connect().await.publish("plain", "x").await;
    let node = cluster.node();
    let watch = async |view: &str| {
        let mut events = cluster.admin.watch(view).await;
        let (kind, first) = events.next().await;
        assert_eq!(kind, "state", "{view}");
        assert_eq!(
            (&first["head"]["nodes"], &first["head"]["nodes_down"]),
            (&json!(1), &json!(0)),
            "{first:#}"
        );
        assert_eq!((&first["head"]["lookupds"], &first["head"]["warnings"]), (&json!(1), &json!([])));
        first
    };
    let topics = watch("topics").await;
    let plain = find(&topics["topics"], "name", "plain");
    assert_eq!((&plain["depth"], &plain["no_consumers"]), (&json!(1), &json!(["c"])), "{topics:#}");
    assert_eq!(
        (&plain["paused"], &plain["channels"], &plain["messages"]),
        (&json!("no"), &json!(1), &json!(1))
    );
    let overview = watch("overview").await;
    assert_eq!(overview["deepest"][0]["name"], "plain");
    assert_eq!((&overview["totals"]["depth"], &overview["totals"]["consumers"]), (&json!(1), &json!(1)));
    assert_eq!(overview["nodes"][0]["node"], node);
    let topic = watch("topic&topic=orders").await;
    assert_eq!(topic["topic"]["nodes"][0]["node"], node);
    assert_eq!(topic["topic"]["channels"][0]["name"], "billing");
    assert_eq!(topic["topic"]["channels"][0]["paused"], "no");
    assert_eq!(watch("topic&topic=unknown").await["topic"], Value::Null);
    let channel = watch("channel&topic=orders&channel=billing").await;
    assert_eq!(channel["channel"]["clients"][0]["ready"], 5, "{channel:#}");
    assert_eq!(
        (&channel["channel"]["can_seek"], &channel["channel"]["can_peek"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(watch("channel&topic=orders&channel=unknown").await["channel"], Value::Null);
    let nodes = watch("nodes").await;
    assert_eq!((&nodes["nodes"][0]["health"], &nodes["nodes"][0]["topics"]), (&json!("OK"), &json!(2)));
    let page = watch(&format!("node&node={node}")).await;
    let orders = find(&page["node"]["topic_list"], "name", "orders");
    assert_eq!(orders["channels"][0]["clients"].as_array().map(Vec::len), Some(1), "{page:#}");
    let counter = watch("counter").await;
    assert_eq!(counter["messages"], 1);
}

#[tokio::test]
async fn what_nobody_produces_is_on_the_page_of_nsqlookupds() {
    // Protects: names that are reserved, with their channels; each nsqlookupd for itself.
    if !ours_only("its pages are not live") {
        return;
    }
    let cluster = Cluster::start().await;
    let body = json!({"topic": "planned", "channel": "archive"}).to_string();
    assert_eq!(cluster.admin.request("POST", "/api/topics", &body).await.status, 200);
    let mut events = cluster.admin.watch("lookup").await;
    let planned = json!([{"topic": "planned", "channels": ["archive"]}]);
    let page = events.await_document("the reserved topic", |page| page["inactive"] == planned).await;
    let lookupd = &page["lookupds"][0];
    assert_eq!(
        (&lookupd["is_up"], &lookupd["topics"], &lookupd["nodes"]),
        (&json!(true), &json!(1), &json!(1))
    );
    assert_eq!(lookupd["version"], "1.3.0");
    let mut topic = cluster.admin.watch("topic&topic=planned").await;
    let page = topic.await_document("its page", |page| page["topic"]["channels"] != json!([])).await;
    assert_eq!(
        (&page["topic"]["nodes"], &page["topic"]["channels"][0]["name"]),
        (&json!([]), &json!("archive"))
    );
}

#[tokio::test]
async fn an_action_is_seen_at_once() {
    // Protects: those who watch need not wait for the next look, which here comes in an hour.
    if !ours_only("its pages are not live") {
        return;
    }
    let cluster = Cluster::start_with(&["--poll-interval=1h"]).await;
    cluster.nsqd.create_channel("orders", "billing").await;
    cluster.admin.await_document("/api/topics", |topics| topics["topics"] == json!(["orders"])).await;
    let mut events = cluster.admin.watch("topics").await;
    let (_, state) = events.next().await;
    assert_eq!(find(&state["topics"], "name", "orders")["paused"], "no", "{state:#}");
    let pause = |action: &str| json!({ "action": action }).to_string();
    assert_eq!(cluster.admin.request("POST", "/api/topics/orders", &pause("pause")).await.status, 200);
    let patch = events.await_document("the pause", |patch| patch["changed"] != json!([])).await;
    assert_eq!(patch["changed"][0]["paused"], "all");
    assert_eq!(patch["removed"], json!([]));
    assert_eq!(cluster.admin.request("DELETE", "/api/topics/orders", "").await.status, 200);
    let patch = events.await_document("the end of the topic", |patch| patch["removed"] != json!([])).await;
    assert_eq!(patch["removed"], json!(["orders"]));
}

#[tokio::test]
async fn a_killed_node_stays_on_the_screen_with_its_error() {
    // Protects: nsqlookupd forgets a killed nsqd at once; operators are to see that its share is missing.
    if !ours_only("its pages are not live") {
        return;
    }
    let cluster = Cluster::start().await;
    let Cluster { lookupd, nsqd, admin } = cluster;
    let other = Nsqd::start_with(&[&lookupd.flag(), "--broadcast-address=127.0.0.1"]).await;
    other.create_channel("orders", "c").await;
    nsqd.create_channel("orders", "c").await;
    let mut events = admin.watch("topic&topic=orders").await;
    let both = |page: &Value| page["topic"]["nodes"].as_array().is_some_and(|nodes| nodes.len() == 2);
    events.await_document("both nodes", both).await;
    let node = nsqd.http_address().to_string();
    drop(nsqd);
    // A request that is under way when it dies ends in another way.
    let is_refused = |page: &Value| {
        let error = find(&page["topic"]["nodes"], "node", &node)["error"].as_str();
        error.is_some_and(|error| error.contains("refused"))
    };
    let page = events.await_document("the dead node", is_refused).await;
    assert_eq!(find(&page["topic"]["nodes"], "node", &node)["is_up"], false, "{page:#}");
    assert_eq!(page["head"]["nodes_down"], 1);
    let warning = page["head"]["warnings"][0].as_str().unwrap();
    assert!(
        warning.starts_with(&node) && warning.ends_with("its share of the figures is missing"),
        "{warning}"
    );
    let (_, overview) = admin.watch("overview").await.next().await;
    let finding = find(&overview["findings"], "kind", "node_down");
    assert_eq!((&finding["severity"], &finding["node"]), (&json!("error"), &json!(node)), "{overview:#}");
    let row = find(&overview["nodes"], "node", &node).clone();
    assert!(
        row["down_since_ms"].as_i64().is_some_and(|since| finding["since_ms"].as_i64() <= Some(since + 1000))
    );
    drop(lookupd);
    let mut lookup = admin.watch("lookup").await;
    let page = lookup.await_document("the dead nsqlookupd", |page| page["head"]["lookupds_down"] == 1).await;
    assert_eq!(page["lookupds"][0]["is_up"], false);
    assert_eq!(find(&page["lookupds"], "is_up", "").clone(), Value::Null);
    let page = events.await_document("what goes on", |page| page["head"]["lookupds_down"] == 1).await;
    let alive = find(&page["topic"]["nodes"], "node", &other.http_address().to_string());
    assert_eq!(alive["is_up"], true, "an nsqd is asked without nsqlookupds, too");
}

#[tokio::test]
async fn rates_and_history_are_those_of_a_steady_publisher() {
    // Protects: what is called a rate is one, on all pages, and it is remembered.
    if !ours_only("its pages are not live") {
        return;
    }
    let cluster = Cluster::start().await;
    cluster.nsqd.create_channel("orders", "billing").await;
    let mut producer = cluster.nsqd.connect().await;
    let publishing = tokio::spawn(async move {
        // 400 messages a second; ticks that were missed are made up for.
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            producer.mpub("orders", &["x"; 20]).await;
        }
    });
    let mut events = cluster.admin.watch("topic&topic=orders").await;
    let is_near = |rate: &Value| rate.as_f64().is_some_and(|rate| (rate - 400.0).abs() <= 40.0);
    let page = events
        .await_document("400 messages a second", |page| {
            let total = &page["topic"]["total"];
            let channel = &page["topic"]["channels"][0];
            is_near(&total["in_rate"]) && is_near(&channel["in_rate"]) && is_near(&channel["depth_rate"])
        })
        .await;
    assert!(is_near(&page["head"]["in_rate"]), "{page:#}");
    assert_eq!(page["topic"]["channels"][0]["out_rate"], 0.0, "nobody consumes");
    for target in ["topic=orders", "topic=orders&channel=billing", "", &format!("node={}", cluster.node())] {
        let target = format!("/api/history?{target}&span_s=600");
        let has_rate = |history: &Value| {
            let points = history["series"]["in_rate"].as_array();
            points.is_some_and(|points| {
                points.len() == 120 && points.iter().any(|rate| rate.as_f64() > Some(0.0))
            })
        };
        let history = cluster.admin.await_document(&target, has_rate).await;
        assert_eq!((&history["step_s"], &history["points"]), (&json!(5), &json!(120)));
        assert_eq!(history["series"].as_object().map(serde_json::Map::len), Some(8));
    }
    let lines = cluster.admin.get("/api/sparklines?metric=depth&topics=%5B%22orders%22,%22x%22%5D").await;
    let points = |topic: &str| lines["series"][topic].as_array().map(Vec::len);
    assert_eq!((points("orders"), points("x"), &lines["step_s"]), (Some(60), Some(60), &json!(10)));
    assert!(lines["series"]["orders"][59].as_f64() > Some(0.0), "{lines:#}");
    publishing.abort();
    for (target, message) in [
        ("/api/history?span_s=5", "INVALID_ARG_SPAN_S"),
        ("/api/history?channel=c", "MISSING_ARG_TOPIC"),
        ("/api/sparklines?metric=x&topics=%5B%5D", "INVALID_ARG_METRIC"),
        ("/api/sparklines?metric=depth&topics=x", "INVALID_ARG_TOPICS"),
        ("/api/stream?view=topic", "INVALID_VIEW"),
    ] {
        let answer = cluster.admin.request("GET", target, "").await;
        assert_eq!((answer.status, answer.message().as_str()), (400, message), "{target}");
    }
}

#[tokio::test]
async fn a_backlog_without_consumers_is_found() {
    // Protects: the first page says what is wrong, with the time since when, and stops to say so.
    if !ours_only("its pages are not live") {
        return;
    }
    let cluster = Cluster::start().await;
    cluster.nsqd.create_channel("orders", "billing").await;
    cluster.nsqd.connect().await.publish("orders", "x").await;
    let mut events = cluster.admin.watch("overview").await;
    let has = |page: &Value| *find(&page["findings"], "kind", "no_consumers") != Value::Null;
    let page = events.await_document("the finding", has).await;
    let finding = find(&page["findings"], "kind", "no_consumers");
    assert_eq!((&finding["topic"], &finding["channel"]), (&json!("orders"), &json!("billing")));
    assert_eq!(finding["text"], "1 messages wait and nobody consumes");
    assert_eq!(page["deepest"][0]["worst"], finding["severity"]);
    let mut consumer = cluster.nsqd.consumer("orders", "billing", 1).await;
    let message = consumer.next_message().await;
    consumer.fin(message.id).await;
    events.await_document("no finding", |page| !has(page)).await;
}

#[tokio::test]
async fn who_does_not_keep_up_is_cut_off() {
    // Protects the memory of nsqadmin from tabs that sleep.
    if !ours_only("its pages are not live") {
        return;
    }
    let flags = ["--poll-interval=100ms", "--log-level=debug"];
    let cluster = Cluster::start_with(&flags).await;
    let mut http = cluster.nsqd.http().await;
    for number in 0..300 {
        let target = format!("/topic/create?topic=a-topic-with-a-long-name-{number}%23ephemeral");
        assert_eq!(http.request("POST", &target, b"").await.status, 200);
    }
    let target = format!("/api/stream?view=node&node={}", cluster.node());
    let mut asleep = Events::ask(cluster.admin.address(), &target).await;
    cluster.admin.await_log("does not keep up").await;
    // What the system has of it still comes, and then the end.
    assert!(asleep.read_to_end().await > 0);
    let (_, page) = Events::open(cluster.admin.address(), &target).await.next().await;
    assert_eq!(page["node"]["topics"], 300);
}

#[tokio::test]
async fn streams_end_with_the_daemon_and_are_below_the_base_path() {
    if !ours_only("its pages are not live") {
        return;
    }
    let lookupd = Lookupd::start().await;
    let mut admin = Nsqadmin::start_with(&[&lookupd], &["--base-path=/nsq"]).await;
    let mut events = Events::open(admin.address(), "/nsq/api/stream?view=overview").await;
    assert_eq!(events.next().await.0, "state");
    let me = admin.get("/nsq/api/me").await;
    assert_eq!(
        (&me["mode"], &me["is_admin"], &me["reason"]),
        (&json!("lookupd"), &json!(true), &Value::Null)
    );
    assert_eq!((&me["history"]["span_s"], &me["poll_interval_ms"]), (&json!(21_600), &json!(2000)));
    let status = within("the end", admin.terminate()).await;
    assert!(status.success());
    events.read_to_end().await;
}

#[tokio::test]
async fn who_may_not_act_is_told_why() {
    if !ours_only("its pages are not live") {
        return;
    }
    let lookupd = Lookupd::start().await;
    let admin = Nsqadmin::start_with(&[&lookupd], &["--admin-user=alice"]).await;
    let me = async |user: &str| {
        let header = format!("X-Forwarded-User: {user}");
        admin.request_with("GET", "/api/me", "", &[&header]).await.json()
    };
    let (alice, bob) = (me("alice").await, me("bob").await);
    assert_eq!((&alice["user"], &alice["is_admin"]), (&json!("alice"), &json!(true)));
    assert_eq!((&bob["is_admin"], &bob["reason"]), (&json!(false), &json!("not an admin user")));
    let read_only = Nsqadmin::start_with(&[&lookupd], &["--read-only"]).await;
    assert_eq!(read_only.get("/api/me").await["reason"], "read-only mode");
}

#[tokio::test]
async fn nsqds_are_watched_without_nsqlookupds() {
    // Protects the other mode, in which a node that dies is still the one that it was.
    if !ours_only("its pages are not live") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--broadcast-address=localhost"]).await;
    nsqd.create_channel("t", "c").await;
    let flag = format!("--nsqd-http-address={}", nsqd.http_address());
    let admin = Nsqadmin::start_on(&[&flag, OFTEN]).await;
    assert_eq!(admin.get("/api/me").await["mode"], "nsqd");
    let mut events = admin.watch("nodes").await;
    let node = format!("localhost:{}", nsqd.http_address().port());
    let page = events.await_document("the node", |page| page["nodes"][0]["is_up"] == true).await;
    assert_eq!(
        (&page["nodes"][0]["node"], &page["nodes"][0]["lookupds_expected"]),
        (&json!(node), &json!(0))
    );
    drop(nsqd);
    let page = events.await_document("its end", |page| page["nodes"][0]["is_up"] == false).await;
    assert_eq!((&page["nodes"][0]["node"], &page["head"]["nodes"]), (&json!(node), &json!(1)));
}

#[tokio::test]
async fn a_node_that_hangs_does_not_hide_the_others() {
    // Protects: what one server does not say is missing, and said to be; the rest is shown, and goes on.
    if !ours_only("its pages are not live") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--broadcast-address=127.0.0.1"]).await;
    nsqd.create_channel("t", "c").await;
    let hanging = HttpServer::start().await;
    hanging.hold(true);
    let flags = [
        format!("--nsqd-http-address={}", nsqd.http_address()),
        format!("--nsqd-http-address={}", hanging.address()),
    ];
    let timeout = "--http-client-request-timeout=500ms";
    let admin = Nsqadmin::start_on(&[&flags[0], &flags[1], OFTEN, timeout]).await;
    let mut events = admin.watch("topics").await;
    let (_, state) = events.next().await;
    assert_eq!(find(&state["topics"], "name", "t")["channels"], 1, "{state:#}");
    assert_eq!((&state["head"]["nodes"], &state["head"]["nodes_down"]), (&json!(2), &json!(1)));
    let warning = state["head"]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("no answer in time"), "{warning}");
    nsqd.create_channel("later", "c").await;
    let patch = events.await_document("another topic", |patch| patch["changed"][0]["name"] == "later").await;
    assert_eq!(patch["head"]["topics"], 2);
}

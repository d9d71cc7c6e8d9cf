//! AUTH: what is asked of authorization servers, what their answers allow, and what happens when they fail.

use std::time::Duration;

use tests::{Authority, Client, HttpServer, Nsqd, is_reference, ours_only};

const ANSWER: &str = r#"{"identity":"bob","identity_url":"http://id/bob?a=1\u0026b=2","permission_count":1}"#;

async fn start(server: &HttpServer, flags: &[&str]) -> Nsqd {
    let flag = server.flag();
    let all: Vec<&str> = std::iter::once(flag.as_str()).chain(flags.iter().copied()).collect();
    Nsqd::start_with(&all).await
}

async fn auth(client: &mut Client, secret: &[u8]) {
    client.command(&protocol::Command::Auth { secret }).await;
}

/// A client whose AUTH succeeded.
async fn authorized(nsqd: &Nsqd, secret: &str) -> Client {
    let mut client = nsqd.connect().await;
    auth(&mut client, secret.as_bytes()).await;
    client.next_response().await;
    client
}

/// `answer` with one entry.
fn entry(topic: &str, channels: &str, permissions: &str) -> String {
    format!(
        r#"{{"ttl":3600,"authorizations":[{{"topic":"{topic}","channels":[{channels}],"permissions":[{permissions}]}}]}}"#
    )
}

#[tokio::test]
async fn a_client_authorizes_itself_and_works() {
    // Protects the whole way: announced, asked, answered, shown; before IDENTIFY or behind it.
    let server = HttpServer::start().await;
    let nsqd = start(&server, &[]).await;
    for identify_first in [true, false] {
        let mut client = nsqd.connect().await;
        if identify_first {
            let answer = client.identify(r#"{"feature_negotiation":true}"#).await;
            assert!(String::from_utf8_lossy(&answer).contains(r#""auth_required":true"#));
        }
        auth(&mut client, b"secret").await;
        client.expect_response(ANSWER).await;
        client.subscribe("t", "c").await;
        client.rdy(1).await;
        client.publish("t", b"x").await;
        client.mpub("t", &["x"]).await;
        client.dpub("t", Duration::ZERO, b"x").await;
        client.finish_messages(3).await;
        let entry = &nsqd.stats().await.channel("t", "c")["clients"][0];
        assert_eq!((&entry["authed"], &entry["auth_identity"]), (&true.into(), &"bob".into()));
        assert_eq!(entry["auth_identity_url"], "http://id/bob?a=1&b=2");
        drop(client);
        nsqd.await_channel("t", "c", |channel| channel["client_count"] == 0).await;
    }
}

#[tokio::test]
async fn servers_are_asked_as_they_are_used_to() {
    // Protects the servers that operators have written: method, path, parameters, headers.
    let server = HttpServer::start().await;
    let nsqd = start(&server, &[]).await;
    authorized(&nsqd, "s ec&ret").await;
    let asked = &server.requests()[0];
    let query = "common_name=&remote_ip=127.0.0.1&secret=s+ec%26ret&tls=false";
    assert_eq!(asked.line, format!("GET /auth?{query} HTTP/1.1"));
    assert!(asked.headers.contains(&"accept: application/vnd.nsq; version=1.0".to_owned()), "{asked:?}");
    for (path, expected) in [("/my/auth", "/my/auth?"), ("/my?x=1", "/my?x=1&")] {
        if is_reference() && path.contains('?') {
            continue;
        }
        let flag = format!("--auth-http-address=http://{}{path}", server.address());
        let nsqd = Nsqd::start_with(&[&flag]).await;
        authorized(&nsqd, "s ec&ret").await;
        let asked = server.requests().pop().expect("it was asked");
        assert_eq!(asked.line, format!("GET {expected}{query} HTTP/1.1"));
    }
    if !ours_only("the release 1.3.0 has no POST, unlike what follows it") {
        return;
    }
    let nsqd = start(&server, &["--auth-http-request-method=post"]).await;
    authorized(&nsqd, "s ec&ret").await;
    let asked = server.requests().pop().expect("it was asked");
    assert_eq!(asked.line, "POST /auth HTTP/1.1");
    assert!(asked.headers.contains(&"content-type: application/json".to_owned()), "{asked:?}");
    let body: serde_json::Value = serde_json::from_str(&asked.body).expect("JSON");
    let lists = r#"{"common_name":[""],"remote_ip":["127.0.0.1"],"secret":["s ec&ret"],"tls":["false"]}"#;
    assert_eq!(body, serde_json::from_str::<serde_json::Value>(lists).expect("JSON"));
}

#[tokio::test]
async fn servers_are_told_about_tls_and_who_shows_which_certificate() {
    // Protects rules about certificates, and servers that speak HTTPS: verified against the given root.
    let authority = Authority::new();
    let server = HttpServer::start_tls(&authority.issue("auth-server")).await;
    let mut flags = authority.server_flags();
    flags.push(format!("--tls-root-ca-file={}", authority.root().display()));
    flags.push("--tls-client-auth-policy=require".to_owned());
    flags.push(format!("--auth-http-address=https://{}/auth", server.address()));
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let tls = authority.client().with_identity(&authority.issue("billing service"));
    let mut client = nsqd.connect().await;
    client.negotiate(r#""tls_v1":true"#, &tls).await;
    auth(&mut client, b"s").await;
    client.expect_response(ANSWER).await;
    let query = "common_name=billing+service&remote_ip=127.0.0.1&secret=s&tls=true";
    assert_eq!(server.requests()[0].line, format!("GET /auth?{query} HTTP/1.1"));
    // A server that the root does not vouch for is not believed.
    let stranger = HttpServer::start_tls(&Authority::new().issue("auth-server")).await;
    flags.pop();
    flags.push(format!("--auth-http-address=https://{}/auth", stranger.address()));
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut client = nsqd.connect().await;
    client.negotiate(r#""tls_v1":true"#, &tls).await;
    auth(&mut client, b"s").await;
    client.expect_error("E_AUTH_FAILED AUTH failed").await;
    client.expect_closed().await;
    assert!(stranger.requests().is_empty(), "the secret stays here");
}

#[tokio::test]
async fn nothing_is_done_before_auth() {
    // Protects topics from strangers: each command that needs authorization is refused without it, MPUB by its line alone.
    let server = HttpServer::start().await;
    let nsqd = start(&server, &[]).await;
    for (command, verb) in [
        ("SUB t c\n", "SUB"),
        ("PUB t\n\0\0\0\x01x", "PUB"),
        ("DPUB t 5\n\0\0\0\x01x", "DPUB"),
        ("MPUB t\n", "MPUB"),
    ] {
        let mut client = nsqd.connect().await;
        client.send(command).await;
        client.expect_error(format!("E_AUTH_FIRST AUTH required before {verb}")).await;
        client.expect_closed().await;
    }
    // What does not need it is checked as ever, and comes first.
    for (command, error) in [
        ("SUB t\n", "E_INVALID SUB insufficient number of parameters"),
        ("SUB t! c\n", "E_BAD_TOPIC SUB topic name \"t!\" is not valid"),
        ("PUB t\n\0\0\0\0", "E_BAD_MESSAGE PUB invalid message body size 0"),
        ("DPUB t x\n", "E_INVALID DPUB could not parse timeout x"),
        ("MPUB t!\n", "E_BAD_TOPIC E_BAD_TOPIC MPUB topic name \"t!\" is not valid"),
        ("AUTH x\n", "E_INVALID AUTH invalid number of parameters"),
        ("AUTH\n\0\0\0\0", "E_BAD_BODY AUTH invalid body size 0"),
    ] {
        let mut client = nsqd.connect().await;
        client.send(command).await;
        client.expect_error(error).await;
        client.expect_closed().await;
    }
    let mut client = nsqd.connect().await;
    client.send("NOP\n").await;
    client.identify("{}").await;
    assert!(server.requests().is_empty());
    assert_eq!(nsqd.stats().await.topic("t"), serde_json::Value::Null, "no topic came of it");
}

#[tokio::test]
async fn what_an_answer_allows_is_allowed_and_nothing_else() {
    // Protects both directions of the check: topics, channels and permissions have to fit in one authorization.
    let server = HttpServer::start().await;
    let nsqd = start(&server, &[]).await;
    let both = r#""subscribe","publish""#;
    for (number, (answer, command, error)) in [
        (entry("^t$", r#"".*""#, both), "SUB t c\n", ""),
        (entry("^t$", r#"".*""#, both), "PUB t\n\0\0\0\x01x", ""),
        (entry("^t$", r#"".*""#, both), "SUB tt c\n", r#"SUB on "tt" "c""#),
        (entry("t", r#"".*""#, both), "SUB xtx c\n", ""),
        (entry("", r#""""#, both), "SUB x c\n", ""),
        (entry(".*", r#""^c$""#, both), "SUB t c\n", ""),
        (entry(".*", r#""^c$""#, both), "SUB t d\n", r#"SUB on "t" "d""#),
        (entry(".*", r#""^c$""#, both), "PUB t\n\0\0\0\x01x", r#"PUB on "t" """#),
        (entry(".*", r#""^c$""#, both), "MPUB t\n", r#"MPUB on "t" """#),
        (entry(".*", "", both), "DPUB t 1\n\0\0\0\x01x", r#"DPUB on "t" """#),
        (entry(".*", r#"".*""#, r#""publish""#), "PUB t\n\0\0\0\x01x", ""),
        (entry(".*", r#"".*""#, r#""publish""#), "SUB t c\n", r#"SUB on "t" "c""#),
        (entry(".*", r#"".*""#, r#""subscribe""#), "PUB t\n\0\0\0\x01x", r#"PUB on "t" """#),
        (entry(".*", r#"".*""#, ""), "SUB t c\n", r#"SUB on "t" "c""#),
    ]
    .into_iter()
    .enumerate()
    {
        server.say(200, &answer);
        let mut client = authorized(&nsqd, &format!("secret-{number}")).await;
        client.send(command).await;
        if error.is_empty() {
            client.expect_ok().await;
        } else {
            client.expect_error(format!("E_UNAUTHORIZED AUTH failed for {error}")).await;
            client.expect_closed().await;
        }
    }
}

#[tokio::test]
async fn a_bad_answer_allows_nothing() {
    // Protects against servers that are broken or refuse: the client is told so, why is in the log alone.
    let server = HttpServer::start().await;
    let nsqd = start(&server, &[]).await;
    for (status, body, error) in [
        (200, r#"{"ttl":3600,"authorizations":[]}"#, "E_UNAUTHORIZED AUTH no authorizations found"),
        (200, r#"{"ttl":3600}"#, "E_UNAUTHORIZED AUTH no authorizations found"),
        (200, r#"{"ttl":0,"authorizations":[]}"#, "E_AUTH_FAILED AUTH failed"),
        (200, r#"{"ttl":1,"authorizations":[{"permissions":["own"]}]}"#, "E_AUTH_FAILED AUTH failed"),
        (200, r#"{"ttl":1,"authorizations":[{"topic":"("}]}"#, "E_AUTH_FAILED AUTH failed"),
        (200, r#"{"ttl":1,"authorizations":[{"channels":["("]}]}"#, "E_AUTH_FAILED AUTH failed"),
        (200, "not JSON", "E_AUTH_FAILED AUTH failed"),
        (500, "{}", "E_AUTH_FAILED AUTH failed"),
        (404, "{}", "E_AUTH_FAILED AUTH failed"),
        (403, "{}", "E_AUTH_FAILED AUTH failed"),
    ] {
        server.say(status, body);
        let mut client = nsqd.connect().await;
        auth(&mut client, b"secret").await;
        client.expect_error(error).await;
        client.expect_closed().await;
    }
    assert!(nsqd.await_log("got response").await.contains("WARNING"));
    if !ours_only("it reads answers of any size, and writes secrets into its log") {
        return;
    }
    assert!(
        !nsqd.log().iter().any(|line| line.contains("secret=") || line.contains("\"secret\"")),
        "it is secret"
    );
    server.say(200, &format!("{}{}", HttpServer::grant(1), " ".repeat(2 << 20)));
    let mut client = nsqd.connect().await;
    auth(&mut client, b"secret").await;
    client.expect_error("E_AUTH_FAILED AUTH failed").await;
}

#[tokio::test]
async fn states_of_auth() {
    // Protects the states: once, not behind SUB, not where nobody asks for it.
    let server = HttpServer::start().await;
    let nsqd = start(&server, &[]).await;
    let mut client = authorized(&nsqd, "s").await;
    auth(&mut client, b"s").await;
    client.expect_error("E_INVALID AUTH already set").await;
    client.expect_closed().await;
    let mut client = authorized(&nsqd, "s").await;
    client.subscribe("t", "c").await;
    auth(&mut client, b"s").await;
    client.expect_error("E_INVALID cannot AUTH in current state").await;
    client.expect_closed().await;
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    auth(&mut client, b"s").await;
    client.expect_error("E_AUTH_DISABLED AUTH disabled").await;
    client.expect_closed().await;
}

#[tokio::test]
async fn another_server_is_asked_when_one_fails() {
    // Protects clients from one server that is down, or says nonsense.
    let (good, bad) = (HttpServer::start().await, HttpServer::start().await);
    bad.say(500, "");
    // Nobody listens on its port any more.
    let gone = HttpServer::start().await.flag();
    let nsqd = start(&good, &[&bad.flag(), &gone]).await;
    for number in 0..6 {
        authorized(&nsqd, &format!("secret-{number}")).await;
    }
    assert_eq!(good.requests().len(), 6);
    assert!(!bad.requests().is_empty(), "each is asked first at some time");
}

#[tokio::test]
async fn an_answer_is_asked_for_again_when_its_time_is_over() {
    // Protects revocation: it takes effect at the next publish behind the TTL; a subscription that stands is not touched.
    let server = HttpServer::start().await;
    server.say(200, &HttpServer::grant(1));
    let nsqd = start(&server, &[]).await;
    let mut consumer = authorized(&nsqd, "s").await;
    consumer.subscribe("t", "c").await;
    consumer.rdy(10).await;
    let mut renewed = authorized(&nsqd, "s").await;
    renewed.publish("t", b"x").await;
    let before = server.requests().len();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(server.requests().len(), before, "nobody asks before there is a need");
    renewed.publish("t", b"y").await;
    assert_eq!(server.requests().len(), before + 1);
    server.say(200, r#"{"ttl":1,"authorizations":[]}"#);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    renewed.send("PUB t\n\0\0\0\x01z").await;
    renewed.expect_error(r#"E_UNAUTHORIZED AUTH failed for PUB on "t" """#).await;
    renewed.expect_closed().await;
    server.say(500, "");
    consumer.send("PUB t\n\0\0\0\x01z").await;
    consumer.finish_messages(2).await;
    consumer.expect_error("E_AUTH_FAILED AUTH failed").await;
    consumer.expect_closed().await;
}

#[tokio::test]
async fn many_connections_with_one_secret_ask_once() {
    // Protects authorization servers from herds: at connect, and when the answer expires.
    if !ours_only("each connection asks for itself") {
        return;
    }
    let server = HttpServer::start().await;
    server.say(200, &HttpServer::grant(1));
    server.hold(true);
    let nsqd = start(&server, &[]).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = nsqd.connect().await;
        auth(&mut client, b"s").await;
        clients.push(client);
    }
    server.await_requests(1).await;
    server.hold(false);
    for client in &mut clients {
        client.expect_response(ANSWER).await;
    }
    assert_eq!(server.requests().len(), 1);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    server.hold(true);
    for client in &mut clients {
        client.send("PUB t\n\0\0\0\x01z").await;
    }
    server.await_requests(2).await;
    server.hold(false);
    for client in &mut clients {
        client.expect_ok().await;
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_slow_server_holds_up_its_own_client_only() {
    // Protects everybody else while a server thinks: heartbeats flow, others work, pipelined commands keep their order.
    let server = HttpServer::start().await;
    let nsqd = start(&server, &["--http-client-request-timeout=5s"]).await;
    let mut other = authorized(&nsqd, "other").await;
    server.hold(true);
    let mut client = nsqd.connect().await;
    client.identify(r#"{"heartbeat_interval":1000}"#).await;
    client.send(b"AUTH\n\0\0\0\x01sPUB t\n\0\0\0\x01aPUB t\n\0\0\0\x01bNOP\n").await;
    server.await_requests(2).await;
    other.publish("t", b"x").await;
    // Longer than two intervals without a command.
    for _ in 0..3 {
        assert_eq!(client.next_frame().await, Some(tests::Received::Response(b"_heartbeat_".to_vec())));
    }
    server.hold(false);
    client.expect_response(ANSWER).await;
    client.expect_ok().await;
    client.expect_ok().await;
    let started = std::time::Instant::now();
    let nsqd = start(&server, &["--http-client-request-timeout=1s"]).await;
    server.hold(true);
    let mut client = nsqd.connect().await;
    auth(&mut client, b"s").await;
    client.expect_error("E_AUTH_FAILED AUTH failed").await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn who_was_waited_for_has_a_deadline_again() {
    // Protects the daemon from clients that fall silent in a command which an authorization server was asked about.
    let server = HttpServer::start().await;
    server.say(200, &HttpServer::grant(1));
    let nsqd = start(&server, &[]).await;
    let mut client = nsqd.connect().await;
    client.identify(r#"{"heartbeat_interval":1000}"#).await;
    auth(&mut client, b"s").await;
    client.expect_response(ANSWER).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    client.send("MPUB t\n").await;
    server.await_requests(2).await;
    let silent = async {
        loop {
            match client.next_frame().await {
                Some(tests::Received::Response(heartbeat)) => assert_eq!(heartbeat, b"_heartbeat_"),
                other => return other,
            }
        }
    };
    let error = b"E_BAD_BODY MPUB failed to read body size".to_vec();
    assert_eq!(silent.await, Some(tests::Received::Error(error)));
    client.expect_closed().await;
}

#[tokio::test]
async fn a_refusal_that_names_https_is_followed() {
    // Protects setups where the plain port of the server only says where the other one is.
    let authority = Authority::new();
    let secure = HttpServer::start_tls(&authority.issue("auth-server")).await;
    let plain = HttpServer::start().await;
    plain.say(403, &format!(r#"{{"message": "TLS_REQUIRED", "https_port": {}}}"#, secure.address().port()));
    let root = format!("--tls-root-ca-file={}", authority.root().display());
    let nsqd = start(&plain, &[&root]).await;
    let mut client = nsqd.connect().await;
    auth(&mut client, b"s").await;
    client.expect_response(ANSWER).await;
    assert_eq!(plain.requests().len(), 1);
    assert_eq!(plain.requests()[0].line, secure.requests()[0].line);
}

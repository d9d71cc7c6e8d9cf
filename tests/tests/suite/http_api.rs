//! HTTP: routes, the form of answers, `/ping` and `/info`.

use tests::{Nsqd, Response, ours_only};

/// Checks a row: what is asked, and the status and message (or text) that are answered.
pub(super) async fn check(nsqd: &Nsqd, request: &str, body: &[u8], status: u16, message: &str) -> Response {
    let (method, target) = request.split_once(' ').expect("a row has a method and a target");
    let response = nsqd.http().await.request(method, target, body).await;
    check_response(request, &response, status, message);
    response
}

pub(super) fn check_response(request: &str, response: &Response, status: u16, message: &str) {
    assert_eq!((response.status, response.message().as_str()), (status, message), "{request}");
}

#[tokio::test]
async fn routes() {
    // Protects the table of routes: unknown paths, other methods and what is allowed instead.
    let nsqd = Nsqd::start().await;
    for (request, status, message, allow) in [
        ("GET /ping", 200, "OK", ""),
        ("POST /ping", 405, "METHOD_NOT_ALLOWED", "GET, OPTIONS"),
        ("OPTIONS /ping", 200, "", "GET, OPTIONS"),
        ("OPTIONS /nope", 404, "NOT_FOUND", ""),
        ("GET /nope", 404, "NOT_FOUND", ""),
        ("GET /", 404, "NOT_FOUND", ""),
        ("GET /put?topic=t", 404, "NOT_FOUND", ""),
        ("GET /%70ing", 200, "OK", ""),
        ("GET /ping?x=1;y", 200, "OK", ""),
        ("GET http://x/ping", 200, "OK", ""),
        ("GET /topic/create?topic=x", 405, "METHOD_NOT_ALLOWED", "OPTIONS, POST"),
        ("GET /pub?topic=x", 405, "METHOD_NOT_ALLOWED", "OPTIONS, POST"),
        ("PUT /pub?topic=x", 405, "METHOD_NOT_ALLOWED", "OPTIONS, POST"),
        ("PATCH /pub", 405, "METHOD_NOT_ALLOWED", "OPTIONS, POST"),
        ("DELETE /topic/create?topic=x", 405, "METHOD_NOT_ALLOWED", "OPTIONS, POST"),
        ("POST /stats", 405, "METHOD_NOT_ALLOWED", "GET, OPTIONS"),
        ("GET /stats?format=json&topic=a%2", 400, "INVALID_REQUEST", ""),
    ] {
        let response = check(&nsqd, request, b"", status, message).await;
        assert_eq!(response.header("Allow").unwrap_or_default(), allow, "{request}");
    }
    assert!(nsqd.stats().await.topic("x").is_null());
}

#[tokio::test]
async fn paths_that_are_almost_right_are_redirected() {
    // Protects scripts with a slash too many or letters too large.
    let nsqd = Nsqd::start().await;
    for (request, status, location) in [
        ("GET /ping/", 301, "/ping"),
        ("GET /PING", 301, "/ping"),
        ("GET //ping", 301, "/ping"),
        ("GET /../ping", 301, "/ping"),
        ("POST /PUB?topic=a", 307, "/pub?topic=a"),
        ("POST /pub/?topic=a", 307, "/pub?topic=a"),
    ] {
        let (method, target) = request.split_once(' ').expect("a method and a target");
        let response = nsqd.http().await.request(method, target, b"").await;
        assert_eq!((response.status, response.header("Location")), (status, Some(location)), "{request}");
    }
}

#[tokio::test]
async fn head_is_answered_like_get() {
    // Protects load balancers that probe with HEAD, which NSQ refuses.
    if !ours_only("HEAD is refused everywhere") {
        return;
    }
    let nsqd = Nsqd::start().await;
    for target in ["/ping", "/info", "/stats"] {
        let response = nsqd.http().await.request("HEAD", target, b"").await;
        assert_eq!((response.status, response.body.len()), (200, 0), "{target}");
    }
}

#[tokio::test]
async fn answers_have_their_headers() {
    // Protects clients that look at types, and people who grep: each style of answer with its headers, in their case.
    let nsqd = Nsqd::start().await;
    let json = Some("application/json; charset=utf-8");
    let text = Some("text/plain; charset=utf-8");
    for (request, body, content_type, is_v1) in [
        ("GET /ping", "", text, false),
        ("GET /info", "", json, true),
        ("GET /stats", "", text, true),
        ("GET /stats?format=json", "", json, true),
        ("POST /pub?topic=t", "x", text, true),
        ("POST /pub?topic=t", "", json, true),
        ("POST /topic/create?topic=t", "", None, true),
        ("GET /nope", "", json, true),
    ] {
        let (method, target) = request.split_once(' ').expect("a method and a target");
        let response = nsqd.http().await.request(method, target, body.as_bytes()).await;
        assert_eq!(response.header("Content-Type"), content_type, "{request}");
        let v1 = response.headers.iter().find(|(name, _)| name == "X-Nsq-Content-Type");
        let v1 = v1.map(|(_, value)| value.as_str());
        assert_eq!(v1, is_v1.then_some("nsq; version=1.0"), "{request}");
        assert!(response.header("Date").is_some() && response.header("Server").is_none(), "{request}");
    }
}

#[tokio::test]
async fn info_tells_who_it_is() {
    // Protects nsqadmin and clients that ask: fields in their order, the ports that are bound.
    if !ours_only("the release 1.3.0 has no topology fields, unlike what follows it") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let info = nsqd.get("/info").await;
    let json = info.json();
    let expected = format!(
        concat!(
            r#"{{"version":{},"broadcast_address":"127.0.0.1","hostname":{},"http_port":{},"tcp_port":{},"#,
            r#""start_time":{},"max_heartbeat_interval":60000000000,"max_output_buffer_size":65536,"#,
            r#""max_output_buffer_timeout":30000000000,"max_deflate_level":6,"topology_zone":"","topology_region":""}}"#
        ),
        json["version"],
        json["hostname"],
        nsqd.http_address().port(),
        nsqd.tcp_address().port(),
        json["start_time"],
    );
    assert_eq!(info.text(), expected);
    assert!(json["version"].as_str().is_some_and(|version| version.split('.').count() == 3), "{json}");
    assert!(json["start_time"].as_u64() > Some(1_700_000_000), "{json}");
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    // Protects keep-alive, also after errors, and pipelining.
    let nsqd = Nsqd::start().await;
    let mut http = nsqd.http().await;
    for index in 0..50 {
        let response = http.request("POST", "/pub?topic=t", index.to_string().as_bytes()).await;
        check_response("POST /pub", &response, 200, "OK");
        let response = http.request("POST", "/pub?topic=bad%20name", b"x").await;
        check_response("POST /pub", &response, 400, "INVALID_TOPIC");
    }
    assert_eq!(nsqd.stats().await.topic("t")["depth"], 50);
}

#[tokio::test]
async fn paused_is_not_unhealthy() {
    // Protects health checks from what is no illness.
    let nsqd = Nsqd::start().await;
    nsqd.create_channel("t", "c").await;
    nsqd.post_ok("/topic/pause?topic=t").await;
    check(&nsqd, "GET /ping", b"", 200, "OK").await;
}

#[tokio::test]
async fn who_speaks_another_protocol_is_told_that_this_is_http() {
    // Protects clients that were given the wrong port: go-nsq looks for the word HTTP. The answer is there although more is
    // sent than was read.
    let nsqd = Nsqd::start().await;
    for _ in 0..20 {
        let mut client = tests::Client::connect_silently(nsqd.http_address()).await;
        client.send("  V2").await;
        client.send(b"IDENTIFY\n\0\0\0\x02{}").await;
        client.send(vec![b'x'; 100_000]).await;
        let answer = client.read_to_end().await;
        assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "{}", answer.escape_ascii());
    }
}

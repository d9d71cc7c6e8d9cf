//! `/config/:opt`: what an option's value looks like, and what can be changed.

use tests::{HttpServer, LookupServer, Nsqd, ours_only};

use crate::http_api::check;

#[tokio::test]
async fn each_option_is_shown_by_its_key_in_the_form_of_its_type() {
    // Protects scripts that read the configuration: keys of the file, effective values, the form of each type.
    let nsqd = Nsqd::start_with(&[
        "--broadcast-address=nsqd-1.example.com",
        "--broadcast-http-port=4151",
        "--statsd-prefix=stats.%s",
        "--e2e-processing-latency-percentile=0.5,1.0,0.99",
        "--node-id=7",
    ])
    .await;
    let tcp_port = nsqd.tcp_address().port().to_string();
    let json = Some("application/json; charset=utf-8");
    let text = Some("text/plain; charset=utf-8");
    for (key, value, kind) in [
        ("log_prefix", "[nsqd] ", text),
        ("auth_http_request_method", "get", text),
        ("topology_zone", "", None),
        ("tls_cert", "", None),
        ("mem_queue_size", "10000", json),
        ("msg_timeout", "60000000000", json),
        ("output_buffer_timeout", "250000000", json),
        ("snappy", "true", json),
        ("nsqlookupd_tcp_addresses", "[]", json),
        ("auth_http_addresses", "[]", json),
        ("e2e_processing_latency_percentiles", "[1,0.99,0.5]", json),
        ("e2e_processing_latency_window_time", "600000000000", json),
        ("log_level", "2", json),
        ("tls_required", "0", json),
        ("id", "7", json),
        ("statsd_prefix", "stats.nsqd-1_example_com_4151.", text),
        ("broadcast_tcp_port", &tcp_port, json),
        ("broadcast_http_port", "4151", json),
        ("tcp_address", "127.0.0.1:0", text),
        ("queue_scan_worker_pool_max", "4", json),
        ("log%5Flevel", "2", json),
    ] {
        // Of NSQ 1.3.0, which has no such options.
        if tests::is_reference() && matches!(key, "auth_http_request_method" | "topology_zone") {
            continue;
        }
        let response = nsqd.get(&format!("/config/{key}")).await;
        assert_eq!((response.status, response.text().as_str()), (200, value), "{key}");
        assert_eq!(response.header("Content-Type"), kind, "{key}");
        assert_eq!(response.header("X-Nsq-Content-Type"), Some("nsq; version=1.0"), "{key}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_or_changed_is_refused() {
    // Protects scripts from changes that are answered and not made.
    let nsqd = Nsqd::start().await;
    let too_long = "x".repeat((1 << 20) + 1);
    for (request, body, status, message, allow) in [
        ("GET /config/nope", "", 400, "INVALID_OPTION", ""),
        ("GET /config/node_id", "", 400, "INVALID_OPTION", ""),
        ("GET /config/version", "", 400, "INVALID_OPTION", ""),
        ("GET /config", "", 404, "NOT_FOUND", ""),
        ("GET /config/", "", 404, "NOT_FOUND", ""),
        ("GET /config/log_level/x", "", 404, "NOT_FOUND", ""),
        ("POST /config/log_level", "", 405, "METHOD_NOT_ALLOWED", "GET, OPTIONS, PUT"),
        ("DELETE /config/log_level", "", 405, "METHOD_NOT_ALLOWED", "GET, OPTIONS, PUT"),
        ("OPTIONS /config/log_level", "", 200, "", "GET, OPTIONS, PUT"),
        ("PUT /config/mem_queue_size", "x", 400, "INVALID_OPTION", ""),
        ("PUT /config/nope", "x", 400, "INVALID_OPTION", ""),
        ("PUT /config/log_level", "", 413, "INVALID_VALUE", ""),
        ("PUT /config/log_level", &too_long, 413, "INVALID_VALUE", ""),
        ("PUT /config/log_level", "warning", 400, "INVALID_VALUE", ""),
        ("PUT /config/log_level", "\"info\"", 400, "INVALID_VALUE", ""),
        ("PUT /config/log_level", "2", 400, "INVALID_VALUE", ""),
        ("PUT /config/log_level", " info", 400, "INVALID_VALUE", ""),
        ("PUT /config/nsqlookupd_tcp_addresses", "", 413, "INVALID_VALUE", ""),
        ("PUT /config/nsqlookupd_tcp_addresses", "notjson", 400, "INVALID_VALUE", ""),
        ("PUT /config/nsqlookupd_tcp_addresses", "[1]", 400, "INVALID_VALUE", ""),
        ("PUT /config/nsqlookupd_tcp_addresses", "\"x\"", 400, "INVALID_VALUE", ""),
    ] {
        let response = check(&nsqd, request, body.as_bytes(), status, message).await;
        assert_eq!(response.header("Allow").unwrap_or_default(), allow, "{request}");
    }
    check(&nsqd, "GET /config/log_level", b"", 200, "2").await;
    let broken = nsqd.http().await.request_raw_chunks("PUT", "/config/log_level", b"zz\r\n").await;
    assert_eq!((broken.status, broken.message().as_str()), (500, "INTERNAL_ERROR"));
}

#[tokio::test]
async fn the_level_of_the_log_changes_at_once() {
    // Protects the operator who looks for a fault on a daemon that must not be restarted.
    let nsqd = Nsqd::start().await;
    for (word, number) in [("debug", "1"), ("INFO", "2"), ("Warn", "3"), ("error", "4"), ("fatal", "5")] {
        check(&nsqd, "PUT /config/log_level", word.as_bytes(), 200, number).await;
        check(&nsqd, "GET /config/log_level", b"", 200, number).await;
    }
    nsqd.post_ok("/topic/create?topic=unheard").await;
    check(&nsqd, "PUT /config/log_level", b"info", 200, "2").await;
    nsqd.post_ok("/topic/create?topic=heard").await;
    nsqd.await_log("TOPIC(heard): created").await;
    assert!(!nsqd.log().iter().any(|line| line.contains("unheard")));
}

#[tokio::test]
async fn nsqlookupds_come_and_go_while_nsqd_runs() {
    // Protects discovery when the nsqlookupds move: a new one learns all, one that left the list hears no more.
    let (one, other) = (HttpServer::start().await, HttpServer::start().await);
    for http in [&one, &other] {
        http.say(200, r#"{"channels":[]}"#);
    }
    let (first, second) = (LookupServer::start(&one).await, LookupServer::start(&other).await);
    let nsqd = Nsqd::start_with(&["--broadcast-address=127.0.0.1"]).await;
    nsqd.create_channel("t", "c").await;
    let address = |server: &LookupServer| server.flag().split_once('=').expect("a flag").1.to_owned();
    let put = async |list: String| {
        check(&nsqd, "PUT /config/nsqlookupd_tcp_addresses", list.as_bytes(), 200, &list).await;
        check(&nsqd, "GET /config/nsqlookupd_tcp_addresses", b"", 200, &list).await;
    };
    // Twice in the list is one connection.
    put(format!("[\"{0}\",\"{0}\"]", address(&first))).await;
    first.await_said("REGISTER t c").await;
    put(format!("[\"{}\"]", address(&second))).await;
    second.await_said("REGISTER t c").await;
    first.await_ended(1).await;
    assert_eq!(first.connections(), 1);
    nsqd.create_channel("late", "c").await;
    second.await_said("REGISTER late c").await;
    assert!(!first.said().iter().any(|line| line.contains("late")));
    check(&nsqd, "PUT /config/nsqlookupd_tcp_addresses", b"[]", 200, "[]").await;
    second.await_ended(1).await;
}

#[tokio::test]
async fn no_list_is_an_empty_one() {
    // Protects readers of the list, who expect one.
    if !ours_only("after a PUT of null it shows null") {
        return;
    }
    let nsqd = Nsqd::start().await;
    check(&nsqd, "PUT /config/nsqlookupd_tcp_addresses", b"null", 200, "[]").await;
}

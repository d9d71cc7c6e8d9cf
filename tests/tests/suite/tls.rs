//! TLS on both listeners: who gets in, who is told what, and certificates that change.

use std::time::Duration;

use tests::{Authority, Client, HttpConnection, Nsqd, Received, is_reference, ours_only};

/// Starts an nsqd with a certificate of `authority`, and further flags.
async fn start(authority: &Authority, flags: &[&str]) -> Nsqd {
    let server = authority.server_flags();
    let all: Vec<&str> = server.iter().map(String::as_str).chain(flags.iter().copied()).collect();
    Nsqd::start_with(&all).await
}

/// A message there and back.
async fn round_trip(client: &mut Client, topic: &str) {
    client.subscribe(topic, "c").await;
    client.rdy(1).await;
    let body = vec![b'x'; 100_000];
    client.publish(topic, &body).await;
    let message = client.next_message().await;
    assert_eq!(message.body, body);
    client.fin(message.id).await;
    client.expect_alive().await;
}

#[tokio::test]
async fn a_connection_is_upgraded_and_works() {
    // Protects TLS as clients negotiate it, both versions, and what operators see of it.
    let authority = Authority::new();
    let nsqd = start(&authority, &[]).await;
    for (protocol, version, suite) in [
        (&rustls::version::TLS13, "TLS1.3", "TLS_AES_"),
        (&rustls::version::TLS12, "TLS1.2", "TLS_ECDHE_ECDSA_"),
    ] {
        let mut client = nsqd.connect().await;
        let tls = authority.client().with_version(protocol);
        let answer = client.negotiate(r#""tls_v1":true"#, &tls).await;
        assert_eq!((&answer["tls_v1"], &answer["snappy"]), (&true.into(), &false.into()));
        round_trip(&mut client, version).await;
        let entry = &nsqd.stats().await.channel(version, "c")["clients"][0];
        assert_eq!((&entry["tls"], &entry["tls_version"]), (&true.into(), &version.into()));
        assert_eq!(entry["tls_negotiated_protocol_is_mutual"], true);
        let shown = entry["tls_cipher_suite"].as_str().expect("a text");
        assert!(is_reference() || shown.starts_with(suite), "{shown}");
    }
}

#[tokio::test]
async fn who_does_not_ask_goes_on_in_clear() {
    // Protects clients that do not negotiate, or not for TLS, and those that ask where it is not offered.
    let authority = Authority::new();
    let nsqd = start(&authority, &[]).await;
    let mut client = nsqd.connect().await;
    assert_eq!(client.identify(r#"{"tls_v1":true}"#).await, b"OK");
    client.expect_alive().await;
    let mut client = nsqd.connect().await;
    assert_eq!(client.negotiate(r#""tls_v1":false"#, &authority.client()).await["tls_v1"], false);
    client.expect_alive().await;
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    assert_eq!(client.negotiate(r#""tls_v1":true"#, &authority.client()).await["tls_v1"], false);
    client.expect_alive().await;
}

#[tokio::test]
async fn where_tls_is_required_nothing_else_is_done_without_it() {
    // Protects what an operator wants encrypted: each command but IDENTIFY is refused, known or not, with or without a body.
    let authority = Authority::new();
    let nsqd = start(&authority, &["--tls-required"]).await;
    for line in ["NOP", "PUB t", "SUB t c", "AUTH", "FIN x", "FOO", "", "nop a"] {
        let mut client = nsqd.connect().await;
        client.send(format!("{line}\n")).await;
        let name = line.split(' ').next().unwrap_or_default();
        client.expect_error(format!("E_INVALID cannot {name} in current state (TLS required)")).await;
        client.expect_closed().await;
    }
    let mut client = nsqd.connect().await;
    client.negotiate(r#""snappy":true"#, &authority.client()).await;
    client.send("NOP\n").await;
    client.expect_error("E_INVALID cannot NOP in current state (TLS required)").await;
    let mut client = nsqd.connect().await;
    client.negotiate(r#""tls_v1":true"#, &authority.client()).await;
    // The harness looks for a topic over plain HTTP, which is closed.
    client.subscribe("t", "c").await;
    client.publish("t", b"x").await;
}

#[tokio::test]
async fn plain_http_is_open_as_far_as_the_policy_says() {
    // Protects both readings of "required", and the answer from which NSQ's own clients learn where HTTPS is.
    let authority = Authority::new();
    for (flag, plain) in
        [("--tls-required=false", 200), ("--tls-required=tcp-https", 200), ("--tls-required", 403)]
    {
        let nsqd = start(&authority, &[flag]).await;
        let https = nsqd.https_address().await;
        for (method, target) in
            [("GET", "/ping"), ("POST", "/pub?topic=t"), ("GET", "/nothing"), ("PUT", "/ping")]
        {
            let answer = nsqd.http().await.request(method, target, b"").await;
            assert_eq!(answer.status == 403, plain == 403, "{flag} {method} {target}: {}", answer.status);
            if plain == 403 {
                let expected = format!(r#"{{"message": "TLS_REQUIRED", "https_port": {}}}"#, https.port());
                assert_eq!(answer.text(), expected);
                assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
                assert_eq!(answer.header("X-NSQ-Content-Type"), Some("nsq; version=1.0"));
            }
        }
        let mut secure =
            HttpConnection::connect_tls(https, &authority.client()).await.expect("HTTPS is served");
        assert_eq!(secure.request("GET", "/ping", b"").await.text(), "OK", "{flag}");
        assert_eq!(secure.request("POST", "/pub?topic=t", b"x").await.text(), "OK", "{flag}: kept alive");
    }
}

#[tokio::test]
async fn a_client_has_to_show_what_the_policy_asks_for() {
    // Protects the listeners from strangers: no certificate, one of a stranger, one of ours; over TCP and HTTPS.
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (ours, theirs) = (authority.issue("client"), stranger.issue("client"));
    let root = format!("--tls-root-ca-file={}", authority.root().display());
    for (policy, without, with_theirs, with_ours) in
        [("", true, true, true), ("require", false, true, true), ("require-verify", false, false, true)]
    {
        let flag = format!("--tls-client-auth-policy={policy}");
        let flags = if policy.is_empty() { vec![] } else { vec![flag.as_str(), &root] };
        let nsqd = start(&authority, &flags).await;
        let https = nsqd.https_address().await;
        let tls = authority.client();
        for (tls, is_let_in) in [
            (tls.clone(), without),
            (tls.clone().with_identity(&theirs), with_theirs),
            (tls.with_identity(&ours), with_ours),
        ] {
            let mut client = nsqd.connect().await;
            client.identify(r#"{"feature_negotiation":true,"tls_v1":true}"#).await;
            // A client of TLS 1.3 believes the handshake done before its certificate is looked at.
            let is_in = client.try_tls(&tls).await.is_ok()
                && matches!(client.next_frame_or_alert().await, Some(Received::Response(ok)) if ok == b"OK");
            assert_eq!(is_in, is_let_in, "TCP, {policy:?}");
            let secure = HttpConnection::connect_tls(https, &tls).await.ok();
            let answer = match secure {
                Some(mut secure) => secure.try_request("GET", "/ping", b"").await,
                None => None,
            };
            assert_eq!(answer.is_some(), is_let_in, "HTTPS, {policy:?}");
        }
        if !policy.is_empty() {
            let mut client = nsqd.connect().await;
            client.send("NOP\n").await;
            client.expect_error("E_INVALID cannot NOP in current state (TLS required)").await;
        }
    }
}

#[tokio::test]
async fn a_handshake_that_fails_is_told_in_clear() {
    // Protects clients that speak no TLS after all, and the daemon from those that say nothing.
    let authority = Authority::new();
    let nsqd = start(&authority, &[]).await;
    let mut client = nsqd.connect().await;
    client.identify(r#"{"feature_negotiation":true,"tls_v1":true}"#).await;
    client.send("SUB t c\n").await;
    let error = client.error_behind_an_alert().await;
    assert!(error.starts_with("E_IDENTIFY_FAILED IDENTIFY failed "), "{error}");
    let mut silent = nsqd.connect().await;
    silent.identify(r#"{"feature_negotiation":true,"tls_v1":true}"#).await;
    let error = silent.next_error().await;
    assert!(
        error.starts_with("E_IDENTIFY_FAILED IDENTIFY failed ") && error.contains("i/o timeout"),
        "{error}"
    );
    silent.expect_closed().await;
    nsqd.connect().await.expect_alive().await;
}

#[tokio::test]
async fn plain_http_on_the_https_listener_is_told_so() {
    // Protects whoever forgets the S.
    let authority = Authority::new();
    let nsqd = start(&authority, &[]).await;
    let mut client = Client::connect_silently(nsqd.https_address().await).await;
    client.send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let expected = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    assert_eq!(client.read_to_end().await.escape_ascii().to_string(), expected.escape_default().to_string());
}

#[tokio::test]
async fn bytes_behind_identify_belong_to_the_next_layer() {
    // Protects clients that send the handshake, or what follows, in one write with IDENTIFY.
    if !ours_only("it drops them") {
        return;
    }
    let nsqd = Nsqd::start().await;
    for (settings, compression) in [
        (r#"{"feature_negotiation":true,"snappy":true}"#, protocol::Compression::Snappy),
        (r#"{"feature_negotiation":true,"deflate":true}"#, protocol::Compression::Deflate { level: 6 }),
    ] {
        let mut client = nsqd.connect().await;
        let mut bytes = b"IDENTIFY\n".to_vec();
        bytes.extend_from_slice(&u32::try_from(settings.len()).expect("it is short").to_be_bytes());
        bytes.extend_from_slice(settings.as_bytes());
        bytes.extend_from_slice(&tests::compressed(compression, b"PUB t\n\0\0\0\x01x").await);
        client.send(bytes).await;
        client.next_response().await;
        client.compress(compression);
        client.expect_ok().await;
        client.expect_ok().await;
    }
    assert_eq!(nsqd.stats().await.topic("t")["message_count"], 2);
}

#[tokio::test]
async fn certificates_are_read_anew_without_dropping_anybody() {
    // Protects operators whose certificates last for weeks: SIGHUP takes new ones, and a broken file changes nothing.
    if !ours_only("SIGHUP ends it") {
        return;
    }
    let (old, new) = (Authority::new(), Authority::new());
    let identity = old.issue("server");
    let flags = [
        format!("--tls-cert={}", identity.cert.display()),
        format!("--tls-key={}", identity.key.display()),
        "--https-address=127.0.0.1:0".to_owned(),
    ];
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let https = nsqd.https_address().await;
    let mut early = nsqd.connect().await;
    early.negotiate(r#""tls_v1":true"#, &old.client()).await;
    let replacement = new.issue("server");
    std::fs::copy(replacement.cert, &identity.cert).expect("it can be copied");
    nsqd.hang_up();
    nsqd.await_log("certificates stay as they were").await;
    assert!(
        HttpConnection::connect_tls(https, &old.client()).await.is_ok(),
        "certificate and key did not fit"
    );
    std::fs::copy(replacement.key, &identity.key).expect("it can be copied");
    nsqd.hang_up();
    nsqd.await_log("certificates were read anew").await;
    assert!(HttpConnection::connect_tls(https, &old.client()).await.is_err());
    assert!(HttpConnection::connect_tls(https, &new.client()).await.is_ok());
    nsqd.connect().await.negotiate(r#""tls_v1":true"#, &new.client()).await;
    early.expect_alive().await;
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_the_start() {
    // Protects operators from typing errors that would leave a listener open.
    let authority = Authority::new();
    let server = authority.server_flags();
    let wrong_key = format!("--tls-key={}", authority.issue("other").key.display());
    let missing = ["--tls-cert=/missing.pem", "--tls-key=/missing.key"];
    let (_, log) = Nsqd::fails_to_start(&missing).await;
    assert!(
        log.contains("failed to build TLS config - open /missing.pem: no such file or directory"),
        "{log}"
    );
    let (_, log) = Nsqd::fails_to_start(&["--tls-required"]).await;
    assert!(log.contains("cannot require TLS client connections without TLS key and cert"), "{log}");
    let (_, log) = Nsqd::fails_to_start(&[&server[0], &wrong_key]).await;
    assert!(log.contains("failed to build TLS config - "), "{log}");
    if is_reference() {
        return;
    }
    let (status, log) =
        Nsqd::fails_to_start(&[&server[0], &server[1], "--tls-client-auth-policy=bogus"]).await;
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("--tls-client-auth-policy=bogus: must be require or require-verify"), "{log}");
}

#[tokio::test]
async fn a_slow_handshake_holds_nobody_up() {
    // Protects other connections from one that stalls in its handshake, and the stop of the daemon.
    let authority = Authority::new();
    let mut nsqd = start(&authority, &[]).await;
    let mut stalled = nsqd.connect().await;
    stalled.identify(r#"{"feature_negotiation":true,"tls_v1":true}"#).await;
    stalled.send([22, 3, 1]).await;
    let _silent = Client::connect_silently(nsqd.https_address().await).await;
    nsqd.connect().await.expect_alive().await;
    let stop = std::time::Instant::now();
    assert!(nsqd.terminate().await.success());
    assert!(is_reference() || stop.elapsed() < Duration::from_secs(4), "{:?}", stop.elapsed());
}

#[tokio::test]
async fn a_system_without_trusted_roots_is_no_reason_not_to_start() {
    // The HTTP client for nsqlookupds could not be built without roots, and nsqd ended: a container often has none.
    let variables = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    let nsqd = Nsqd::start_with_variables(&[], &variables).await;
    assert_eq!(nsqd.get("/ping").await.status, 200);
}

//! TLS between nsqd and nsqlookupd, and of those who ask nsqlookupd.

use std::net::SocketAddr;

use tests::{Authority, HttpConnection, Identity, LookupClient, Lookupd, Nsqd, Tls, ours_only};

/// Starts an nsqlookupd with a certificate of `authority`, and further flags.
async fn start(authority: &Authority, flags: &[&str]) -> Lookupd {
    let server = authority.server_flags();
    let all: Vec<&str> = server.iter().map(String::as_str).chain(flags.iter().copied()).collect();
    Lookupd::start_with(&all).await
}

/// The flags of an nsqd that trusts `authority`.
fn trusting(lookupd: &Lookupd, authority: &Authority) -> Vec<String> {
    let root = format!("--lookupd-tls-root-ca-file={}", authority.root().display());
    vec![lookupd.flag(), "--lookupd-tls".to_owned(), root]
}

async fn start_nsqd(flags: &[String]) -> Nsqd {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Nsqd::start_with(&flags).await
}

/// The body of `/lookup?topic=` over HTTPS.
async fn producers(lookupd: &Lookupd, tls: &Tls, topic: &str) -> usize {
    let mut https = HttpConnection::connect_tls(lookupd.https_address().await, tls).await.expect("HTTPS");
    let answer = https.request("GET", &format!("/lookup?topic={topic}"), b"").await.json();
    answer["producers"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn one_port_takes_both_and_https_is_served_besides() {
    // Protects a cluster that moves to TLS node by node: old nsqds go on in clear, new ones come over TLS, all are listed.
    if !ours_only("its nsqlookupd has no TLS") {
        return;
    }
    let authority = Authority::new();
    let lookupd = start(&authority, &[]).await;
    let plain = start_nsqd(&[lookupd.flag()]).await;
    let secure = start_nsqd(&trusting(&lookupd, &authority)).await;
    plain.create_channel("t", "c").await;
    lookupd.await_log(") REGISTER category:channel key:t subkey:c").await;
    let mut client = secure.connect().await;
    client.publish("t", b"x").await;
    // It asked, over HTTPS, which channels the topic has elsewhere.
    let mut consumer = secure.consumer("t", "c", 1).await;
    assert_eq!(consumer.next_message().await.body, b"x");
    let registered =
        || lookupd.log().iter().filter(|line| line.contains(") REGISTER category:topic key:t")).count();
    assert!(registered() <= 2);
    secure.post_ok("/topic/create?topic=last").await;
    lookupd.await_log(") REGISTER category:topic key:last").await;
    assert_eq!(registered(), 2);
    assert_eq!(producers(&lookupd, &authority.client(), "t").await, 2);
    let open =
        HttpConnection::connect(lookupd.http_address()).await.request("GET", "/lookup?topic=t", b"").await;
    assert_eq!(open.json()["producers"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn where_tls_is_required_the_others_are_told_so() {
    // Protects what an operator wants encrypted, and tells an nsqd in clear what to do.
    if !ours_only("its nsqlookupd has no TLS") {
        return;
    }
    let authority = Authority::new();
    for (flag, plain_http) in [("--tls-required", 403), ("--tls-required=tcp-https", 200)] {
        let lookupd = start(&authority, &[flag]).await;
        let mut client = lookupd.connect().await;
        assert_eq!(client.answer().await, "E_INVALID TLS required; give nsqd --lookupd-tls");
        client.expect_end().await;
        let plain = start_nsqd(&[lookupd.flag()]).await;
        plain.await_log("IDENTIFY was answered by \"E_INVALID TLS required; give nsqd --lookupd-tls\"").await;
        plain.connect().await.publish("t", b"goes on").await;
        let answer = HttpConnection::connect(lookupd.http_address()).await.request("GET", "/ping", b"").await;
        assert_eq!(answer.status, plain_http, "{flag}");
        if plain_http == 403 {
            let port = lookupd.https_address().await.port();
            let expected = format!(r#"{{"message": "TLS_REQUIRED", "https_port": {port}}}"#);
            assert_eq!(answer.text(), expected);
        }
        let (first, second) = (
            start_nsqd(&trusting(&lookupd, &authority)).await,
            start_nsqd(&trusting(&lookupd, &authority)).await,
        );
        first.create_channel("t", "c").await;
        lookupd.await_log(") REGISTER category:channel key:t subkey:c").await;
        second.connect().await.publish("t", b"x").await;
        assert_eq!(second.consumer("t", "c", 1).await.next_message().await.body, b"x");
    }
}

/// Whether a client with this certificate gets an answer, over TCP and HTTPS.
async fn is_let_in(tcp: SocketAddr, https: SocketAddr, tls: &Tls) -> (bool, bool) {
    // A client of TLS 1.3 believes the handshake done before its certificate is looked at.
    let by_tcp = match LookupClient::connect_tls(tcp, tls).await {
        Ok(mut client) => client.is_answered("PING\n").await,
        Err(_) => false,
    };
    let by_https = match HttpConnection::connect_tls(https, tls).await {
        Ok(mut client) => client.try_request("GET", "/ping", b"").await.is_some(),
        Err(_) => false,
    };
    (by_tcp, by_https)
}

#[tokio::test]
async fn a_stranger_is_not_let_in() {
    // Protects the directory from nodes and readers without a certificate of ours: mutual TLS, both listeners, and nsqd's side.
    if !ours_only("its nsqlookupd has no TLS") {
        return;
    }
    let (authority, stranger) = (Authority::new(), Authority::new());
    let root = format!("--tls-root-ca-file={}", authority.root().display());
    let lookupd = start(&authority, &["--tls-client-auth-policy=require-verify", &root]).await;
    let (tcp, https) = (lookupd.tcp_address(), lookupd.https_address().await);
    let ours = authority.issue("client");
    let tls = authority.client();
    assert_eq!(is_let_in(tcp, https, &tls).await, (false, false));
    assert_eq!(is_let_in(tcp, https, &tls.clone().with_identity(&stranger.issue("x"))).await, (false, false));
    assert_eq!(is_let_in(tcp, https, &tls.clone().with_identity(&ours)).await, (true, true));
    let identity = |Identity { cert, key }: &Identity| {
        [format!("--lookupd-tls-cert={}", cert.display()), format!("--lookupd-tls-key={}", key.display())]
    };
    let without = start_nsqd(&trusting(&lookupd, &authority)).await;
    without.await_log(&format!("LOOKUPD({tcp}): ")).await;
    let with = start_nsqd(&[&trusting(&lookupd, &authority)[..], &identity(&ours)].concat()).await;
    with.create_channel("t", "c").await;
    lookupd.await_log(") REGISTER category:channel key:t subkey:c").await;
    assert_eq!(producers(&lookupd, &tls.with_identity(&ours), "t").await, 1);
    assert!(!without.log().iter().any(|line| line.contains("connected, version")));
}

#[tokio::test]
async fn nsqd_does_not_talk_to_a_false_nsqlookupd() {
    // Protects against one that stands in the way: a root that is not ours, and a name that is another's.
    if !ours_only("its nsqd has no TLS to nsqlookupd") {
        return;
    }
    let (authority, stranger) = (Authority::new(), Authority::new());
    let lookupd = start(&stranger, &[]).await;
    let nsqd = start_nsqd(&trusting(&lookupd, &authority)).await;
    nsqd.await_log("invalid peer certificate: ").await;
    nsqd.connect().await.publish("t", b"goes on").await;
    // The certificate is for 127.0.0.1 and localhost.
    let lookupd = start(&authority, &["--tcp-address=127.0.0.2:0"]).await;
    let nsqd = start_nsqd(&trusting(&lookupd, &authority)).await;
    nsqd.await_log("invalid peer certificate: certificate not valid for name \"127.0.0.2\"").await;
    assert!(!lookupd.log().iter().any(|line| line.contains("IDENTIFY")));
}

#[tokio::test]
async fn certificates_are_read_anew_on_both_sides() {
    // Protects daemons that run for longer than their certificates: SIGHUP, connections to come.
    if !ours_only("its nsqlookupd has no TLS") {
        return;
    }
    let authority = Authority::new();
    let lookupd = start(&authority, &[]).await;
    let identity = authority.issue("nsqd");
    let mut flags = trusting(&lookupd, &authority);
    flags.push(format!("--lookupd-tls-cert={}", identity.cert.display()));
    flags.push(format!("--lookupd-tls-key={}", identity.key.display()));
    let nsqd = start_nsqd(&flags).await;
    nsqd.await_log("connected, version").await;
    authority.issue("server");
    lookupd.hang_up();
    lookupd.await_log("SIGHUP: the certificates were read anew").await;
    assert_eq!(producers(&lookupd, &authority.client(), "t").await, 0);
    authority.issue("nsqd");
    nsqd.hang_up();
    nsqd.await_log("SIGHUP: the certificates were read anew").await;
    std::fs::write(&identity.key, "no key").expect("it can be written");
    nsqd.hang_up();
    nsqd.await_log("SIGHUP: the certificates stay as they were - ").await;
    nsqd.create_channel("t", "c").await;
    lookupd.await_log(") REGISTER category:channel key:t subkey:c").await;
}

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    // Protects the threads from connections that begin a handshake, or nothing, and stay.
    if !ours_only("its nsqlookupd has no TLS") {
        return;
    }
    let authority = Authority::new();
    let lookupd = start(&authority, &[]).await;
    let mut silent = LookupClient::connect_silently(lookupd.tcp_address()).await;
    let mut half = LookupClient::connect_silently(lookupd.tcp_address()).await;
    half.send([22]).await;
    silent.expect_end().await;
    half.expect_end().await;
    let mut garbage = LookupClient::connect_silently(lookupd.tcp_address()).await;
    garbage.send([22; 64]).await;
    garbage.await_end().await;
    lookupd.identified().await.ok("PING").await;
}

#[tokio::test]
async fn what_does_not_fit_together_ends_the_start() {
    // Protects operators from a connection that they think is encrypted.
    if !ours_only("it has no such flags") {
        return;
    }
    for (flags, text) in [
        (&["--lookupd-tls-cert=c"][..], "--lookupd-tls-cert is given without --lookupd-tls"),
        (
            &["--lookupd-tls", "--lookupd-tls-key=k"],
            "--lookupd-tls-key is given and --lookupd-tls-cert is missing",
        ),
        (
            &["--lookupd-tls", "--lookupd-tls-root-ca-file=/nowhere/root.pem"],
            "failed to build TLS config for nsqlookupds - open /nowhere/root.pem: no such file or directory",
        ),
    ] {
        let (code, _, stderr) = Nsqd::run(flags).await;
        assert!(code == Some(1) && stderr.contains(text), "{flags:?}: {stderr}");
    }
}

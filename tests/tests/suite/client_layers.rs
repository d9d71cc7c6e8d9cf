//! The client over TLS and compression, and with AUTH.

use bytes::Bytes;
use client::{Config, Producer};
use tests::{Authority, HttpServer, Nsqd, consume, next_message, within};

async fn nsqd(flags: &[String]) -> Nsqd {
    Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// Publishes and consumes, enough that each layer has much to do.
async fn check_round_trip(nsqd: &Nsqd, address: &str, config: &Config) {
    let producer = Producer::new(address, config.clone()).expect("the options are good");
    let bodies: Vec<Bytes> = (0..300_u32)
        .map(|number| Bytes::from(format!("{number} ").repeat(1 + number as usize * 3)))
        .collect();
    within("publishes", producer.publish("t", "first")).await.expect("nsqd is there");
    within("publishes", producer.publish_multi("t", &bodies)).await.expect("nsqd is there");
    let config = Config { max_in_flight: 100, ..config.clone() };
    let mut consumer = consume(vec![address.to_owned()], config).await;
    for expected in std::iter::once(&Bytes::from_static(b"first")).chain(&bodies) {
        let message = next_message(&mut consumer).await;
        assert_eq!(&message.body, expected);
        message.finish();
    }
    nsqd.await_channel("t", "c", |channel| channel["in_flight_count"] == 0 && channel["depth"] == 0).await;
    producer.close().await;
}

fn tls(authority: &Authority) -> Config {
    Config { tls_v1: true, tls_root_ca_file: Some(authority.root()), ..Config::default() }
}

#[tokio::test]
async fn compression_works_both_ways() {
    // Protects snappy and deflate, and that nsqd has them on.
    let nsqd = nsqd(&[]).await;
    for (name, config) in [
        ("snappy", Config { snappy: true, ..Config::default() }),
        ("deflate", Config { deflate: true, deflate_level: 3, ..Config::default() }),
    ] {
        check_round_trip(&nsqd, &nsqd.tcp_address().to_string(), &config).await;
        let entry = nsqd.stats().await.channel("t", "c")["clients"][0].clone();
        assert!(entry.is_null() || entry[name] == true, "{entry}");
    }
}

#[tokio::test]
async fn tls_works_with_a_root_of_ones_own() {
    // Protects TLS alone and below compression; the name is checked, be it an address or a host's.
    let authority = Authority::new();
    let nsqd = nsqd(&authority.server_flags()).await;
    let config = tls(&authority);
    check_round_trip(&nsqd, &nsqd.tcp_address().to_string(), &config).await;
    let by_name = format!("localhost:{}", nsqd.tcp_address().port());
    check_round_trip(&nsqd, &by_name, &Config { snappy: true, ..config.clone() }).await;
    let min_version = client::TlsMinVersion::Tls13;
    check_round_trip(&nsqd, &by_name, &Config { deflate: true, tls_min_version: min_version, ..config })
        .await;
}

#[tokio::test]
async fn strangers_are_not_trusted_unless_asked_to() {
    // Protects against a man in the middle, and the option that says not to.
    let authority = Authority::new();
    let nsqd = nsqd(&authority.server_flags()).await;
    let address = nsqd.tcp_address().to_string();
    let other = Config { tls_root_ca_file: Some(Authority::new().root()), ..tls(&authority) };
    // The folder of the other root is gone by now.
    assert!(Producer::new(address.clone(), other).unwrap_err().to_string().starts_with("open "));
    let stranger = Authority::new();
    let producer = Producer::new(address.clone(), tls(&stranger)).unwrap();
    let error = within("a refusal", producer.publish("t", "x")).await.unwrap_err().to_string();
    assert!(error.starts_with("failed to IDENTIFY - invalid peer certificate: "), "{error}");
    let trusting = Config { tls_v1: true, tls_insecure_skip_verify: true, ..Config::default() };
    check_round_trip(&nsqd, &address, &trusting).await;
}

#[tokio::test]
async fn a_certificate_is_shown_where_one_is_wanted() {
    // Protects mutual TLS.
    let authority = Authority::new();
    let mut flags = authority.server_flags();
    flags.push("--tls-client-auth-policy=require-verify".to_owned());
    // The statistics are read over plain HTTP.
    flags.push("--tls-required=tcp-https".to_owned());
    flags.push(format!("--tls-root-ca-file={}", authority.root().display()));
    let nsqd = nsqd(&flags).await;
    let address = nsqd.tcp_address().to_string();
    let producer = Producer::new(address.clone(), tls(&authority)).unwrap();
    let error = within("a refusal", producer.publish("t", "x")).await.unwrap_err();
    assert!(error.to_string().contains("received fatal alert: "), "{error}");
    let identity = authority.issue("somebody");
    let config = Config { tls_cert: Some(identity.cert), tls_key: Some(identity.key), ..tls(&authority) };
    check_round_trip(&nsqd, &address, &config).await;
    let swapped = Config { tls_key: Some(authority.root()), ..config };
    let error = Producer::new(address, swapped).unwrap_err().to_string();
    assert!(error.ends_with("root.pem: no private key in PEM form is in the file"), "{error}");
}

#[tokio::test]
async fn the_secret_is_told_to_nsqd() {
    // Protects AUTH, without, with a wrong, and with the right secret.
    let server = HttpServer::start().await;
    let nsqd = nsqd(&[server.flag()]).await;
    let address = nsqd.tcp_address().to_string();
    let producer = Producer::new(address.clone(), Config::default()).unwrap();
    let error = within("a refusal", producer.publish("t", "x")).await.unwrap_err();
    assert_eq!(error.to_string(), "Auth Required");
    let config = Config { auth_secret: "secret".to_owned(), ..Config::default() };
    check_round_trip(&nsqd, &address, &config).await;
    assert!(server.requests()[0].line.contains("secret=secret"));
    server.say(403, "no");
    let config = Config { auth_secret: "wrong".to_owned(), ..Config::default() };
    let producer = Producer::new(address, config).unwrap();
    let error = within("a refusal", producer.publish("t", "x")).await.unwrap_err();
    assert!(error.to_string().starts_with("Error authenticating E_AUTH_FAILED"), "{error}");
}

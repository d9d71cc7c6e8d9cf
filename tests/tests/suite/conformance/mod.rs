//! The V2 protocol, row by row: what is sent, what is answered to the byte, and whether the connection lives. Each row is
//! sent in one write, byte by byte, between other commands, and through each layer.

mod auth;
mod identify;
mod lines;
mod publish;
mod row;
mod subscribed;
mod tls;

use row::{Manner, Row};
use tests::{Authority, Client, Nsqd};

/// All rows of the tables that need no special nsqd.
fn rows() -> (Vec<Row>, Vec<Row>) {
    (lines::rows().into_iter().chain(publish::rows()).chain(identify::rows()).collect(), subscribed::rows())
}

#[test]
fn the_tables_are_long() {
    // Protects the tables from shrinking unseen.
    let (init, subscribed) = rows();
    let count = init.len() + subscribed.len() + auth::rows().len() + tls::rows().len();
    assert!(180 <= count, "{count} rows");
}

/// Runs all rows in one manner, over connections that agree on `layers` first.
async fn run(layers: &str, manner: Manner) {
    let authority = Authority::new();
    let flags = authority.server_flags();
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let connect = async || {
        let mut client = nsqd.connect().await;
        if !layers.is_empty() {
            client.negotiate(layers, &authority.client()).await;
        }
        client
    };
    let (init, subscribed) = rows();
    for row in init.iter().filter(|row| layers.is_empty() || !row.identifies()) {
        row.check(&mut connect().await, manner).await;
    }
    for row in &subscribed {
        let mut client = connect().await;
        client.subscribe("t", "c").await;
        row.check(&mut client, manner).await;
    }
    row::check_that_nothing_follows_an_error(&nsqd).await;
}

#[tokio::test]
async fn in_one_write() {
    // Protects every answer to every command, right or wrong.
    run("", Manner::Whole).await;
}

#[tokio::test]
async fn byte_by_byte() {
    // Protects the parsers from where the network cuts.
    run("", Manner::Bytes).await;
}

#[tokio::test]
async fn between_other_commands() {
    // Protects pipelines: answers in order, nothing behind a fatal error.
    run("", Manner::Between).await;
}

#[tokio::test]
async fn over_tls() {
    // Protects the same through TLS.
    run(r#""tls_v1":true"#, Manner::Whole).await;
}

#[tokio::test]
async fn through_snappy() {
    // Protects the same through snappy.
    run(r#""snappy":true"#, Manner::Between).await;
}

#[tokio::test]
async fn through_deflate() {
    // Protects the same through deflate.
    run(r#""deflate":true"#, Manner::Between).await;
}

#[tokio::test]
async fn a_wrong_magic_is_refused() {
    // Protects the first four bytes: other protocols get one error frame and the end, half a magic nothing.
    let nsqd = Nsqd::start().await;
    for magic in ["  V1", "GET ", "abcd", "\0\0\0\0", "\r\n\r\n", " V2 "] {
        let mut client = Client::connect_silently(nsqd.tcp_address()).await;
        client.send(magic).await;
        client.expect_error("E_BAD_PROTOCOL").await;
        client.expect_closed().await;
    }
    for part in ["", " ", "  V"] {
        let mut client = Client::connect_silently(nsqd.tcp_address()).await;
        client.send(part).await;
        client.finish_sending().await;
        client.expect_closed().await;
    }
    let mut client = Client::connect_silently(nsqd.tcp_address()).await;
    for byte in "  V2NOP\n".bytes() {
        client.send([byte]).await;
    }
    client.expect_alive().await;
}

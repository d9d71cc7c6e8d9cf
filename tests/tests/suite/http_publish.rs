//! HTTP: `/pub` and `/mpub`.

use std::collections::HashSet;

use tests::{Authority, Client, Nsqd, ours_only};

use super::http_api::{check, check_response};

/// The default of `--max-msg-size`.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// The default of `--max-body-size`.
const BODY_BYTES_MAX: usize = 5 << 20;

#[tokio::test]
async fn publishing_one() {
    // Protects `/pub`: body, topic and delay, in the order in which they are looked at.
    let nsqd = Nsqd::start().await;
    for (target, body, status, message) in [
        ("/pub?topic=t1", "hello", 200, "OK"),
        ("/pub?topic=t1", "", 400, "MSG_EMPTY"),
        ("/pub", "hello", 400, "MISSING_ARG_TOPIC"),
        ("/pub", "", 400, "MSG_EMPTY"),
        ("/pub?topic=", "hello", 400, "INVALID_TOPIC"),
        ("/pub?topic=bad%20name", "hello", 400, "INVALID_TOPIC"),
        ("/pub?topic=a%zz", "hello", 400, "INVALID_REQUEST"),
        ("/pub?topic=a;b=c", "hello", 400, "INVALID_REQUEST"),
        ("/pub?topic=t1&topic=t2", "hello", 200, "OK"),
        ("/pub?topic=t1&defer=1000", "hello", 200, "OK"),
        ("/pub?topic=t1&defer=0", "hello", 200, "OK"),
        ("/pub?topic=t1&defer=3600000", "hello", 200, "OK"),
        ("/pub?topic=t1&defer=%2B5", "hello", 200, "OK"),
        ("/pub?topic=t1&defer=", "hello", 400, "INVALID_DEFER"),
        ("/pub?topic=t1&defer=-1", "hello", 400, "INVALID_DEFER"),
        ("/pub?topic=t1&defer=abc", "hello", 400, "INVALID_DEFER"),
        ("/pub?topic=t1&defer=1.5", "hello", 400, "INVALID_DEFER"),
        ("/pub?topic=t1&defer=3600001", "hello", 400, "INVALID_DEFER"),
    ] {
        check(&nsqd, &format!("POST {target}"), body.as_bytes(), status, message).await;
    }
    let stats = nsqd.stats().await;
    assert_eq!(stats.topic("t1")["message_count"], 6);
    assert!(stats.topic("t2").is_null());
}

#[tokio::test]
async fn a_refused_delay_creates_no_topic() {
    // Protects the list of topics from typos, and delays from overflow.
    if !ours_only("the topic is created, and huge delays wrap round") {
        return;
    }
    let nsqd = Nsqd::start().await;
    check(&nsqd, "POST /pub?topic=new&defer=bad", b"x", 400, "INVALID_DEFER").await;
    check(&nsqd, "POST /pub?topic=new&defer=18446744073710", b"x", 400, "INVALID_DEFER").await;
    assert!(nsqd.stats().await.topic("new").is_null());
}

#[tokio::test]
async fn sizes_of_one() {
    // Protects the bound of a message over HTTP: inclusive, with and without a length known before.
    let nsqd = Nsqd::start().await;
    let largest = vec![b'x'; MESSAGE_BYTES_MAX];
    let larger = vec![b'x'; MESSAGE_BYTES_MAX + 1];
    let target = "/pub?topic=t";
    check(&nsqd, "POST /pub?topic=t", &largest, 200, "OK").await;
    check(&nsqd, "POST /pub?topic=t", &larger, 413, "MSG_TOO_BIG").await;
    check(&nsqd, "POST /pub", &larger, 413, "MSG_TOO_BIG").await;
    for (body, status, message) in
        [(&largest[..], 200, "OK"), (&larger[..], 413, "MSG_TOO_BIG"), (&b""[..], 400, "MSG_EMPTY")]
    {
        let response = nsqd.http().await.request_chunked("POST", target, body).await;
        check_response("chunked POST /pub", &response, status, message);
    }
    let response = nsqd.http().await.try_raw_chunks("POST", target, b"zz\r\nx\r\n").await;
    let answer = response.map(|response| (response.status, response.message()));
    let internal = answer == Some((500, "INTERNAL_ERROR".to_owned()));
    // Ours ends such a connection, since nothing on it can be told apart any more.
    assert!(internal || !tests::is_reference() && answer.is_none(), "{answer:?}");
    assert_eq!(nsqd.stats().await.topic("t")["depth"], 2);
}

#[tokio::test]
async fn publishing_lines() {
    // Protects `/mpub` of text: a message a line, empty lines skipped, carriage returns kept.
    let nsqd = Nsqd::start().await;
    for (target, body, status, message) in [
        ("/mpub?topic=m", "a\nb\n\nc\n", 200, "OK"),
        ("/mpub?topic=m", "d\r\ne", 200, "OK"),
        ("/mpub?topic=m&binary=false", "f\n", 200, "OK"),
        ("/mpub?topic=m&binary=0", "g", 200, "OK"),
        ("/mpub?topic=blank", "\n\n", 200, "OK"),
        ("/mpub?topic=none", "", 200, "OK"),
        ("/mpub", "a", 400, "MISSING_ARG_TOPIC"),
        ("/mpub?topic=x%20y", "a", 400, "INVALID_TOPIC"),
        ("/mpub?topic=a%zz", "a", 400, "INVALID_REQUEST"),
    ] {
        check(&nsqd, &format!("POST {target}"), body.as_bytes(), status, message).await;
    }
    let messages = nsqd.consumer("m", "c", 10).await.finish_messages(7).await;
    let bodies: HashSet<_> = messages.iter().map(|message| message.body.as_slice()).collect();
    assert_eq!(bodies, HashSet::from([&b"a"[..], b"b", b"c", b"d\r", b"e", b"f", b"g"]));
    let stats = nsqd.stats().await;
    assert_eq!(stats.topic("blank")["message_count"], 0);
    assert_eq!(stats.topic("none")["message_count"], 0);
}

#[tokio::test]
async fn sizes_of_lines() {
    // Protects the bounds of `/mpub`: a line, the whole body, and nothing is stored of what is refused.
    let nsqd = Nsqd::start().await;
    let line = vec![b'x'; MESSAGE_BYTES_MAX];
    check(&nsqd, "POST /mpub?topic=m", &line, 200, "OK").await;
    let longer = [b"first\n".as_slice(), &line, b"x"].concat();
    check(&nsqd, "POST /mpub?topic=m", &longer, 413, "MSG_TOO_BIG").await;
    let mut full: Vec<u8> = b"0123456789abcde\n".repeat(BODY_BYTES_MAX / 16);
    check(&nsqd, "POST /mpub?topic=full", &full, 200, "OK").await;
    full.push(b'x');
    check(&nsqd, "POST /mpub?topic=new", &full, 413, "BODY_TOO_BIG").await;
    let response = nsqd.http().await.request_chunked("POST", "/mpub?topic=m", &full).await;
    check_response("chunked POST /mpub", &response, 413, "BODY_TOO_BIG");
    let stats = nsqd.stats().await;
    assert_eq!(stats.topic("m")["depth"], 1);
    assert_eq!(stats.topic("full")["depth"], BODY_BYTES_MAX / 16);
    assert!(stats.topic("new").is_null());
}

#[tokio::test]
async fn publishing_binary() {
    // Protects `/mpub` of binary: the body of MPUB, and 413 for everything that is wrong with it.
    let nsqd = Nsqd::start().await;
    for (hex, status, message) in [
        ("00000002 00000003 6f6e65 00000009 74776f0a6c696e6573", 200, "OK"),
        ("", 413, "BAD_BODY"),
        ("0000", 413, "BAD_BODY"),
        ("00000000", 413, "BAD_BODY"),
        ("ffffffff", 413, "BAD_BODY"),
        ("00100000 78", 413, "BAD_BODY"),
        ("00000003 00000003 6f6e65", 413, "BAD_MESSAGE"),
        ("00000001 00000000", 413, "BAD_MESSAGE"),
        ("00000001 fffffffb 616161", 413, "BAD_MESSAGE"),
        ("00000001 00000005 616263", 413, "BAD_MESSAGE"),
    ] {
        check(&nsqd, "POST /mpub?topic=b&binary=true", &bytes_of_hex(hex), status, message).await;
    }
    let one = bytes_of_hex("00000001 00000001 78");
    for binary in ["binary=1", "binary=TRUE", "binary=no", "binary=False", "binary=", "binary"] {
        check(&nsqd, &format!("POST /mpub?topic=b&{binary}"), &one, 200, "OK").await;
    }
    let messages = nsqd.consumer("b", "c", 20).await.finish_messages(8).await;
    let mut bodies: Vec<_> = messages.iter().map(|message| message.body.as_slice()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, [&b"one"[..], b"two\nlines", b"x", b"x", b"x", b"x", b"x", b"x"]);
}

#[tokio::test]
async fn sizes_of_binary() {
    // Protects the bounds of binary `/mpub`, also of a body whose length is not known before.
    let nsqd = Nsqd::start().await;
    let too_big = [&bytes_of_hex("00000001 00100001")[..], &vec![b'x'; MESSAGE_BYTES_MAX + 1]].concat();
    check(&nsqd, "POST /mpub?topic=b&binary=true", &too_big, 413, "BAD_MESSAGE").await;
    let mut many = bytes_of_hex("00000006");
    for _ in 0..6 {
        many.extend_from_slice(&1_000_000_u32.to_be_bytes());
        many.resize(many.len() + 1_000_000, b'x');
    }
    check(&nsqd, "POST /mpub?topic=b&binary=true", &many, 413, "BODY_TOO_BIG").await;
    if ours_only("a chunked binary body has no bound") {
        let response = nsqd.http().await.request_chunked("POST", "/mpub?topic=b&binary=true", &many).await;
        check_response("chunked POST /mpub", &response, 413, "BODY_TOO_BIG");
        assert_ne!(nsqd.stats().await.topic("b")["depth"], 6);
    }
}

#[tokio::test]
async fn what_is_published_over_http_is_consumed_over_tcp() {
    // Protects the one queue behind both doors, and bodies byte for byte.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 1).await;
    let body: Vec<u8> = (0..=u8::MAX).collect();
    check(&nsqd, "POST /pub?topic=t", &body, 200, "OK").await;
    assert_eq!(consumer.next_message().await.body, body);
}

/// Requests to publish one message: the headers besides `Host`, with the end of the head, and the body.
const PUBLISHES: &[(&str, &str, &str)] = &[
    ("topic=t", "Content-Length: 5\r\n\r\n", "hello"),
    ("topic=t", "Content-Length: 0\r\n\r\n", ""),
    ("topic=t", "\r\n", ""),
    ("", "Content-Length: 5\r\n\r\n", "hello"),
    ("topic", "Content-Length: 5\r\n\r\n", "hello"),
    ("topic=bad%20name", "Content-Length: 5\r\n\r\n", "hello"),
    ("topic=a%zz", "Content-Length: 5\r\n\r\n", "hello"),
    ("topic=a;b=c", "Content-Length: 5\r\n\r\n", "hello"),
    ("topic=t&topic=t2", "X-A: b\r\ncontent-length:5\r\n\r\n", "a\r\n\r\n"),
    ("topic=t&defer=1", "Content-Length: 5\r\nConnection: Keep-Alive\r\n\r\n", "hello"),
    ("topic=t&defer=%2B5", "Accept: */*\r\nContent-Length: 5\r\n\r\n", "POST "),
    ("topic=t&defer=-1", "Content-Length: 5\r\n\r\n", "hello"),
    ("topic=t&defer=3600001", "Content-Length: 5\r\n\r\n", "hello"),
    ("topic=e%23ephemeral", "Content-Length: 5\r\n\r\n", "hello"),
];
/// Ends its connection behind the answer, and is no publish.
const LAST: &str = "GET /ping HTTP/1.1\r\nHost: nsqd\r\nConnection: close\r\n\r\n";
/// A publish whose length is not told before: all that follow it on its connection take the general way.
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";

fn publish_request((query, headers, body): (&str, &str, &str)) -> String {
    format!("POST /pub?{query} HTTP/1.1\r\nHost: nsqd\r\n{headers}{body}")
}

/// What is answered to `requests` and [`LAST`] behind them, sent `piece` bytes at a time; the time of day as dashes.
async fn answers_to(mut client: Client, requests: &str, piece: usize) -> String {
    for piece in format!("{requests}{LAST}").as_bytes().chunks(piece) {
        client.send(piece).await;
    }
    let answers = String::from_utf8(client.read_to_end().await).expect("it answers in ASCII");
    let (first, dated) = answers.split_once("Date: ").expect("each answer has a date");
    let masked = dated.split("Date: ").map(|part| part.get(29..).expect("a date has 29 characters"));
    masked.fold(first.to_owned(), |all, part| all + "Date: -" + part)
}

/// Checks that the short way of a publish and the general one give the same bytes: each request by itself and all of them
/// together, in pieces of many sizes.
async fn check_both_ways(connect: impl AsyncFn() -> Client) {
    let chunked = publish_request(("topic=t", CHUNKED, ""));
    let answer = answers_to(connect().await, &chunked, usize::MAX).await;
    let end = answer.find("\r\n\r\nOK").expect("a publish is answered by OK") + "\r\n\r\nOK".len();
    let answer = &answer[..end];
    let all: String = PUBLISHES.iter().copied().map(publish_request).collect();
    let singly = PUBLISHES.iter().copied().map(publish_request);
    for (requests, pieces) in singly
        .map(|one| (one, &[1, usize::MAX][..]))
        .chain([(all.repeat(3), &[7, 64, 97, 1000, usize::MAX][..])])
    {
        let general = answers_to(connect().await, &format!("{chunked}{requests}"), usize::MAX).await;
        let expected = general.strip_prefix(answer).expect("a publish is answered by OK");
        for piece in pieces {
            let answers = answers_to(connect().await, &requests, *piece).await;
            assert_eq!(answers, expected, "in pieces of {piece}: {requests}");
        }
    }
}

#[tokio::test]
async fn every_way_to_publish_one_has_the_same_answer() {
    // Protects clients from the short way that plain publishes take: the bytes are those of the general one, however the
    // requests come, over each kind of listener.
    let authority = Authority::new();
    let flags = authority.server_flags();
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    check_both_ways(async || Client::connect_silently(nsqd.http_address()).await).await;
    let https = nsqd.https_address().await;
    check_both_ways(async || {
        let mut client = Client::connect_silently(https).await;
        client.try_tls(&authority.client()).await.expect("the handshake succeeds");
        client
    })
    .await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let socket = folder.path().join("http.sock");
    let _nsqd = Nsqd::start_with(&[&format!("--http-address={}", socket.display())]).await;
    check_both_ways(async || Client::connect_unix_silently(&socket).await).await;
}

#[tokio::test]
async fn publishes_in_a_row_are_answered_in_order_once_they_are_on_the_disk() {
    // Protects pipelining clients where OK waits for the disk.
    if !ours_only("it has no --pub-ack") {
        return;
    }
    let nsqd = Nsqd::start_with(&["--pub-ack=sync"]).await;
    check_both_ways(async || Client::connect_silently(nsqd.http_address()).await).await;
}

#[tokio::test]
async fn a_publish_goes_to_the_topic_of_its_own_query() {
    // Protects messages on a connection that publishes to several topics, one of which is deleted meanwhile.
    let nsqd = Nsqd::start().await;
    let mut http = nsqd.http().await;
    for round in 0..2 {
        for topic in ["a", "b"] {
            let response = http.request("POST", &format!("/pub?topic={topic}"), b"x").await;
            check_response("POST /pub", &response, 200, "OK");
        }
        nsqd.post_ok("/topic/delete?topic=a").await;
        assert_eq!(nsqd.stats().await.topic("b")["depth"], round + 1);
    }
    let stats = nsqd.stats().await;
    assert!(stats.topic("a").is_null());
}

#[tokio::test]
async fn a_large_body_is_published_however_it_comes() {
    // Protects bodies around the bound up to which the short way takes them.
    let nsqd = Nsqd::start().await;
    let mut http = nsqd.http().await;
    let sizes = [16_000, 17_000, 65_000, 65_536, 66_000, 200_000, 100];
    for size in sizes {
        let response = http.request("POST", "/pub?topic=t", &vec![b'x'; size]).await;
        check_response("POST /pub", &response, 200, "OK");
    }
    let messages = nsqd.consumer("t", "c", 10).await.finish_messages(sizes.len()).await;
    let mut published: Vec<_> = messages.iter().map(|message| message.body.len()).collect();
    let mut expected = sizes.to_vec();
    published.sort_unstable();
    expected.sort_unstable();
    assert_eq!(published, expected);
}

#[tokio::test]
async fn a_request_with_two_lengths_is_refused() {
    // Protects whoever shares a proxy's connection: what one takes for a body, the other may take for a request.
    if !ours_only("the chunks win") {
        return;
    }
    let nsqd = Nsqd::start().await;
    let two = "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    let swapped = "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    let different = "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx";
    let ping = "GET /ping HTTP/1.1\r\nHost: nsqd\r\n\r\n";
    let publish = publish_request(("topic=t", "Content-Length: 5\r\n\r\n", "hello"));
    for before in ["", ping, &publish] {
        for headers in [two, swapped, different] {
            for piece in [1, usize::MAX] {
                let requests = format!("{before}{}", publish_request(("topic=smuggled", headers, "")));
                let answers = answers_to_broken(&nsqd, &requests, piece).await;
                let last = answers.rfind("HTTP/1.1 ").map(|at| &answers[at..]).unwrap_or_default();
                assert!(last.starts_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"), "{answers}");
                assert_eq!(answers.matches("HTTP/1.1 200").count(), usize::from(!before.is_empty()));
            }
        }
    }
    assert!(nsqd.stats().await.topic("smuggled").is_null());
}

#[tokio::test]
async fn a_request_names_one_host() {
    // Protects the form of HTTP/1.1, with and without a length.
    let nsqd = Nsqd::start().await;
    for request in [
        "GET /ping HTTP/1.1\r\n\r\n",
        "GET /ping HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "POST /pub?topic=t HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
        "POST /pub?topic=t HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let answers = answers_to_broken(&nsqd, request, usize::MAX).await;
        // NSQ adds what is wrong.
        assert!(answers.starts_with("HTTP/1.1 400 Bad Request"), "{request}: {answers}");
    }
    assert!(nsqd.stats().await.topic("t").is_null());
}

/// What is answered to requests the last of which ends its connection.
async fn answers_to_broken(nsqd: &Nsqd, requests: &str, piece: usize) -> String {
    let mut client = Client::connect_silently(nsqd.http_address()).await;
    for piece in requests.as_bytes().chunks(piece) {
        // It may not be read to its end.
        if client.try_send(piece).await.is_err() {
            break;
        }
    }
    String::from_utf8_lossy(&client.read_to_end().await).into_owned()
}

fn bytes_of_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hex digits");
    digits.chunks(2).map(pair).collect()
}

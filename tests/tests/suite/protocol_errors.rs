//! What nsqd says to commands that are wrong, on a connection that has not subscribed: the exact bytes.

use tests::{Client, Nsqd, is_reference, ours_only};

/// What follows a row's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    /// These responses, and the connection lives.
    Open(&'static [&'static str]),
    /// This error frame, and the connection lives.
    Told(&'static str),
    /// This error frame, and the connection is closed.
    Closed(&'static str),
    /// The client ends its side; then this error frame (none if empty), and the connection is closed.
    ClosedAfterEof(&'static str),
}

use Then::{Closed, ClosedAfterEof, Open, Told};

/// The bytes of a row: `[n]` is a big-endian i32, every other character the byte of its number.
pub(super) fn bytes_of(row: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = row.chars();
    while let Some(character) = rest.next() {
        if character == '[' {
            let number: String = rest.by_ref().take_while(|character| *character != ']').collect();
            let number: i32 = number.parse().expect("brackets hold a number");
            bytes.extend_from_slice(&number.to_be_bytes());
        } else {
            bytes.push(u8::try_from(character).expect("a row has characters up to U+00FF"));
        }
    }
    bytes
}

/// Sends a row's bytes and checks all that follows.
pub(super) async fn check(client: &mut Client, row: &str, then: Then) {
    client.send(bytes_of(row)).await;
    match then {
        Open(responses) => {
            for response in responses {
                client.expect_response(response).await;
            }
            client.expect_alive().await;
        }
        Told(error) => {
            client.expect_error(error).await;
            client.expect_alive().await;
        }
        Closed(error) => {
            client.expect_error(bytes_of(error)).await;
            client.expect_closed().await;
        }
        ClosedAfterEof(error) => {
            client.finish_sending().await;
            if !error.is_empty() {
                client.expect_error(error).await;
            }
            client.expect_closed().await;
        }
    }
}

async fn check_all(rows: &[(&str, Then)]) {
    let nsqd = Nsqd::start().await;
    for (row, then) in rows {
        show_row(row);
        check(&mut nsqd.connect().await, row, *then).await;
    }
}

/// Names the row at work, for the output of a test that fails.
#[expect(clippy::print_stdout, reason = "captured, and shown of a test that fails")]
pub(super) fn show_row(row: &str) {
    println!("row {row:?}");
}

#[tokio::test]
async fn a_wrong_magic_is_refused() {
    // Protects the first four bytes: other protocols get one error frame and the end, half a magic nothing.
    let nsqd = Nsqd::start().await;
    for magic in ["  V1", "GET ", "abcd", "\0\0\0\0"] {
        let mut client = Client::connect_silently(nsqd.tcp_address()).await;
        client.send(magic).await;
        client.expect_error("E_BAD_PROTOCOL").await;
        client.expect_closed().await;
    }
    let mut client = Client::connect_silently(nsqd.tcp_address()).await;
    client.send("  V").await;
    client.finish_sending().await;
    client.expect_closed().await;
}

#[tokio::test]
async fn command_lines() {
    // Protects how lines are read: blanks, carriage returns, case, raw bytes in what is echoed.
    check_all(&[
        ("NOP\n", Open(&[])),
        ("NOP a b c\n", Open(&[])),
        ("NOP\r\n", Open(&[])),
        ("NOP\r\r\n", Closed("E_INVALID invalid command NOP\r")),
        ("\n", Closed("E_INVALID invalid command ")),
        (" NOP\n", Closed("E_INVALID invalid command ")),
        ("nop\n", Closed("E_INVALID invalid command nop")),
        ("FOO bar\n", Closed("E_INVALID invalid command FOO")),
        ("F\u{ff}O \"x\"\tz\n", Closed("E_INVALID invalid command F\u{ff}O")),
        ("PUB t", ClosedAfterEof("")),
    ])
    .await;
}

#[tokio::test]
async fn commands_of_subscribers() {
    // Protects the states: what needs a subscription is refused before its parameters are looked at.
    check_all(&[
        ("FIN\n", Closed("E_INVALID cannot FIN in current state")),
        ("FIN abc\n", Closed("E_INVALID cannot FIN in current state")),
        ("REQ\n", Closed("E_INVALID cannot REQ in current state")),
        ("TOUCH\n", Closed("E_INVALID cannot TOUCH in current state")),
        ("RDY\n", Closed("E_INVALID cannot RDY in current state")),
        ("RDY x\n", Closed("E_INVALID cannot RDY in current state")),
        ("CLS\n", Closed("E_INVALID cannot CLS in current state")),
    ])
    .await;
}

#[tokio::test]
async fn sub() {
    // Protects the checks of SUB in their order, and the names.
    check_all(&[
        ("SUB\n", Closed("E_INVALID SUB insufficient number of parameters")),
        ("SUB t\n", Closed("E_INVALID SUB insufficient number of parameters")),
        ("SUB t!\n", Closed("E_INVALID SUB insufficient number of parameters")),
        ("SUB t! c!\n", Closed("E_BAD_TOPIC SUB topic name \"t!\" is not valid")),
        ("SUB t c!\n", Closed("E_BAD_CHANNEL SUB channel name \"c!\" is not valid")),
        ("SUB t  c\n", Closed("E_BAD_CHANNEL SUB channel name \"\" is not valid")),
        ("SUB t c extra\n", Open(&["OK"])),
        ("SUB . ..\n", Open(&["OK"])),
        ("SUB #ephemeral c\n", Closed("E_BAD_TOPIC SUB topic name \"#ephemeral\" is not valid")),
        ("SUB a#ephemeralx c\n", Closed("E_BAD_TOPIC SUB topic name \"a#ephemeralx\" is not valid")),
    ])
    .await;
}

#[tokio::test]
async fn lengths_of_names() {
    // Protects the bound of 64 bytes, the suffix included.
    let nsqd = Nsqd::start().await;
    for (count, suffix) in [(64, ""), (54, "#ephemeral")] {
        let longest = format!("{}{suffix}", "a".repeat(count));
        nsqd.connect().await.subscribe(&longest, "c").await;
        let longer = format!("a{longest}");
        let mut client = nsqd.connect().await;
        client.send(format!("SUB {longer} c\n")).await;
        client.expect_error(format!("E_BAD_TOPIC SUB topic name \"{longer}\" is not valid")).await;
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn publish() {
    // Protects the checks of PUB: parameters, name, size, body.
    check_all(&[
        ("PUB\n", Closed("E_INVALID PUB insufficient number of parameters")),
        ("PUB \n", Closed("E_BAD_TOPIC PUB topic name \"\" is not valid")),
        ("PUB t\n[0]", Closed("E_BAD_MESSAGE PUB invalid message body size 0")),
        ("PUB t\n[-1]", Closed("E_BAD_MESSAGE PUB invalid message body size -1")),
        ("PUB t\n[1048577]", Closed("E_BAD_MESSAGE PUB message too big 1048577 > 1048576")),
        ("PUB t extra args\n[2]hi", Open(&["OK"])),
        ("PUB x\n\0\0", ClosedAfterEof("E_BAD_MESSAGE PUB failed to read message body size")),
        ("PUB x\n[5]ab", ClosedAfterEof("E_BAD_MESSAGE PUB failed to read message body")),
    ])
    .await;
}

#[tokio::test]
async fn deferred_publish() {
    // Protects the checks of DPUB: the delay is refused where REQ would cut it.
    check_all(&[
        ("DPUB\n", Closed("E_INVALID DPUB insufficient number of parameters")),
        ("DPUB t\n", Closed("E_INVALID DPUB insufficient number of parameters")),
        ("DPUB t!\n", Closed("E_INVALID DPUB insufficient number of parameters")),
        ("DPUB t! 5\n", Closed("E_BAD_TOPIC DPUB topic name \"t!\" is not valid")),
        ("DPUB t x\n", Closed("E_INVALID DPUB could not parse timeout x")),
        ("DPUB t -1\n", Closed("E_INVALID DPUB could not parse timeout -1")),
        ("DPUB t 3600001\n", Closed("E_INVALID DPUB timeout 3600001 out of range 0-3600000")),
        (
            "DPUB t 18446744073709551615\n",
            Closed("E_INVALID DPUB timeout 18446744073709551615 out of range 0-3600000"),
        ),
        ("DPUB t 3600000\n[1]x", Open(&["OK"])),
        ("DPUB t \n[1]x", Open(&["OK"])),
        ("DPUB t 0\n[0]", Closed("E_BAD_MESSAGE DPUB invalid message body size 0")),
    ])
    .await;
}

#[tokio::test]
async fn multi_publish() {
    // Protects the checks of MPUB, with the doubled code of its topic error.
    check_all(&[
        ("MPUB\n", Closed("E_INVALID MPUB insufficient number of parameters")),
        ("MPUB t!\n", Closed("E_BAD_TOPIC E_BAD_TOPIC MPUB topic name \"t!\" is not valid")),
        ("MPUB t\n[0]", Closed("E_BAD_BODY MPUB invalid body size 0")),
        ("MPUB t\n[-1]", Closed("E_BAD_BODY MPUB invalid body size -1")),
        ("MPUB t\n[5242881]", Closed("E_BAD_BODY MPUB body too big 5242881 > 5242880")),
        ("MPUB t\n[4][0]", Closed("E_BAD_BODY MPUB invalid message count 0")),
        ("MPUB t\n[4][-1]", Closed("E_BAD_BODY MPUB invalid message count -1")),
        ("MPUB t\n[4][1048576]", Closed("E_BAD_BODY MPUB invalid message count 1048576")),
        ("MPUB t\n[32][2][1]A[0]", Closed("E_BAD_MESSAGE MPUB invalid message(1) body size 0")),
        ("MPUB t\n\0\0\0", ClosedAfterEof("E_BAD_BODY MPUB failed to read body size")),
        ("MPUB t\n[16]\0\0", ClosedAfterEof("E_BAD_BODY MPUB failed to read message count")),
        ("MPUB t\n[16][1]\0\0", ClosedAfterEof("E_BAD_MESSAGE MPUB failed to read message(0) body size")),
        ("MPUB t\n[16][1][5]a", ClosedAfterEof("E_BAD_MESSAGE MPUB failed to read message body")),
        // The declared lengths of these are honest; with shorter ones see the next test.
        ("MPUB t\n[8][1][0]", Closed("E_BAD_MESSAGE MPUB invalid message(0) body size 0")),
        ("MPUB t\n[1048585][1][1048577]", Closed("E_BAD_MESSAGE MPUB message too big 1048577 > 1048576")),
    ])
    .await;
}

#[tokio::test]
async fn an_mpub_that_does_not_fill_its_length_is_refused() {
    // Protects the frame of MPUB: NSQ ignores the declared length, so that a wrong one makes commands of bodies.
    if !ours_only("the declared length is ignored") {
        return;
    }
    let nsqd = Nsqd::start().await;
    for row in ["MPUB t\n[1][1][1]A", "MPUB t\n[32][2][1]A[1]BPUB other\n[1]x--------"] {
        show_row(row);
        let mut client = nsqd.connect().await;
        client.send(bytes_of(row)).await;
        let error = client.next_error().await;
        assert!(error.starts_with("E_BAD_BODY MPUB"), "{error}");
        client.expect_closed().await;
    }
    assert!(nsqd.stats().await.topic("other").is_null());
    assert!(nsqd.stats().await.topic("t")["depth"].as_u64().unwrap_or(0) == 0);
}

#[tokio::test]
async fn nothing_of_a_refused_mpub_is_published() {
    // Protects all or nothing: the first message of a batch whose second is bad is not delivered.
    let nsqd = Nsqd::start().await;
    let mut consumer = nsqd.consumer("t", "c", 5).await;
    let mut producer = nsqd.connect().await;
    producer.send(bytes_of("MPUB t\n[13][2][1]A[0]")).await;
    producer.expect_error("E_BAD_MESSAGE MPUB invalid message(1) body size 0").await;
    producer.expect_closed().await;
    consumer.expect_silence().await;
    assert_eq!(nsqd.stats().await.topic("t")["message_count"], 0);
}

#[tokio::test]
async fn auth_without_auth_servers() {
    // Protects AUTH where it is not configured.
    check_all(&[
        ("AUTH x\n", Closed("E_INVALID AUTH invalid number of parameters")),
        ("AUTH \n", Closed("E_INVALID AUTH invalid number of parameters")),
        ("AUTH\n[0]", Closed("E_BAD_BODY AUTH invalid body size 0")),
        ("AUTH\n[-1]", Closed("E_BAD_BODY AUTH invalid body size -1")),
        ("AUTH\n[2147483647]", Closed("E_BAD_BODY AUTH body too big 2147483647 > 5242880")),
        ("AUTH\n[1]x", Closed("E_AUTH_DISABLED AUTH disabled")),
        ("AUTH\n\0", ClosedAfterEof("E_BAD_BODY AUTH failed to read body size")),
        ("AUTH\n[3]x", ClosedAfterEof("E_BAD_BODY AUTH failed to read body")),
    ])
    .await;
}

#[tokio::test]
async fn identify() {
    // Protects the frame of IDENTIFY; its fields are in `identify.rs`.
    check_all(&[
        ("IDENTIFY x y z\n[2]{}", Open(&["OK"])),
        ("IDENTIFY\n[4]null", Open(&["OK"])),
        ("IDENTIFY\n[2]{}IDENTIFY\n[2]{}", Open(&["OK", "OK"])),
        ("IDENTIFY\n[0]", Closed("E_BAD_BODY IDENTIFY invalid body size 0")),
        ("IDENTIFY\n[-1]", Closed("E_BAD_BODY IDENTIFY invalid body size -1")),
        ("IDENTIFY\n[2147483647]", Closed("E_BAD_BODY IDENTIFY body too big 2147483647 > 5242880")),
        ("IDENTIFY\n[1]{", Closed("E_BAD_BODY IDENTIFY failed to decode JSON body")),
        ("IDENTIFY\n\0", ClosedAfterEof("E_BAD_BODY IDENTIFY failed to read body size")),
        ("IDENTIFY\n[5]a", ClosedAfterEof("E_BAD_BODY IDENTIFY failed to read body")),
    ])
    .await;
    // An array; brackets mean something else in a row.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    client.send(b"IDENTIFY\n\0\0\0\x02[]").await;
    client.expect_error("E_BAD_BODY IDENTIFY failed to decode JSON body").await;
    client.expect_closed().await;
}

#[tokio::test]
async fn names_in_errors_are_quoted() {
    // Protects the quoting of bytes that are no plain text.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    client.send(b"PUB a\"b\\\xff\x01\xc3\xa9\xe2\x80\xa8\n").await;
    let quoted = "E_BAD_TOPIC PUB topic name \"a\\\"b\\\\\\xff\\x01é\\u2028\" is not valid";
    client.expect_error(quoted).await;
    client.expect_closed().await;
}

#[tokio::test]
async fn lines_have_a_longest() {
    // Protects the bound of a line, 16384 bytes with its end; beyond it the connection is closed.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    client.send(format!("NOP {}\n", "x".repeat(16384 - 5))).await;
    client.expect_alive().await;
    client.send(format!("NOP {}\n", "x".repeat(16384 - 4))).await;
    if is_reference() {
        client.expect_closed().await;
    } else if let Some(frame) = client.next_frame().await {
        // We may say why.
        assert!(
            matches!(&frame, tests::Received::Error(text) if text.starts_with(b"E_INVALID ")),
            "{frame:?}"
        );
        client.expect_closed().await;
    }
}

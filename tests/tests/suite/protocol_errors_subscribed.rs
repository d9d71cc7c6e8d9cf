//! What nsqd says to commands of a subscriber: the exact bytes.

use tests::Nsqd;

use super::protocol_errors::Then::{self, Closed, Open, Told};
use super::protocol_errors::{check, show_row};

async fn check_all(rows: &[(&str, Then)]) {
    let nsqd = Nsqd::start().await;
    for (row, then) in rows {
        show_row(row);
        let mut client = nsqd.connect().await;
        client.subscribe("t", "c").await;
        check(&mut client, row, *then).await;
    }
}

#[tokio::test]
async fn states() {
    // Protects the one subscription a connection: what belongs before SUB is refused behind it, and behind CLS.
    check_all(&[
        ("SUB t c\n", Closed("E_INVALID cannot SUB in current state")),
        ("IDENTIFY\n", Closed("E_INVALID cannot IDENTIFY in current state")),
        ("AUTH\n[1]x", Closed("E_INVALID cannot AUTH in current state")),
        ("PUB t3\n[1]x", Open(&["OK"])),
        ("CLS\n", Open(&["CLOSE_WAIT"])),
    ])
    .await;
    let nsqd = Nsqd::start().await;
    for verb in ["SUB", "IDENTIFY", "AUTH", "CLS"] {
        let mut client = nsqd.connect().await;
        client.subscribe("t", "c").await;
        client.send(format!("CLS\n{verb} t c\n")).await;
        client.expect_response("CLOSE_WAIT").await;
        client.expect_error(format!("E_INVALID cannot {verb} in current state")).await;
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn rdy() {
    // Protects the number of RDY: 1 when absent, 0 when empty, up to the limit, and nothing but digits.
    check_all(&[
        ("RDY 2500\n", Open(&[])),
        ("RDY 2501\n", Closed("E_INVALID RDY count 2501 out of range 0-2500")),
        ("RDY -1\n", Closed("E_INVALID RDY could not parse count -1")),
        ("RDY x\n", Closed("E_INVALID RDY could not parse count x")),
        ("RDY +1\n", Closed("E_INVALID RDY could not parse count +1")),
        ("RDY 0x1\n", Closed("E_INVALID RDY could not parse count 0x1")),
    ])
    .await;
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    client.subscribe("t", "ready").await;
    for (line, count) in [("RDY", 1), ("RDY ", 0), ("RDY 7", 7), ("RDY  5", 0), ("RDY 5 6", 5)] {
        show_row(line);
        client.send(format!("{line}\n")).await;
        nsqd.await_channel("t", "ready", |channel| channel["clients"][0]["ready_count"] == count).await;
    }
    // A parser that saturates and one that wraps name different numbers.
    client.send("RDY 18446744073709551615\n").await;
    let error = client.next_error().await;
    assert!(error.starts_with("E_INVALID RDY count "), "{error}");
    client.expect_closed().await;
}

#[tokio::test]
async fn fin_req_touch() {
    // Protects the three commands about one message: malformed is fatal, not in flight is not.
    check_all(&[
        ("FIN\n", Closed("E_INVALID FIN insufficient number of params")),
        ("FIN abc\n", Closed("E_INVALID invalid message ID")),
        ("FIN 0123456789abcdef0\n", Closed("E_INVALID invalid message ID")),
        ("FIN 0123456789abcdef\n", Told("E_FIN_FAILED FIN 0123456789abcdef failed ID not in flight")),
        ("TOUCH\n", Closed("E_INVALID TOUCH insufficient number of params")),
        ("TOUCH abc\n", Closed("E_INVALID invalid message ID")),
        ("TOUCH 0123456789abcdef\n", Told("E_TOUCH_FAILED TOUCH 0123456789abcdef failed ID not in flight")),
        ("REQ\n", Closed("E_INVALID REQ insufficient number of params")),
        ("REQ 0123456789abcdef\n", Closed("E_INVALID REQ insufficient number of params")),
        ("REQ abc 1\n", Closed("E_INVALID invalid message ID")),
        ("REQ 0123456789abcdef x\n", Closed("E_INVALID REQ could not parse timeout x")),
        ("REQ 0123456789abcdef -1\n", Closed("E_INVALID REQ could not parse timeout -1")),
        ("REQ 0123456789abcdef 5\n", Told("E_REQ_FAILED REQ 0123456789abcdef failed ID not in flight")),
        ("REQ 0123456789abcdef \n", Told("E_REQ_FAILED REQ 0123456789abcdef failed ID not in flight")),
        (
            "REQ 0123456789abcdef 99999999999\n",
            Told("E_REQ_FAILED REQ 0123456789abcdef failed ID not in flight"),
        ),
    ])
    .await;
}

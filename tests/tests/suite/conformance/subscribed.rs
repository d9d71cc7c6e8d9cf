//! Commands of a subscriber, and behind CLS.

use tests::Nsqd;

use super::row::{Row, closed, closed_behind, open, told};

pub(super) fn rows() -> Vec<Row> {
    vec![
        closed("SUB t c\n", "E_INVALID cannot SUB in current state"),
        closed("SUB\n", "E_INVALID cannot SUB in current state"),
        closed("IDENTIFY\n", "E_INVALID cannot IDENTIFY in current state"),
        closed("IDENTIFY\n[2]{}", "E_INVALID cannot IDENTIFY in current state"),
        closed("AUTH\n[1]x", "E_INVALID cannot AUTH in current state"),
        closed("AUTH x\n", "E_INVALID cannot AUTH in current state"),
        open("PUB t3\n[1]x", &["OK"]),
        open("DPUB t3 5\n[1]x", &["OK"]),
        open("MPUB t3\n[9][1][1]x", &["OK"]),
        open("NOP\n", &[]),
        closed("FOO\n", "E_INVALID invalid command FOO"),
        // Behind CLS.
        open("CLS\n", &["CLOSE_WAIT"]),
        open("CLS more\n", &["CLOSE_WAIT"]),
        open("CLS\nRDY 5\nRDY x\nRDY 9999\nNOP\n", &["CLOSE_WAIT"]),
        open("CLS\nPUB t3\n[1]x", &["CLOSE_WAIT", "OK"]),
        closed_behind("CLS\nCLS\n", &["CLOSE_WAIT", "E_INVALID cannot CLS in current state"]),
        closed_behind("CLS\nSUB t c\n", &["CLOSE_WAIT", "E_INVALID cannot SUB in current state"]),
        closed_behind("CLS\nIDENTIFY\n", &["CLOSE_WAIT", "E_INVALID cannot IDENTIFY in current state"]),
        closed_behind("CLS\nAUTH\n", &["CLOSE_WAIT", "E_INVALID cannot AUTH in current state"]),
        closed_behind("CLS\nFIN\n", &["CLOSE_WAIT", "E_INVALID FIN insufficient number of params"]),
        // RDY: 1 when absent, 0 when empty, up to the limit, and nothing but digits.
        open("RDY\n", &[]),
        open("RDY \n", &[]),
        open("RDY 0\n", &[]),
        open("RDY  5\n", &[]),
        open("RDY 5 6\n", &[]),
        open("RDY 2500\n", &[]),
        open("RDY 0002500\n", &[]),
        closed("RDY 2501\n", "E_INVALID RDY count 2501 out of range 0-2500"),
        closed("RDY -1\n", "E_INVALID RDY could not parse count -1"),
        closed("RDY x\n", "E_INVALID RDY could not parse count x"),
        closed("RDY +1\n", "E_INVALID RDY could not parse count +1"),
        closed("RDY 0x1\n", "E_INVALID RDY could not parse count 0x1"),
        closed("RDY 1.0\n", "E_INVALID RDY could not parse count 1.0"),
        closed("RDY \t1\n", "E_INVALID RDY could not parse count \t1"),
        closed("RDY \u{ff}\n", "E_INVALID RDY could not parse count \u{ff}"),
        // The three commands about one message: malformed is fatal, not in flight is not.
        closed("FIN\n", "E_INVALID FIN insufficient number of params"),
        closed("FIN abc\n", "E_INVALID invalid message ID"),
        closed("FIN \n", "E_INVALID invalid message ID"),
        closed("FIN 0123456789abcde\n", "E_INVALID invalid message ID"),
        closed("FIN 0123456789abcdef0\n", "E_INVALID invalid message ID"),
        told("FIN 0123456789abcdef\n", "E_FIN_FAILED FIN 0123456789abcdef failed ID not in flight"),
        told("FIN 0123456789abcdef\r\n", "E_FIN_FAILED FIN 0123456789abcdef failed ID not in flight"),
        told("FIN 0123456789abcdef x\n", "E_FIN_FAILED FIN 0123456789abcdef failed ID not in flight"),
        told("FIN 0123456789ABCDEF\n", "E_FIN_FAILED FIN 0123456789ABCDEF failed ID not in flight"),
        told("FIN ghijklmnopqrstu\u{e9}\n", "E_FIN_FAILED FIN ghijklmnopqrstu\u{e9} failed ID not in flight"),
        closed("TOUCH\n", "E_INVALID TOUCH insufficient number of params"),
        closed("TOUCH abc\n", "E_INVALID invalid message ID"),
        told("TOUCH 0123456789abcdef\n", "E_TOUCH_FAILED TOUCH 0123456789abcdef failed ID not in flight"),
        closed("REQ\n", "E_INVALID REQ insufficient number of params"),
        closed("REQ 0123456789abcdef\n", "E_INVALID REQ insufficient number of params"),
        closed("REQ abc 1\n", "E_INVALID invalid message ID"),
        closed("REQ abc x\n", "E_INVALID invalid message ID"),
        closed("REQ 0123456789abcdef x\n", "E_INVALID REQ could not parse timeout x"),
        closed("REQ 0123456789abcdef -1\n", "E_INVALID REQ could not parse timeout -1"),
        closed("REQ 0123456789abcdef 1s\n", "E_INVALID REQ could not parse timeout 1s"),
        told("REQ 0123456789abcdef 5\n", "E_REQ_FAILED REQ 0123456789abcdef failed ID not in flight"),
        told("REQ 0123456789abcdef \n", "E_REQ_FAILED REQ 0123456789abcdef failed ID not in flight"),
        told("REQ 0123456789abcdef 5 6\n", "E_REQ_FAILED REQ 0123456789abcdef failed ID not in flight"),
        told(
            "REQ 0123456789abcdef 99999999999\n",
            "E_REQ_FAILED REQ 0123456789abcdef failed ID not in flight",
        ),
    ]
}

#[tokio::test]
async fn rdy_counts_what_it_says() {
    // Protects the number of RDY as it takes effect.
    let nsqd = Nsqd::start().await;
    let mut client = nsqd.connect().await;
    client.subscribe("t", "ready").await;
    for (line, count) in [("RDY", 1), ("RDY ", 0), ("RDY 7", 7), ("RDY  5", 0), ("RDY 5 6", 5)] {
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
async fn errors_about_a_message_say_whose_it_is() {
    // Protects the reasons: not in flight at all, or to somebody else.
    let nsqd = Nsqd::start().await;
    let mut owner = nsqd.consumer("t", "c", 1).await;
    owner.publish("t", b"x").await;
    let id = owner.next_message().await.id;
    let mut other = nsqd.consumer("t", "c", 0).await;
    for (line, code) in [("FIN", "E_FIN_FAILED FIN"), ("TOUCH", "E_TOUCH_FAILED TOUCH")] {
        other.send(format!("{line} {id}\n")).await;
        other.expect_error(format!("{code} {id} failed client does not own message")).await;
    }
    other.send(format!("REQ {id} 0\n")).await;
    other.expect_error(format!("E_REQ_FAILED REQ {id} failed client does not own message")).await;
    owner.send(format!("TOUCH {id}\nFIN {id}\nFIN {id}\n")).await;
    owner.expect_error(format!("E_FIN_FAILED FIN {id} failed ID not in flight")).await;
    owner.expect_alive().await;
}

//! Lines, and commands that are wrong where they stand.

use super::row::{Row, closed, closed_behind, cut, open};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Vec<Row> {
    vec![
        open("NOP\n", &[]),
        open("NOP a b c\n", &[]),
        open("NOP\r\n", &[]),
        open("NOP \r\n", &[]),
        open("NOP\nNOP\nNOP\n", &[]),
        closed("NOP\r\r\n", "E_INVALID invalid command NOP\r"),
        closed("\r\n", "E_INVALID invalid command "),
        closed("\n", "E_INVALID invalid command "),
        closed(" NOP\n", "E_INVALID invalid command "),
        closed("\tNOP\n", "E_INVALID invalid command \tNOP"),
        closed("NOP\t\n", "E_INVALID invalid command NOP\t"),
        closed("nop\n", "E_INVALID invalid command nop"),
        closed("NOPE\n", "E_INVALID invalid command NOPE"),
        closed("FOO bar\n", "E_INVALID invalid command FOO"),
        closed("GET t c\n", "E_INVALID invalid command GET"),
        closed("PUB\0 t\n", "E_INVALID invalid command PUB\0"),
        closed("F\u{ff}O \"x\"\tz\n", "E_INVALID invalid command F\u{ff}O"),
        cut("PUB t", ""),
        cut("", ""),
        // What needs a subscription is refused before its parameters are looked at.
        closed("FIN\n", "E_INVALID cannot FIN in current state"),
        closed("FIN abc\n", "E_INVALID cannot FIN in current state"),
        closed("FIN 0123456789abcdef\n", "E_INVALID cannot FIN in current state"),
        closed("REQ\n", "E_INVALID cannot REQ in current state"),
        closed("REQ 0123456789abcdef x\n", "E_INVALID cannot REQ in current state"),
        closed("TOUCH\n", "E_INVALID cannot TOUCH in current state"),
        closed("RDY\n", "E_INVALID cannot RDY in current state"),
        closed("RDY x\n", "E_INVALID cannot RDY in current state"),
        closed("RDY 1\n", "E_INVALID cannot RDY in current state"),
        closed("CLS\n", "E_INVALID cannot CLS in current state"),
        // SUB.
        closed("SUB\n", "E_INVALID SUB insufficient number of parameters"),
        closed("SUB t\n", "E_INVALID SUB insufficient number of parameters"),
        closed("SUB t!\n", "E_INVALID SUB insufficient number of parameters"),
        closed("SUB t! c!\n", "E_BAD_TOPIC SUB topic name \"t!\" is not valid"),
        closed("SUB  c\n", "E_BAD_TOPIC SUB topic name \"\" is not valid"),
        closed("SUB t c!\n", "E_BAD_CHANNEL SUB channel name \"c!\" is not valid"),
        closed("SUB t \n", "E_BAD_CHANNEL SUB channel name \"\" is not valid"),
        closed("SUB t  c\n", "E_BAD_CHANNEL SUB channel name \"\" is not valid"),
        closed("SUB t c\r\r\n", "E_BAD_CHANNEL SUB channel name \"c\\r\" is not valid"),
        closed("SUB t/u c\n", "E_BAD_TOPIC SUB topic name \"t/u\" is not valid"),
        closed("SUB t \u{e9}\n", "E_BAD_CHANNEL SUB channel name \"\\xe9\" is not valid"),
        closed("SUB #ephemeral c\n", "E_BAD_TOPIC SUB topic name \"#ephemeral\" is not valid"),
        closed("SUB a#ephemeralx c\n", "E_BAD_TOPIC SUB topic name \"a#ephemeralx\" is not valid"),
        closed(
            "SUB a#ephemeral#ephemeral c\n",
            "E_BAD_TOPIC SUB topic name \"a#ephemeral#ephemeral\" is not valid",
        ),
        closed("SUB a#Ephemeral c\n", "E_BAD_TOPIC SUB topic name \"a#Ephemeral\" is not valid"),
        open("SUB t c extra\n", &["OK"]),
        open("SUB t c\r\n", &["OK"]),
        open("SUB . ..\n", &["OK"]),
        open("SUB a#ephemeral b#ephemeral\n", &["OK"]),
        closed_behind("SUB t c\nSUB t c\n", &["OK", "E_INVALID cannot SUB in current state"]),
        // Pipelines: answers in order, and nothing behind a fatal error.
        closed_behind(
            "PUB p\n[1]xPUB p\n[1]yMPUB p\n[14][2][1]a[1]bBAD\nPUB never\n[1]x",
            &["OK", "OK", "OK", "E_INVALID invalid command BAD"],
        ),
        closed_behind(
            "SUB t c\nCLS\nPUB p\n[1]xCLS\n",
            &["OK", "CLOSE_WAIT", "OK", "E_INVALID cannot CLS in current state"],
        ),
        // AUTH where nobody asks for it.
        closed("AUTH x\n", "E_INVALID AUTH invalid number of parameters"),
        closed("AUTH \n", "E_INVALID AUTH invalid number of parameters"),
        closed("AUTH\n[0]", "E_BAD_BODY AUTH invalid body size 0"),
        closed("AUTH\n[-1]", "E_BAD_BODY AUTH invalid body size -1"),
        closed("AUTH\n[-2147483648]", "E_BAD_BODY AUTH invalid body size -2147483648"),
        closed("AUTH\n[2147483647]", "E_BAD_BODY AUTH body too big 2147483647 > 5242880"),
        closed("AUTH\n[5242881]", "E_BAD_BODY AUTH body too big 5242881 > 5242880"),
        closed("AUTH\n[1]x", "E_AUTH_DISABLED AUTH disabled"),
        cut("AUTH\n\0", "E_BAD_BODY AUTH failed to read body size"),
        cut("AUTH\n", "E_BAD_BODY AUTH failed to read body size"),
        cut("AUTH\n[3]x", "E_BAD_BODY AUTH failed to read body"),
    ]
}

/// Bounds that need long rows.
mod bounds {
    use tests::{Nsqd, is_reference};

    #[tokio::test]
    async fn lengths_of_names() {
        // Protects the bound of 64 bytes, the suffix included.
        let nsqd = Nsqd::start().await;
        for (count, suffix) in [(64, ""), (54, "#ephemeral")] {
            let longest = format!("{}{suffix}", "a".repeat(count));
            nsqd.connect().await.subscribe(&longest, &longest).await;
            let longer = format!("a{longest}");
            for (line, error) in [
                (
                    format!("SUB {longer} c\n"),
                    format!("E_BAD_TOPIC SUB topic name \"{longer}\" is not valid"),
                ),
                (
                    format!("SUB t {longer}\n"),
                    format!("E_BAD_CHANNEL SUB channel name \"{longer}\" is not valid"),
                ),
                (format!("PUB {longer}\n"), format!("E_BAD_TOPIC PUB topic name \"{longer}\" is not valid")),
            ] {
                let mut client = nsqd.connect().await;
                client.send(line).await;
                client.expect_error(error).await;
                client.expect_closed().await;
            }
        }
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
}

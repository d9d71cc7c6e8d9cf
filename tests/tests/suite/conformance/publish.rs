//! PUB, DPUB, MPUB.

use super::row::{Row, closed, closed_behind, cut, open};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Vec<Row> {
    let largest = format!("PUB t\n[1048576]{}", "x".repeat(1_048_576));
    let mut rows = vec![
        closed("PUB\n", "E_INVALID PUB insufficient number of parameters"),
        closed("PUB \n", "E_BAD_TOPIC PUB topic name \"\" is not valid"),
        closed("PUB t!\n", "E_BAD_TOPIC PUB topic name \"t!\" is not valid"),
        closed("PUB  t\n", "E_BAD_TOPIC PUB topic name \"\" is not valid"),
        closed("PUB t\n[0]", "E_BAD_MESSAGE PUB invalid message body size 0"),
        closed("PUB t\n[-1]", "E_BAD_MESSAGE PUB invalid message body size -1"),
        closed("PUB t\n[-2147483648]", "E_BAD_MESSAGE PUB invalid message body size -2147483648"),
        closed("PUB t\n[1048577]", "E_BAD_MESSAGE PUB message too big 1048577 > 1048576"),
        closed("PUB t\n[2147483647]", "E_BAD_MESSAGE PUB message too big 2147483647 > 1048576"),
        open("PUB t extra args\n[2]hi", &["OK"]),
        open("PUB t\r\n[2]hi", &["OK"]),
        open("PUB t\n[4]NOP\n", &["OK"]),
        open("PUB .\n[1]x", &["OK"]),
        open("PUB t\n[1]aPUB t\n[1]bPUB t\n[1]c", &["OK", "OK", "OK"]),
        open(&largest, &["OK"]),
        cut("PUB x\n", "E_BAD_MESSAGE PUB failed to read message body size"),
        cut("PUB x\n\0\0", "E_BAD_MESSAGE PUB failed to read message body size"),
        cut("PUB x\n[5]", "E_BAD_MESSAGE PUB failed to read message body"),
        cut("PUB x\n[5]ab", "E_BAD_MESSAGE PUB failed to read message body"),
        // DPUB.
        closed("DPUB\n", "E_INVALID DPUB insufficient number of parameters"),
        closed("DPUB t\n", "E_INVALID DPUB insufficient number of parameters"),
        closed("DPUB t!\n", "E_INVALID DPUB insufficient number of parameters"),
        closed("DPUB t! 5\n", "E_BAD_TOPIC DPUB topic name \"t!\" is not valid"),
        closed("DPUB t! x\n", "E_BAD_TOPIC DPUB topic name \"t!\" is not valid"),
        closed("DPUB t x\n", "E_INVALID DPUB could not parse timeout x"),
        closed("DPUB t -1\n", "E_INVALID DPUB could not parse timeout -1"),
        closed("DPUB t +1\n", "E_INVALID DPUB could not parse timeout +1"),
        closed("DPUB t 1.5\n", "E_INVALID DPUB could not parse timeout 1.5"),
        closed("DPUB t 0x10\n", "E_INVALID DPUB could not parse timeout 0x10"),
        closed("DPUB t 1\u{e9}\n", "E_INVALID DPUB could not parse timeout 1\u{e9}"),
        closed("DPUB t 3600001\n", "E_INVALID DPUB timeout 3600001 out of range 0-3600000"),
        closed(
            "DPUB t 18446744073709551615\n",
            "E_INVALID DPUB timeout 18446744073709551615 out of range 0-3600000",
        ),
        open("DPUB t 3600000\n[1]x", &["OK"]),
        open("DPUB t \n[1]x", &["OK"]),
        open("DPUB t 0005 more\n[1]x", &["OK"]),
        closed("DPUB t 0\n[0]", "E_BAD_MESSAGE DPUB invalid message body size 0"),
        closed("DPUB t 0\n[-5]", "E_BAD_MESSAGE DPUB invalid message body size -5"),
        closed("DPUB t 0\n[1048577]", "E_BAD_MESSAGE DPUB message too big 1048577 > 1048576"),
        cut("DPUB t 0\n\0\0\0", "E_BAD_MESSAGE DPUB failed to read message body size"),
        cut("DPUB t 0\n[9]abc", "E_BAD_MESSAGE DPUB failed to read message body"),
        // MPUB.
        closed("MPUB\n", "E_INVALID MPUB insufficient number of parameters"),
        closed("MPUB t!\n", "E_BAD_TOPIC E_BAD_TOPIC MPUB topic name \"t!\" is not valid"),
        closed("MPUB \n", "E_BAD_TOPIC E_BAD_TOPIC MPUB topic name \"\" is not valid"),
        closed("MPUB t\n[0]", "E_BAD_BODY MPUB invalid body size 0"),
        closed("MPUB t\n[-1]", "E_BAD_BODY MPUB invalid body size -1"),
        closed("MPUB t\n[5242881]", "E_BAD_BODY MPUB body too big 5242881 > 5242880"),
        closed("MPUB t\n[4][0]", "E_BAD_BODY MPUB invalid message count 0"),
        closed("MPUB t\n[4][-1]", "E_BAD_BODY MPUB invalid message count -1"),
        closed("MPUB t\n[4][1048576]", "E_BAD_BODY MPUB invalid message count 1048576"),
        closed("MPUB t\n[4][2147483647]", "E_BAD_BODY MPUB invalid message count 2147483647"),
        closed("MPUB t\n[32][2][1]A[0]", "E_BAD_MESSAGE MPUB invalid message(1) body size 0"),
        closed("MPUB t\n[32][3][1]A[1]B[-7]", "E_BAD_MESSAGE MPUB invalid message(2) body size -7"),
        // The declared lengths of these are honest; with shorter ones see below.
        closed("MPUB t\n[8][1][0]", "E_BAD_MESSAGE MPUB invalid message(0) body size 0"),
        closed("MPUB t\n[1048585][1][1048577]", "E_BAD_MESSAGE MPUB message too big 1048577 > 1048576"),
        open("MPUB t\n[9][1][1]A", &["OK"]),
        open("MPUB t more\n[14][2][1]A[1]B", &["OK"]),
        open("MPUB t\n[9][1][1]AMPUB t\n[9][1][1]ANOP\n", &["OK", "OK"]),
        closed_behind("MPUB t\n[9][1][1]AFOO\n", &["OK", "E_INVALID invalid command FOO"]),
        cut("MPUB t\n", "E_BAD_BODY MPUB failed to read body size"),
        cut("MPUB t\n\0\0\0", "E_BAD_BODY MPUB failed to read body size"),
        cut("MPUB t\n[16]", "E_BAD_BODY MPUB failed to read message count"),
        cut("MPUB t\n[16]\0\0", "E_BAD_BODY MPUB failed to read message count"),
        cut("MPUB t\n[16][1]", "E_BAD_MESSAGE MPUB failed to read message(0) body size"),
        cut("MPUB t\n[16][1]\0\0", "E_BAD_MESSAGE MPUB failed to read message(0) body size"),
        cut("MPUB t\n[20][2][1]a\0", "E_BAD_MESSAGE MPUB failed to read message(1) body size"),
        cut("MPUB t\n[16][1][5]a", "E_BAD_MESSAGE MPUB failed to read message body"),
    ];
    // A body that lacks its last byte, of the largest size.
    rows.push(cut(&largest[..largest.len() - 1], "E_BAD_MESSAGE PUB failed to read message body"));
    rows
}

/// What only one of the two does, or what shows elsewhere than in the answer.
mod beyond {
    use tests::{Nsqd, ours_only};

    use super::super::row::bytes_of;

    #[tokio::test]
    async fn an_mpub_that_does_not_fill_its_length_is_refused() {
        // Protects the frame of MPUB: NSQ ignores the declared length, so that a wrong one makes commands of bodies.
        if !ours_only("the declared length is ignored") {
            return;
        }
        let nsqd = Nsqd::start().await;
        for row in ["MPUB t\n[1][1][1]A", "MPUB t\n[32][2][1]A[1]BPUB other\n[1]x--------"] {
            let mut client = nsqd.connect().await;
            client.send(bytes_of(row)).await;
            let error = client.next_error().await;
            assert!(error.starts_with("E_BAD_BODY MPUB"), "{row:?}: {error}");
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
}

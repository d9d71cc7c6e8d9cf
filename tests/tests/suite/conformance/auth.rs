//! The order of checks where AUTH is required; what answers of servers allow is in `auth.rs` of the suite.

use tests::{HttpServer, Nsqd};

use super::row::{Manner, Row, check_that_nothing_follows_an_error, closed, closed_behind, cut, open};

const ANSWER: &str = r#"{"identity":"bob","identity_url":"http://id/bob?a=1\u0026b=2","permission_count":1}"#;

pub(super) fn rows() -> Vec<Row> {
    vec![
        closed("SUB t c\n", "E_AUTH_FIRST AUTH required before SUB"),
        closed("SUB t\n", "E_INVALID SUB insufficient number of parameters"),
        closed("SUB t! c\n", "E_BAD_TOPIC SUB topic name \"t!\" is not valid"),
        closed("SUB t c!\n", "E_BAD_CHANNEL SUB channel name \"c!\" is not valid"),
        closed("PUB t\n[1]x", "E_AUTH_FIRST AUTH required before PUB"),
        closed("PUB t\n[0]", "E_BAD_MESSAGE PUB invalid message body size 0"),
        cut("PUB t\n[2]x", "E_BAD_MESSAGE PUB failed to read message body"),
        closed("DPUB t 1\n[1]x", "E_AUTH_FIRST AUTH required before DPUB"),
        closed("DPUB t x\n", "E_INVALID DPUB could not parse timeout x"),
        closed("DPUB t 1\n[1048577]", "E_BAD_MESSAGE DPUB message too big 1048577 > 1048576"),
        closed("MPUB t\n", "E_AUTH_FIRST AUTH required before MPUB"),
        closed("MPUB t!\n", "E_BAD_TOPIC E_BAD_TOPIC MPUB topic name \"t!\" is not valid"),
        closed("AUTH x\n", "E_INVALID AUTH invalid number of parameters"),
        closed("AUTH\n[0]", "E_BAD_BODY AUTH invalid body size 0"),
        closed("AUTH\n[5242881]", "E_BAD_BODY AUTH body too big 5242881 > 5242880"),
        cut("AUTH\n[2]x", "E_BAD_BODY AUTH failed to read body"),
        closed("RDY 1\n", "E_INVALID cannot RDY in current state"),
        open("AUTH\n[1]sSUB t c\nPUB t\n[1]xNOP\n", &[ANSWER, "OK", "OK"]),
        open("IDENTIFY\n[2]{}AUTH\n[1]sMPUB t\n[9][1][1]x", &["OK", ANSWER, "OK"]),
        open("AUTH\n[1]sIDENTIFY\n[2]{}DPUB t 1\n[1]x", &[ANSWER, "OK", "OK"]),
        closed_behind("AUTH\n[1]sAUTH\n[1]s", &[ANSWER, "E_INVALID AUTH already set"]),
        closed_behind("AUTH\n[1]sAUTH\n[0]", &[ANSWER, "E_BAD_BODY AUTH invalid body size 0"]),
        closed_behind(
            "AUTH\n[1]sSUB t c\nAUTH\n[1]s",
            &[ANSWER, "OK", "E_INVALID cannot AUTH in current state"],
        ),
    ]
}

#[tokio::test]
async fn with_authorization() {
    // Protects the order of checks where AUTH is required.
    let server = HttpServer::start().await;
    let nsqd = Nsqd::start_with(&[&server.flag()]).await;
    for manner in [Manner::Whole, Manner::Bytes] {
        for row in &rows() {
            let mut client = nsqd.connect().await;
            row.check_without_publishing(&mut client, manner).await;
        }
    }
    check_that_nothing_follows_an_error(&nsqd).await;
}

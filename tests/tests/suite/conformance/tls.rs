//! Where TLS is required: all but IDENTIFY is refused in clear.

use tests::{Authority, Nsqd};

use super::row::{Manner, Row, closed, closed_behind, identify};

pub(super) fn rows() -> Vec<Row> {
    vec![
        closed("NOP\n", "E_INVALID cannot NOP in current state (TLS required)"),
        closed("NOP a\n", "E_INVALID cannot NOP in current state (TLS required)"),
        closed("nop\n", "E_INVALID cannot nop in current state (TLS required)"),
        closed("\n", "E_INVALID cannot  in current state (TLS required)"),
        closed("FOO\u{ff} bar\n", "E_INVALID cannot FOO\u{ff} in current state (TLS required)"),
        closed("PUB t\n[1]x", "E_INVALID cannot PUB in current state (TLS required)"),
        closed("MPUB\n", "E_INVALID cannot MPUB in current state (TLS required)"),
        closed("SUB t c\n", "E_INVALID cannot SUB in current state (TLS required)"),
        closed("AUTH\n[1]x", "E_INVALID cannot AUTH in current state (TLS required)"),
        closed("FIN\n", "E_INVALID cannot FIN in current state (TLS required)"),
        closed("IDENTIFY\n[0]", "E_BAD_BODY IDENTIFY invalid body size 0"),
        closed_behind(
            "IDENTIFY\n[2]{}NOP\n",
            &["OK", "E_INVALID cannot NOP in current state (TLS required)"],
        ),
        identify(br#"{"sample_rate":200}"#, "E_BAD_BODY IDENTIFY sample rate (200) is invalid"),
    ]
}

#[tokio::test]
async fn where_tls_is_required() {
    // Protects what an operator wants encrypted.
    let authority = Authority::new();
    let mut flags = authority.server_flags();
    flags.push("--tls-required".to_owned());
    let nsqd = Nsqd::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for manner in [Manner::Whole, Manner::Bytes] {
        for row in &rows() {
            row.check(&mut nsqd.connect().await, manner).await;
        }
    }
}

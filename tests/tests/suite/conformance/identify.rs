//! IDENTIFY that is wrong, or asks for nothing that shows.

use super::row::{Row, closed, cut, identify, open};

const JSON: &str = "E_BAD_BODY IDENTIFY failed to decode JSON body";

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Vec<Row> {
    vec![
        open("IDENTIFY x y z\n[2]{}", &["OK"]),
        open("IDENTIFY\n[4]null", &["OK"]),
        open("IDENTIFY\n[2]{}IDENTIFY\n[2]{}", &["OK", "OK"]),
        closed("IDENTIFY\n[0]", "E_BAD_BODY IDENTIFY invalid body size 0"),
        closed("IDENTIFY\n[-1]", "E_BAD_BODY IDENTIFY invalid body size -1"),
        closed("IDENTIFY\n[2147483647]", "E_BAD_BODY IDENTIFY body too big 2147483647 > 5242880"),
        closed("IDENTIFY\n[5242881]", "E_BAD_BODY IDENTIFY body too big 5242881 > 5242880"),
        closed("IDENTIFY\n[1]{", JSON),
        cut("IDENTIFY\n", "E_BAD_BODY IDENTIFY failed to read body size"),
        cut("IDENTIFY\n\0", "E_BAD_BODY IDENTIFY failed to read body size"),
        cut("IDENTIFY\n[5]", "E_BAD_BODY IDENTIFY failed to read body"),
        cut("IDENTIFY\n[5]a", "E_BAD_BODY IDENTIFY failed to read body"),
        identify(b"[]", JSON),
        identify(b"{} {}", JSON),
        identify(b"\"text\"", JSON),
        identify(b"{}x", JSON),
        identify(b" {} \n", ""),
        identify(br#"{"client_id":1}"#, JSON),
        identify(br#"{"client_id":"\ud800"}"#, ""),
        identify(b"{\"client_id\":\"\xff\"}", ""),
        identify(br#"{"feature_negotiation":1}"#, JSON),
        identify(br#"{"feature_negotiation":"true"}"#, JSON),
        identify(br#"{"tls_v1":0}"#, JSON),
        identify(br#"{"heartbeat_interval":1000.0}"#, JSON),
        identify(br#"{"heartbeat_interval":"1000"}"#, JSON),
        identify(br#"{"heartbeat_interval":1e4}"#, JSON),
        identify(br#"{"heartbeat_interval":99999999999999999999}"#, JSON),
        identify(br#"{"sample_rate":3000000000}"#, JSON),
        // Unknown keys, also those of old clients and of other forks.
        identify(
            br#"{"short_id":"s","long_id":"l","desired_tag":"x","extend_support":true,"a":{"b":[1]}}"#,
            "",
        ),
        identify(br#"{"HEARTBEAT_interval":5000}"#, ""),
        identify(br#"{"heartbeat_interval":5,"heartbeat_interval":5000}"#, ""),
        identify(br#"{"heartbeat_interval":null}"#, ""),
        // Without negotiation both may be asked for.
        identify(br#"{"snappy":true,"deflate":true,"tls_v1":true}"#, ""),
        identify(br#"{"output_buffer_timeout":-1,"msg_timeout":0}"#, ""),
        identify(br#"{"heartbeat_interval":999}"#, "E_BAD_BODY IDENTIFY heartbeat interval (999) is invalid"),
        identify(
            br#"{"heartbeat_interval":60001}"#,
            "E_BAD_BODY IDENTIFY heartbeat interval (60001) is invalid",
        ),
        identify(br#"{"heartbeat_interval":-2}"#, "E_BAD_BODY IDENTIFY heartbeat interval (-2) is invalid"),
        identify(
            br#"{"output_buffer_timeout":24}"#,
            "E_BAD_BODY IDENTIFY output buffer timeout (24) is invalid",
        ),
        identify(
            br#"{"output_buffer_timeout":30001}"#,
            "E_BAD_BODY IDENTIFY output buffer timeout (30001) is invalid",
        ),
        identify(br#"{"output_buffer_size":63}"#, "E_BAD_BODY IDENTIFY output buffer size (63) is invalid"),
        identify(
            br#"{"output_buffer_size":65537}"#,
            "E_BAD_BODY IDENTIFY output buffer size (65537) is invalid",
        ),
        identify(br#"{"sample_rate":100}"#, "E_BAD_BODY IDENTIFY sample rate (100) is invalid"),
        identify(br#"{"sample_rate":-1}"#, "E_BAD_BODY IDENTIFY sample rate (-1) is invalid"),
        identify(br#"{"msg_timeout":999}"#, "E_BAD_BODY IDENTIFY msg timeout (999) is invalid"),
        identify(br#"{"msg_timeout":900001}"#, "E_BAD_BODY IDENTIFY msg timeout (900001) is invalid"),
        // The first that is wrong is the one that is told.
        identify(
            br#"{"msg_timeout":5,"heartbeat_interval":5}"#,
            "E_BAD_BODY IDENTIFY heartbeat interval (5) is invalid",
        ),
        identify(
            br#"{"feature_negotiation":true,"snappy":true,"deflate":true,"sample_rate":200}"#,
            "E_BAD_BODY IDENTIFY sample rate (200) is invalid",
        ),
        identify(
            br#"{"feature_negotiation":true,"snappy":true,"deflate":true}"#,
            "E_IDENTIFY_FAILED cannot enable both deflate and snappy compression",
        ),
    ]
}

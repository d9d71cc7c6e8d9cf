//! Each option once: name, type, default, help.

use std::time::Duration;

use daemon::options::{Group, Program, duration, int, text};

/// nsqlookupd and its flags.
pub fn program() -> Program {
    Program::new("nsqlookupd", "[nsqlookupd] ", vec![network(), registrations()])
}

fn network() -> Group {
    Group::new(
        "Network",
        vec![
            text("tcp-address", "0.0.0.0:4160", "listen for nsqds: host:port").argument("address"),
            text("http-address", "0.0.0.0:4161", "listen for HTTP: host:port").argument("address"),
            text("broadcast-address", "", "address under which nsqds reach this nsqlookupd over HTTP")
                .default_note("host name"),
            int(
                "max-connections",
                0,
                "connections of nsqds at a time, and as many over HTTP; 0 for half of the files that the process may open",
            ),
        ],
    )
}

fn registrations() -> Group {
    Group::new(
        "Registrations",
        vec![
            duration(
                "inactive-producer-timeout",
                Duration::from_mins(5),
                "time after its last PING for which an nsqd is still listed",
            ),
            duration(
                "tombstone-lifetime",
                Duration::from_secs(45),
                "time for which a tombstone hides an nsqd in a topic",
            ),
        ],
    )
}

//! Each option once: name, type, default, help.

use std::time::Duration;

use daemon::{
    options::{Choice, Group, Program, boolean, choice, duration, floats, int, text, texts},
    tls::tls_flags,
};

/// `--pub-ack`: 0 for `write`, 1 for `sync`.
static PUB_ACK: Choice = Choice { is_boolean: false, parse: pub_ack };

fn pub_ack(word: &str) -> Result<i64, String> {
    match word {
        "write" => Ok(0),
        "sync" => Ok(1),
        _ => Err("must be write or sync".to_owned()),
    }
}

/// nsqd and its flags. The default node id depends on the host.
pub fn program(default_node_id: u16) -> Program {
    Program::new(
        "nsqd",
        "[nsqd] ",
        vec![
            identity(default_node_id),
            network(),
            Group::new("TLS", tls_flags()),
            authorization(),
            storage(),
            messages(),
            clients(),
            statistics(),
            without_effect(),
        ],
    )
}

fn identity(default_node_id: u16) -> Group {
    Group::new(
        "Identity",
        vec![
            int(
                "node-id",
                default_node_id.into(),
                "part of each message's id, 0 to 1023; by default made from the host's name",
            )
            .key("id"),
            text(
                "broadcast-address",
                "",
                "address under which others reach this nsqd: a name or address, `auto` for that of the route to an nsqlookupd, \
                 `interface:NAME`, or `env:NAME`",
            )
            .argument("address")
                .default_note("host name"),
            int("broadcast-tcp-port", 0, "TCP port that others are told").default_note("the bound port"),
            int("broadcast-http-port", 0, "HTTP port that others are told").default_note("the bound port"),
            text("topology-region", "", "region of this nsqd, told to others"),
            text("topology-zone", "", "zone of this nsqd, told to others"),
        ],
    )
}

fn network() -> Group {
    Group::new(
        "Network",
        vec![
            text(
                "tcp-address",
                "0.0.0.0:4150",
                "listen for clients: host:port, or the path of a unix socket",
            )
            .argument("address"),
            text(
                "http-address",
                "0.0.0.0:4151",
                "listen for HTTP: host:port, or the path of a unix socket; empty for none",
            )
            .argument("address"),
            text(
                "https-address",
                "0.0.0.0:4152",
                "listen for HTTPS if there is a certificate: host:port; empty for none",
            )
            .argument("address"),
            texts(
                "lookupd-tcp-address",
                "nsqlookupd to register with, as host:port; may be given several times",
            )
            .key("nsqlookupd_tcp_addresses")
            .argument("address"),
            int(
                "max-connections",
                0,
                "connections of clients at a time, and as many over HTTP; 0 for half of the files that the process may open",
            ),
        ],
    )
}

fn authorization() -> Group {
    Group::new(
        "Authorization",
        vec![
            texts(
                "auth-http-address",
                "server that knows what clients may do: host:port, or a URL; may be given several times",
            )
            .key("auth_http_addresses")
            .argument("address"),
            text("auth-http-request-method", "get", "how it is asked: `get` or `post`"),
            duration(
                "http-client-connect-timeout",
                Duration::from_secs(2),
                "time to connect to another server over HTTP",
            ),
            duration(
                "http-client-request-timeout",
                Duration::from_secs(5),
                "time for a whole request to another server",
            ),
        ],
    )
}

fn storage() -> Group {
    Group::new(
        "Storage",
        vec![
            text("data-path", "", "directory of the queues, which must exist")
                .argument("path")
                .default_note("working directory"),
            int(
                "max-topic-bytes",
                0,
                "bytes of the files of one topic, beyond which publishes are refused; 0 for no limit",
            )
            .argument("bytes"),
            int(
                "min-free-bytes",
                16 << 20,
                "bytes of the file system that are left free: publishes are refused before",
            )
            .argument("bytes"),
            int(
                "retention-bytes",
                0,
                "keep consumed messages while a topic's files are not larger; 0 for no such limit",
            )
            .argument("bytes"),
            duration(
                "retention-age",
                Duration::ZERO,
                "keep consumed messages while they are not older; 0 for no such limit. Without either limit none are kept",
            ),
            boolean("verify-data", false, "check all messages at the start, not only what may be damaged"),
            int(
                "mem-queue-size",
                10_000,
                "messages an ephemeral topic or channel holds; of others, what is beyond counts as backend depth",
            ),
            int("max-bytes-per-file", 104_857_600, "size up to which the files of a topic grow"),
            choice(
                "pub-ack",
                &PUB_ACK,
                "write",
                "when a publish is answered: `write`, once it outlives the process, or `sync`, once it is on the disk",
            ),
            int("sync-every", 2500, "sync a topic to the disk after so many messages"),
            duration("sync-timeout", Duration::from_secs(2), "and at the latest so long after one"),
        ],
    )
}

fn messages() -> Group {
    Group::new(
        "Messages",
        vec![
            duration(
                "msg-timeout",
                Duration::from_mins(1),
                "time a client has to finish a message, unless it sets its own",
            ),
            duration("max-msg-timeout", Duration::from_mins(15), "longest such time, also with TOUCH"),
            int("max-msg-size", 1_048_576, "bytes of one message's body").argument("bytes"),
            int("max-body-size", 5_242_880, "bytes of the body of one command or request").argument("bytes"),
            duration("max-req-timeout", Duration::from_hours(1), "longest delay of a requeued message"),
            duration("max-defer-timeout", Duration::ZERO, "longest delay of a deferred publish")
                .default_note("as max-req-timeout"),
        ],
    )
}

fn clients() -> Group {
    Group::new(
        "Limits for what clients ask",
        vec![
            duration("max-heartbeat-interval", Duration::from_mins(1), "longest time between heartbeats"),
            int("max-rdy-count", 2500, "highest RDY of a client"),
            int("max-output-buffer-size", 65_536, "largest output buffer").argument("bytes"),
            duration(
                "max-output-buffer-timeout",
                Duration::from_secs(30),
                "longest time a message waits in it",
            ),
            duration("min-output-buffer-timeout", Duration::from_millis(25), "shortest such time"),
            duration(
                "output-buffer-timeout",
                Duration::from_millis(250),
                "such time of a client that sets none; 0 for no limit",
            ),
            int("max-channel-consumers", 0, "consumers of one channel; 0 for no limit"),
            boolean("snappy", true, "offer compression by snappy"),
            boolean("deflate", true, "offer compression by deflate"),
            int("max-deflate-level", 6, "highest level of it, 1 to 9: the more, the slower"),
            texts(
                "enable-experiment",
                "switch on what may change: `topology-aware-consumption` gives messages to consumers of this nsqd's zone and \
                 region first",
            )
            .argument("name"),
        ],
    )
}

fn statistics() -> Group {
    Group::new(
        "Statistics",
        vec![
            text("statsd-address", "", "push statistics to this server over UDP: host:port").argument("address"),
            duration("statsd-interval", Duration::from_mins(1), "time between pushes"),
            text("statsd-prefix", "nsq.%s", "begins each name; %s becomes the address and port of this nsqd"),
            boolean("statsd-mem-stats", true, "push figures of the heap, too"),
            int("statsd-udp-packet-size", 508, "bytes of a datagram, at most").argument("bytes"),
            boolean("statsd-exclude-ephemeral", false, "leave ephemeral topics and channels out"),
            floats(
                "e2e-processing-latency-percentile",
                "show this percentile of the time from publishing to FIN, above 0 and up to 1; several with commas \
                 between them",
            )
            .key("e2e_processing_latency_percentiles"),
            duration("e2e-processing-latency-window-time", Duration::from_mins(10), "time that it covers"),
            int(
                "metrics-topics-max",
                10_000,
                "topics that /metrics shows one by one: those behind are only counted",
            ),
        ],
    )
}

fn without_effect() -> Group {
    const EXACT_TIMERS: &str = "each channel has exact timers, nothing is scanned for";
    Group::new(
        "Accepted for old command lines",
        vec![
            boolean("worker-id", false, "").flag_only().no_effect("use --node-id to set the id of this nsqd"),
            int("queue-scan-worker-pool-max", 4, "").no_effect(EXACT_TIMERS),
            int("queue-scan-selection-count", 20, "").no_effect(EXACT_TIMERS),
        ],
    )
}

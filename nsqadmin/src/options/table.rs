//! Each option once: name, type, default, help.

use std::time::Duration;

use daemon::options::{Group, Program, boolean, duration, int, text, texts};

/// nsqadmin and its flags.
pub fn program() -> Program {
    Program::new("nsqadmin", "[nsqadmin] ", vec![network(), cluster(), access(), notifications(), graphite()])
}

fn network() -> Group {
    Group::new(
        "Network",
        vec![
            text("http-address", "0.0.0.0:4171", "listen for browsers and scripts: host:port")
                .argument("address"),
            text("base-path", "/", "beginning of the path of everything").argument("path"),
            text(
                "dev-static-dir",
                "",
                "folder to serve the page's files from, in place of those in the binary",
            )
            .argument("path"),
            int(
                "max-connections",
                0,
                "connections at a time; 0 for half of the files that the process may open",
            ),
        ],
    )
}

fn cluster() -> Group {
    Group::new(
        "Cluster",
        vec![
            texts(
                "lookupd-http-address",
                "nsqlookupd that knows the nsqds, as host:port; may be given several times",
            )
            .key("nsqlookupd_http_addresses")
            .argument("address"),
            texts("nsqd-http-address", "nsqd to look at, as host:port; may be given several times")
                .key("nsqd_http_addresses")
                .argument("address"),
            duration(
                "poll-interval",
                Duration::from_secs(2),
                "time between two looks at the cluster while somebody watches; otherwise it is 5s at least",
            ),
            int(
                "history-memory",
                64 << 20,
                "bytes for the history of topics, channels and nodes; beyond them, those with the fewest messages lose theirs",
            ),
            duration(
                "http-client-connect-timeout",
                Duration::from_secs(2),
                "time to connect to an nsqd or nsqlookupd",
            ),
            duration(
                "http-client-request-timeout",
                Duration::from_secs(5),
                "time for a whole request to an nsqd or nsqlookupd",
            ),
            boolean(
                "http-client-tls-insecure-skip-verify",
                false,
                "believe whatever certificate an nsqd or nsqlookupd shows",
            ),
            text("http-client-tls-root-ca-file", "", "PEM file of trusted roots in place of the system's")
                .argument("path"),
            text(
                "http-client-tls-cert",
                "",
                "PEM file of the certificate that is shown to those that ask for one",
            )
            .argument("path"),
            text("http-client-tls-key", "", "PEM file of its key").argument("path"),
        ],
    )
}

fn access() -> Group {
    Group::new(
        "Access",
        vec![
            texts("admin-user", "who may act, if not everyone; may be given several times")
                .key("admin_users"),
            text(
                "acl-http-header",
                "X-Forwarded-User",
                "header with the user's name, which a proxy has to set",
            ),
            boolean("read-only", false, "nobody may act"),
            text(
                "allow-config-from-cidr",
                "127.0.0.1/8",
                "addresses from which options may be read and changed; empty for all",
            ),
        ],
    )
}

fn notifications() -> Group {
    Group::new(
        "Notifications",
        vec![
            text("notification-http-endpoint", "", "URL that is told of each action, by POST")
                .argument("URL"),
        ],
    )
}

fn graphite() -> Group {
    Group::new(
        "Graphite",
        vec![
            text("graphite-url", "", "Graphite that has what nsqd sends to statsd").argument("URL"),
            boolean("proxy-graphite", false, "browsers ask nsqadmin for graphs, not Graphite"),
            text("statsd-prefix", "nsq.%s", "nsqd's --statsd-prefix"),
            text("statsd-counter-format", "stats.counters.%s.count", "how statsd names counters"),
            text("statsd-gauge-format", "stats.gauges.%s", "how statsd names gauges"),
            duration("statsd-interval", Duration::from_mins(1), "nsqd's --statsd-interval"),
        ],
    )
}

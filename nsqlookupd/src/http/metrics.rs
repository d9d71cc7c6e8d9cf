//! `/metrics`: the state of the daemon for Prometheus. The number of series is fixed.

use daemon::{
    http::{
        exposition::Exposition,
        respond::{self, Response},
    },
    process,
};

use crate::{clock, lookupd::Lookupd, registry::Counts};

/// The answer.
pub(super) fn metrics(lookupd: &Lookupd) -> Response {
    let mut text = Exposition::default();
    text.family("nsqlookupd_build_info", "gauge", "Which program this is; always 1.");
    let versions = [("version", env!("CARGO_PKG_VERSION")), ("compatible", daemon::version::COMPATIBLE)];
    text.sample("nsqlookupd_build_info", &versions, 1);
    process::metrics(&mut text, lookupd.start_unix);
    let Counts { topics, channels, producers, active_producers, registrations } =
        lookupd.directory.read().counts(clock::now());
    for (name, help, count) in [
        ("nsqlookupd_topics", "Topics that are known, with or without producers.", topics),
        ("nsqlookupd_channels", "Channels that are known, with or without producers.", channels),
        ("nsqlookupd_producers", "Connections of nsqds.", producers),
        ("nsqlookupd_producers_active", "Those that have lately said that they live.", active_producers),
        ("nsqlookupd_registrations", "Topics that producers have, each counted for each.", registrations),
    ] {
        text.single(name, "gauge", help, count);
    }
    respond::exposition(text)
}

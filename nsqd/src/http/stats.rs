//! `/info` and `/stats`.

use std::sync::Arc;

use serde::Serialize;

use super::{
    parameters::Parameters,
    respond::{self, Response},
    stats_json, stats_text,
};
use crate::{
    nsqd::Nsqd,
    statistics::{Report, Wanted},
};

/// The answer to `/stats`.
pub(super) fn stats(nsqd: &Arc<Nsqd>, parameters: &Parameters) -> Response {
    let name = |name: &str| parameters.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
    let report = Report::collect(
        nsqd,
        &Wanted {
            topic: name("topic"),
            channel: name("channel"),
            with_clients: parameters.flag("include_clients", true),
            with_memory: parameters.flag("include_mem", true),
        },
    );
    if parameters.get("format") == Some(b"json") {
        respond::json(&stats_json::document(&report))
    } else {
        respond::text(stats_text::render(&report))
    }
}

/// The answer to `/info`.
pub(super) fn info(nsqd: &Nsqd) -> Response {
    #[derive(Serialize)]
    struct Info<'a> {
        version: &'a str,
        broadcast_address: &'a str,
        hostname: &'a str,
        http_port: i32,
        tcp_port: i32,
        start_time: i64,
        max_heartbeat_interval: u64,
        max_output_buffer_size: u64,
        max_output_buffer_timeout: u64,
        max_deflate_level: u8,
        topology_zone: &'a str,
        topology_region: &'a str,
    }
    let options = &nsqd.start.options;
    let ns = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    respond::json(&Info {
        version: daemon::version::COMPATIBLE,
        broadcast_address: &options.broadcast_address,
        hostname: &nsqd.hostname,
        http_port: nsqd.ports.http,
        tcp_port: nsqd.ports.tcp,
        start_time: nsqd.start_unix,
        max_heartbeat_interval: ns(options.max_heartbeat_interval),
        max_output_buffer_size: options.max_output_buffer_size,
        max_output_buffer_timeout: ns(options.max_output_buffer_timeout),
        max_deflate_level: nsqd.tcp.max_deflate_level(),
        topology_zone: &options.topology_zone,
        topology_region: &options.topology_region,
    })
}

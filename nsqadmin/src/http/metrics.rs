//! `/metrics`: the state of the daemon for Prometheus. The number of series is fixed.

use std::sync::atomic::Ordering;

use daemon::{
    http::{
        exposition::Exposition,
        respond::{self, Response},
    },
    process,
};

use crate::admin::Admin;

/// The answer.
pub(super) fn metrics(admin: &Admin) -> Response {
    let mut text = Exposition::default();
    text.family("nsqadmin_build_info", "gauge", "Which program this is; always 1.");
    let versions = [("version", env!("CARGO_PKG_VERSION")), ("compatible", daemon::version::COMPATIBLE)];
    text.sample("nsqadmin_build_info", &versions, 1);
    process::metrics(&mut text, admin.start_unix);
    let upstream = &admin.view.upstream;
    for (name, help, count) in [
        ("nsqadmin_upstream_requests_total", "Requests to nsqds and nsqlookupds.", &upstream.asked),
        ("nsqadmin_upstream_failures_total", "Those of them without a good answer.", &upstream.failed),
        ("nsqadmin_actions_total", "Actions that were begun for operators.", &admin.actions),
        ("nsqadmin_actions_denied_total", "Actions of those who may not act.", &admin.denied),
    ] {
        text.single(name, "counter", help, count.load(Ordering::Relaxed));
    }
    respond::exposition(text)
}

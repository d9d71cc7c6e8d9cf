//! `/api/me`: who asks, and what of.

use daemon::http::respond::{self, Response};
use hyper::HeaderMap;
use serde::Serialize;

use crate::{access::Denied, admin::Admin};

#[derive(Serialize)]
struct Me<'a> {
    user: Option<String>,
    is_admin: bool,
    /// Why not.
    reason: Option<&'static str>,
    mode: &'static str,
    version: &'static str,
    host: &'a str,
    lookupds: &'a [String],
    poll_interval_ms: u64,
    history: Kept,
    graphite: Option<Graphite>,
    login: &'static str,
}

#[derive(Serialize)]
struct Kept {
    step_s: u32,
    span_s: u32,
}

#[derive(Serialize)]
struct Graphite {
    url: String,
}

/// The answer.
pub(super) fn me(admin: &Admin, headers: &HeaderMap) -> Response {
    let (options, lookupds) = (&admin.start.options, admin.view.lookupds());
    let denied = admin.access.check_admin(headers).err();
    let graphite = options.graphite.as_ref();
    respond::json(&Me {
        user: admin.access.user(headers),
        is_admin: denied.is_none(),
        reason: denied.map(|denied| match denied {
            Denied::ReadOnly => "read-only mode",
            _ => "not an admin user",
        }),
        mode: if lookupds.is_empty() { "nsqd" } else { "lookupd" },
        version: daemon::version::COMPATIBLE,
        host: &admin.hostname,
        lookupds: &lookupds,
        poll_interval_ms: u64::try_from(options.poll_interval.as_millis()).unwrap_or(u64::MAX),
        history: Kept { step_s: crate::live::HISTORY_STEP_S, span_s: crate::live::HISTORY_SPAN_S },
        graphite: graphite.map(|graphite| Graphite { url: url_for_browsers(graphite, &options.base_path) }),
        login: "none",
    })
}

/// Through nsqadmin, graphs are below its own path. What the URL has of a password is nobody's business.
fn url_for_browsers(graphite: &crate::options::Graphite, base_path: &str) -> String {
    if graphite.is_proxied {
        return base_path.to_owned();
    }
    let mut url = graphite.url.clone();
    // An http URL takes both.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.into()
}

//! `/config/:opt`: what nsqadmin runs with, and the two options that change while it runs.

use daemon::{
    http::{
        body,
        respond::{self, Refusal, Response},
    },
    log::Level,
};
use hyper::body::Incoming;
use tracing::info;

use crate::admin::Admin;

const LOOKUPDS: &str = "nsqlookupd_http_addresses";
const LOG_LEVEL: &str = "log_level";
/// Of a new value.
const BYTES_MAX: usize = 1 << 20;

/// The value of an option, by its key of the configuration file.
///
/// # Errors
/// `INVALID_OPTION`
pub(super) fn get(admin: &Admin, key: &str) -> Result<Response, Refusal> {
    let value = admin.start.settings.by_key(key).ok_or_else(|| Refusal::bad("INVALID_OPTION"))?;
    Ok(match (key, value) {
        (LOOKUPDS, _) => respond::json(&*admin.view.lookupds()),
        (LOG_LEVEL, _) => respond::json(&admin.log.level().number()),
        (_, value) => respond::option(value),
    })
}

/// Changes an option until the process ends, and answers with the new value.
///
/// # Errors
/// `INVALID_OPTION` for those that do not change, `INVALID_VALUE`, or `INTERNAL_ERROR` if the body cannot be read.
pub(super) async fn put(admin: &Admin, key: &str, body: Incoming) -> Result<Response, Refusal> {
    let body = body::read(body, BYTES_MAX, "INVALID_VALUE").await?;
    if body.is_empty() {
        return Err(Refusal::too_large("INVALID_VALUE"));
    }
    let invalid = || Refusal::bad("INVALID_VALUE");
    match key {
        LOOKUPDS => {
            let addresses: Option<Vec<String>> = serde_json::from_slice(&body).map_err(|_| invalid())?;
            let addresses = addresses.unwrap_or_default();
            info!("CONFIG: the nsqlookupds are now {addresses:?}");
            admin.view.set_lookupds(addresses);
        }
        LOG_LEVEL => {
            let word = std::str::from_utf8(&body).map_err(|_| invalid())?;
            let level: Level = word.parse().map_err(|_| invalid())?;
            info!("CONFIG: the log level is now {level}");
            admin.log.set_level(level);
        }
        _ => return Err(Refusal::bad("INVALID_OPTION")),
    }
    get(admin, key)
}

//! `/config/:opt`: what the daemon runs with, and the two options that change while it runs.

use daemon::log::Level;
use hyper::body::Incoming;
use serde_json::json;
use tracing::info;

use super::{
    body,
    respond::{self, Refusal, Response},
};
use crate::nsqd::Nsqd;

const LOOKUPDS: &str = "nsqlookupd_tcp_addresses";
const LOG_LEVEL: &str = "log_level";

/// The value of an option, by its key of the configuration file.
///
/// # Errors
/// `INVALID_OPTION`
pub(super) fn get(nsqd: &Nsqd, key: &str) -> Result<Response, Refusal> {
    let value = nsqd.start.settings.by_key(key).ok_or_else(|| Refusal::bad("INVALID_OPTION"))?;
    Ok(match (key, value) {
        (LOOKUPDS, _) => respond::json(&*nsqd.lookupds.borrow()),
        (LOG_LEVEL, _) => respond::json(&nsqd.log.level().number()),
        (_, value) => respond::option(value),
    })
}

/// Changes an option until the process ends, and answers with the new value.
///
/// # Errors
/// `INVALID_OPTION` for those that do not change, `INVALID_VALUE`, or `INTERNAL_ERROR` if the body cannot be read.
pub(super) async fn put(nsqd: &Nsqd, key: &str, body: Incoming) -> Result<Response, Refusal> {
    let limit = nsqd.start.options.max_msg_size as usize;
    let body = body::read(body, limit, "INVALID_VALUE").await?;
    if body.is_empty() {
        return Err(Refusal::too_large("INVALID_VALUE"));
    }
    let invalid = || Refusal::bad("INVALID_VALUE");
    match key {
        LOOKUPDS => {
            let addresses: Option<Vec<String>> = serde_json::from_slice(&body).map_err(|_| invalid())?;
            let addresses = addresses.unwrap_or_default();
            info!("NSQ: the nsqlookupds are now {}", json!(addresses));
            nsqd.set_lookupds(addresses);
        }
        LOG_LEVEL => {
            let word = std::str::from_utf8(&body).map_err(|_| invalid())?;
            let level: Level = word.parse().map_err(|_| invalid())?;
            info!("NSQ: the log level is now {level}");
            nsqd.log.set_level(level);
        }
        _ => return Err(Refusal::bad("INVALID_OPTION")),
    }
    get(nsqd, key)
}

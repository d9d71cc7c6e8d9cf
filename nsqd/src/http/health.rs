//! `/readyz`, `/livez` and the alarms.

use hyper::StatusCode;
use serde::Serialize;

use super::{
    parameters::Parameters,
    respond::{self, Refusal, Response},
};
use crate::{alarms::Alarm, nsqd::Nsqd};

/// What `/readyz` says.
#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    /// Why messages cannot be stored or read, or may not be on the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    alarms: Vec<Alarm>,
}

/// 200 while messages are taken and stored. Alarms are about what was; they are shown, and change nothing.
pub(super) fn readyz(nsqd: &Nsqd) -> Response {
    let failure = nsqd.health().err();
    let status = if failure.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = if failure.is_none() { "ready" } else { "not ready" };
    let mut response = respond::json(&Readiness { status: text, failure, alarms: nsqd.alarms.all() });
    *response.status_mut() = status;
    response
}

/// 200 as long as the process answers.
pub(super) fn livez() -> Response {
    respond::plain(StatusCode::OK, "OK")
}

#[derive(Serialize)]
struct AlarmList {
    alarms: Vec<Alarm>,
}

/// Those that are up.
pub(super) fn alarms(nsqd: &Nsqd) -> Response {
    respond::json(&AlarmList { alarms: nsqd.alarms.all() })
}

/// Takes down the alarm of that `number`, or all.
///
/// # Errors
/// There is none of that number, or it is none.
pub(super) fn clear(nsqd: &Nsqd, query: &str) -> Result<Response, Refusal> {
    let parameters = Parameters::parse(query)?;
    let number = match parameters.get("number") {
        None => None,
        Some(text) => {
            let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
            Some(number.ok_or_else(|| Refusal::bad("INVALID_ARG_NUMBER"))?)
        }
    };
    if nsqd.alarms.clear(number) == 0 && number.is_some() {
        return Err(Refusal::not_found("ALARM_NOT_FOUND"));
    }
    Ok(respond::empty())
}

//! `/debug`: a CPU profile for pprof, figures of the heap, and what NSQ's scripts call.

use std::{fmt::Write, sync::Arc, time::Duration};

use daemon::{process, reports::Busy};
use hyper::{
    StatusCode,
    body::Incoming,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue},
};
use pprof::{ProfilerGuard, ProfilerGuardBuilder, protos::Message};
use tokio_util::sync::CancellationToken;

use super::{
    body,
    parameters::Parameters,
    respond::{self, Refusal, Response},
};
use crate::{heap, nsqd::Nsqd};

/// What a path below `/debug` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Debug {
    Index,
    CommandLine,
    Profile,
    Heap,
    /// Profiles of the runtime of Go.
    OfGo,
    SetBlockRate,
    FreeMemory,
}

/// Samples a second: as other profilers, not in step with timers of whole milliseconds.
const SAMPLES_PER_SECOND: i32 = 99;
const SECONDS_DEFAULT: u64 = 30;
const SECONDS_MAX: u64 = 300;
/// Unwinding a stack within these could wait for a lock that the interrupted code holds.
const NOT_UNWOUND: [&str; 5] = ["libc", "libgcc", "pthread", "vdso", "ld-linux"];

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const FILE: HeaderValue = HeaderValue::from_static("attachment; filename=\"profile\"");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

const INDEX: &str = "<!DOCTYPE html><title>nsqd</title>\n<ul>\n\
    <li><a href=\"profile?seconds=10\">profile</a>: CPU profile in the format of pprof, of 30 seconds or \
    <code>?seconds=</code>\n\
    <li><a href=\"heap\">heap</a>: memory of the process\n\
    <li><a href=\"cmdline\">cmdline</a>: the command line\n</ul>\n";

/// Answers a request for something below `/debug`.
///
/// # Errors
/// [`Refusal`]; those of NSQ's two operations are plain text.
pub(super) async fn answer(
    nsqd: &Arc<Nsqd>,
    what: Debug,
    query: &str,
    body: Incoming,
    stop: &CancellationToken,
) -> Result<Response, Refusal> {
    match what {
        Debug::Index => {
            let mut response = respond::plain(StatusCode::OK, INDEX);
            response.headers_mut().insert(CONTENT_TYPE, HTML);
            Ok(response)
        }
        Debug::CommandLine => {
            let arguments: Vec<String> =
                std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
            Ok(respond::plain(StatusCode::OK, arguments.join("\0")))
        }
        Debug::Profile => profile(nsqd, &Parameters::parse(query)?, stop).await,
        Debug::Heap => Ok(respond::plain(StatusCode::OK, heap_figures())),
        Debug::OfGo => Ok(respond::plain(
            StatusCode::NOT_FOUND,
            "this nsqd is not written in Go and has no such profile; \
             there are /debug/pprof/profile, /debug/pprof/heap and /metrics\n",
        )),
        Debug::SetBlockRate => {
            let rate = block_rate(query, body).await?;
            // There is nothing that it would set.
            Ok(rate.parse::<i64>().map_or_else(
                |_| {
                    let text = format!(
                        "invalid block rate : strconv.Atoi: parsing {}: invalid syntax",
                        protocol::quote(rate.as_bytes())
                    );
                    respond::plain(StatusCode::BAD_REQUEST, text)
                },
                |_| respond::bare(),
            ))
        }
        Debug::FreeMemory => {
            body::ignore(body).await?;
            let shared = Arc::clone(nsqd);
            let trimmed = nsqd.reports.make(move || {
                shared.topics.free_spares();
                heap::trim();
            });
            wait(trimmed).await?;
            Ok(respond::bare())
        }
    }
}

/// The rate is in the query, or in a form.
async fn block_rate(query: &str, body: Incoming) -> Result<String, Refusal> {
    let form = body::read(body, body::IGNORED_BYTES_MAX, "BODY_TOO_BIG").await?;
    for text in [&String::from_utf8_lossy(&form), query] {
        if let Some(rate) = Parameters::parse(text)?.get("rate") {
            return Ok(String::from_utf8_lossy(rate).into_owned());
        }
    }
    Ok(String::new())
}

fn heap_figures() -> String {
    let mut text = String::new();
    for name in ["VmPeak:", "VmSize:", "VmHWM:", "VmRSS:", "RssAnon:", "RssFile:", "VmSwap:"] {
        if let Some(bytes) = process::status_bytes(name) {
            writeln!(text, "{name:<10}{bytes} bytes").expect("a String takes all that is written");
        }
    }
    text
}

/// Samples all threads for a while.
async fn profile(
    nsqd: &Arc<Nsqd>,
    parameters: &Parameters,
    stop: &CancellationToken,
) -> Result<Response, Refusal> {
    let seconds = match parameters.get("seconds") {
        None => SECONDS_DEFAULT,
        Some(text) => {
            let seconds = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            let seconds = seconds.filter(|seconds| (1..=SECONDS_MAX).contains(seconds));
            seconds.ok_or_else(|| Refusal::bad("INVALID_ARG_SECONDS"))?
        }
    };
    let unavailable = |cause: String| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, cause);
    let guard = ProfilerGuardBuilder::default().frequency(SAMPLES_PER_SECOND).blocklist(&NOT_UNWOUND).build();
    let guard = guard.map_err(|error| unavailable(format!("no profile can be made now: {error}")))?;
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
        () = stop.cancelled() => {}
    }
    let encoded = wait(nsqd.reports.make(move || encode(&guard))).await?;
    let mut response = respond::plain(StatusCode::OK, encoded.map_err(unavailable)?);
    response.headers_mut().insert(CONTENT_TYPE, BYTES);
    response.headers_mut().insert(CONTENT_DISPOSITION, FILE);
    Ok(response)
}

fn encode(guard: &ProfilerGuard<'_>) -> Result<Vec<u8>, String> {
    let report = guard.report().build().and_then(|report| report.pprof());
    let mut bytes = Vec::new();
    report.map_err(|error| error.to_string())?.encode(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Waits for the thread of reports.
///
/// # Errors
/// It has too much to do.
pub(super) async fn wait<T>(asked: Result<tokio::sync::oneshot::Receiver<T>, Busy>) -> Result<T, Refusal> {
    let busy = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_REQUESTS");
    asked.map_err(|Busy| busy())?.await.map_err(|_| busy())
}

//! Which path does what, by which method.

use std::{borrow::Cow, fmt::Write, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{ALLOW, HeaderValue, LOCATION},
};
use tokio_util::sync::CancellationToken;

use super::{
    actions::{self, ChannelAction, TopicAction},
    config,
    debug::{self, Debug},
    health, metrics,
    parameters::{Parameters, unescape_path},
    policies, publish,
    respond::{self, Refusal, Response},
    stats,
};
use crate::nsqd::Nsqd;

/// What a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Ping,
    Info,
    Pub,
    Mpub,
    Stats,
    Readyz,
    Livez,
    Metrics,
    Alarms,
    ClearAlarms,
    Topic(TopicAction),
    Channel(ChannelAction),
    /// Of an option, by its key.
    Config(&'a str),
    Debug(Debug),
    TopicPolicy,
    ChannelPolicy,
}

const ROUTES: [(&str, Route<'static>); 32] = [
    ("/ping", Route::Ping),
    ("/info", Route::Info),
    ("/pub", Route::Pub),
    ("/mpub", Route::Mpub),
    ("/stats", Route::Stats),
    ("/readyz", Route::Readyz),
    ("/livez", Route::Livez),
    ("/metrics", Route::Metrics),
    ("/alarms", Route::Alarms),
    ("/alarms/clear", Route::ClearAlarms),
    ("/topic/create", Route::Topic(TopicAction::Create)),
    ("/topic/delete", Route::Topic(TopicAction::Delete)),
    ("/topic/empty", Route::Topic(TopicAction::Empty)),
    ("/topic/pause", Route::Topic(TopicAction::Pause)),
    ("/topic/unpause", Route::Topic(TopicAction::Unpause)),
    ("/channel/create", Route::Channel(ChannelAction::Create)),
    ("/channel/delete", Route::Channel(ChannelAction::Delete)),
    ("/channel/empty", Route::Channel(ChannelAction::Empty)),
    ("/channel/pause", Route::Channel(ChannelAction::Pause)),
    ("/channel/unpause", Route::Channel(ChannelAction::Unpause)),
    ("/channel/seek", Route::Channel(ChannelAction::Seek)),
    ("/topic/config", Route::TopicPolicy),
    ("/channel/config", Route::ChannelPolicy),
    ("/debug/pprof/", Route::Debug(Debug::Index)),
    ("/debug/pprof/cmdline", Route::Debug(Debug::CommandLine)),
    ("/debug/pprof/profile", Route::Debug(Debug::Profile)),
    ("/debug/pprof/heap", Route::Debug(Debug::Heap)),
    ("/debug/pprof/goroutine", Route::Debug(Debug::OfGo)),
    ("/debug/pprof/block", Route::Debug(Debug::OfGo)),
    ("/debug/pprof/threadcreate", Route::Debug(Debug::OfGo)),
    ("/debug/setblockrate", Route::Debug(Debug::SetBlockRate)),
    ("/debug/freememory", Route::Debug(Debug::FreeMemory)),
];

/// The methods that a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Methods {
    Get,
    GetPost,
    GetPut,
    Post,
    Put,
}

impl Methods {
    fn has(self, method: &Method) -> bool {
        let is_get = matches!(*method, Method::GET | Method::HEAD);
        match self {
            Self::Get => is_get,
            Self::GetPost => is_get || *method == Method::POST,
            Self::GetPut => is_get || *method == Method::PUT,
            Self::Post => *method == Method::POST,
            Self::Put => *method == Method::PUT,
        }
    }

    fn allow(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Get => "GET, OPTIONS",
            Self::GetPost => "GET, OPTIONS, POST",
            Self::GetPut => "GET, OPTIONS, PUT",
            Self::Post => "OPTIONS, POST",
            Self::Put => "OPTIONS, PUT",
        })
    }
}

impl<'a> Route<'a> {
    fn find(path: &'a str) -> Option<Self> {
        if let Some(key) = path.strip_prefix("/config/") {
            return (!key.is_empty() && !key.contains('/')).then_some(Self::Config(key));
        }
        ROUTES.iter().find(|(known, _)| *known == path).map(|(_, route)| *route)
    }

    fn methods(self) -> Methods {
        match self {
            Self::Config(_) => Methods::GetPut,
            Self::TopicPolicy | Self::ChannelPolicy => Methods::GetPost,
            Self::Debug(Debug::SetBlockRate) => Methods::Put,
            Self::Ping
            | Self::Info
            | Self::Stats
            | Self::Readyz
            | Self::Livez
            | Self::Metrics
            | Self::Alarms
            | Self::Debug(Debug::Index | Debug::CommandLine | Debug::Profile | Debug::Heap | Debug::OfGo) => {
                Methods::Get
            }
            Self::Pub
            | Self::Mpub
            | Self::ClearAlarms
            | Self::Topic(_)
            | Self::Channel(_)
            | Self::Debug(Debug::FreeMemory) => Methods::Post,
        }
    }

    /// Publishing is not logged, nor what machines ask all the time.
    fn is_logged(self) -> bool {
        let is_profile =
            matches!(self, Self::Debug(what) if !matches!(what, Debug::SetBlockRate | Debug::FreeMemory));
        !is_profile && !matches!(self, Self::Pub | Self::Mpub | Self::Readyz | Self::Livez | Self::Metrics)
    }
}

/// An answer, and whether the request is worth a line in the log.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) is_logged: bool,
}

/// Answers one request.
pub(super) async fn answer(nsqd: &Arc<Nsqd>, request: Request<Incoming>, stop: &CancellationToken) -> Answer {
    let (head, body) = request.into_parts();
    let path = if head.uri.path().contains('%') {
        unescape_path(head.uri.path()).map_or(Cow::Borrowed(head.uri.path()), Cow::Owned)
    } else {
        Cow::Borrowed(head.uri.path())
    };
    let query = head.uri.query().unwrap_or_default();
    let Some(route) = Route::find(&path) else {
        return unknown(&head.method, &path, head.uri.query());
    };
    if head.method == Method::OPTIONS {
        let mut response = Response::new(Full::new(Bytes::new()));
        response.headers_mut().insert(ALLOW, route.methods().allow());
        return Answer { response, is_logged: false };
    }
    if !route.methods().has(&head.method) {
        let mut response = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED").into_response();
        response.headers_mut().insert(ALLOW, route.methods().allow());
        return Answer { response, is_logged: true };
    }
    let is_change = !matches!(head.method, Method::GET | Method::HEAD);
    let result = act(nsqd, route, is_change, query, body, stop).await;
    Answer { response: result.unwrap_or_else(Refusal::into_response), is_logged: route.is_logged() }
}

async fn act(
    nsqd: &Arc<Nsqd>,
    route: Route<'_>,
    is_change: bool,
    query: &str,
    body: Incoming,
    stop: &CancellationToken,
) -> Result<Response, Refusal> {
    match route {
        Route::Ping => Ok(ping(nsqd)),
        Route::Info => Ok(stats::info(nsqd)),
        Route::Pub => publish::one(nsqd, query, body).await,
        Route::Mpub => publish::many(nsqd, query, body).await,
        Route::Stats => {
            let parameters = Parameters::parse(query)?;
            report(nsqd, move |nsqd| stats::stats(nsqd, &parameters)).await
        }
        Route::Readyz => Ok(health::readyz(nsqd)),
        Route::Livez => Ok(health::livez()),
        Route::Metrics => {
            let parameters = Parameters::parse(query)?;
            report(nsqd, move |nsqd| metrics::metrics(nsqd, &parameters)).await
        }
        Route::Alarms => Ok(health::alarms(nsqd)),
        Route::Config(key) if is_change => config::put(nsqd, key, body).await,
        Route::Config(key) => config::get(nsqd, key),
        Route::TopicPolicy => policies::of_topic(nsqd, query, is_change.then_some(body)).await,
        Route::ChannelPolicy => policies::of_channel(nsqd, query, is_change.then_some(body)).await,
        Route::Debug(what) => debug::answer(nsqd, what, query, body, stop).await,
        Route::ClearAlarms | Route::Topic(_) | Route::Channel(_) => {
            publish::ignore(body).await?;
            match route {
                Route::Topic(action) => actions::on_topic(nsqd, action, query).await,
                Route::Channel(action) => actions::on_channel(nsqd, action, query).await,
                _ => health::clear(nsqd, query),
            }
        }
    }
}

/// Has an answer made that takes its time.
async fn report(
    nsqd: &Arc<Nsqd>,
    make: impl FnOnce(&Arc<Nsqd>) -> Response + Send + 'static,
) -> Result<Response, Refusal> {
    let shared = Arc::clone(nsqd);
    debug::wait(nsqd.reports.make(move || make(&shared))).await
}

fn ping(nsqd: &Nsqd) -> Response {
    match nsqd.health() {
        Ok(()) => respond::plain(StatusCode::OK, "OK"),
        Err(failure) => respond::plain(StatusCode::INTERNAL_SERVER_ERROR, failure),
    }
}

/// A path that is not in the table: perhaps only its spelling is odd.
fn unknown(method: &Method, path: &str, query: Option<&str>) -> Answer {
    if *method == Method::OPTIONS && path == "*" {
        return Answer { response: Response::new(Full::new(Bytes::new())), is_logged: false };
    }
    let mut plain = simplified(path);
    if plain == "/debug/pprof" {
        plain.push('/');
    }
    if *method != Method::OPTIONS && plain != path && Route::find(&plain).is_some() {
        return Answer { response: redirect(method, plain, query), is_logged: false };
    }
    Answer { response: Refusal::not_found("NOT_FOUND").into_response(), is_logged: true }
}

/// The path in lower case, without `.`, `..`, empty parts and a slash at the end.
fn simplified(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.iter().fold(String::new(), |path, part| path + "/" + part).to_ascii_lowercase()
}

fn redirect(method: &Method, mut location: String, query: Option<&str>) -> Response {
    if let Some(query) = query {
        write!(location, "?{query}").expect("a String takes all that is written");
    }
    let is_get = *method == Method::GET;
    let body =
        if is_get { format!("<a href=\"{location}\">Moved Permanently</a>.\n\n") } else { String::new() };
    let status = if is_get { StatusCode::MOVED_PERMANENTLY } else { StatusCode::TEMPORARY_REDIRECT };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    match HeaderValue::try_from(location) {
        Ok(location) => {
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => Refusal::not_found("NOT_FOUND").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: odd spellings lead to the path that was meant.
    #[test]
    fn paths_are_simplified() {
        for (path, expected) in [
            ("/ping/", "/ping"),
            ("//ping", "/ping"),
            ("/../ping", "/ping"),
            ("/a/../PING", "/ping"),
            ("/./topic//create", "/topic/create"),
            ("/", ""),
        ] {
            assert_eq!(simplified(path), expected, "{path}");
        }
    }
}

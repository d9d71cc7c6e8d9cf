//! Which path does what, by which method.

use std::sync::Arc;

use daemon::http::{
    Answer,
    body::ignore,
    respond::{self, Refusal, Response},
    routing::{Methods, check_method, plain_path, unknown},
};
use hyper::{Method, Request, StatusCode, body::Incoming};
use tokio_util::sync::CancellationToken;

use super::{
    actions::{self, ChannelAction, TopicAction},
    config,
    debug::{self, Debug},
    health, metrics,
    parameters::Parameters,
    peek, policies, publish, stats,
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
    Peek,
}

const ROUTES: [(&str, Route<'static>); 33] = [
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
    ("/channel/peek", Route::Peek),
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
            | Self::Peek
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

/// Answers one request.
pub(super) async fn answer(nsqd: &Arc<Nsqd>, request: Request<Incoming>, stop: &CancellationToken) -> Answer {
    let (head, body) = request.into_parts();
    let path = plain_path(head.uri.path());
    let query = head.uri.query().unwrap_or_default();
    let Some(route) = Route::find(&path) else {
        return unknown(&head.method, &path, head.uri.query(), correct);
    };
    if let Some(answer) = check_method(route.methods(), &head.method) {
        return answer;
    }
    let is_change = !matches!(head.method, Method::GET | Method::HEAD);
    let result = act(nsqd, route, is_change, query, body, stop).await;
    Answer { response: result.unwrap_or_else(Refusal::into_response), is_logged: route.is_logged() }
}

/// How a path is spelled that is there.
fn correct(path: &str) -> Option<String> {
    let index = format!("{path}/");
    [path.to_owned(), index].into_iter().find(|path| Route::find(path).is_some())
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
        Route::Peek => {
            let question = peek::Question::parse(nsqd, query)?;
            report(nsqd, move |_| question.answer()).await
        }
        Route::Alarms => Ok(health::alarms(nsqd)),
        Route::Config(key) if is_change => config::put(nsqd, key, body).await,
        Route::Config(key) => config::get(nsqd, key),
        Route::TopicPolicy => policies::of_topic(nsqd, query, is_change.then_some(body)).await,
        Route::ChannelPolicy => policies::of_channel(nsqd, query, is_change.then_some(body)).await,
        Route::Debug(what) => debug::answer(nsqd, what, query, body, stop).await,
        Route::ClearAlarms | Route::Topic(_) | Route::Channel(_) => {
            ignore(body).await?;
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

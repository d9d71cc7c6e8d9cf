//! Which path does what, by which method.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use daemon::http::{
    Answer,
    body::ignore,
    query::Query,
    respond::{self, Refusal, Response},
    routing::{Methods, check_method, plain_path, unknown},
};
use hyper::{Method, Request, StatusCode, body::Incoming, http::request::Parts};
use serde::Serialize;

use super::{
    acting::{self, Action},
    compression::compressed,
    config, graphite, history, me, metrics, peeking, reading,
    streaming::{self, Leash},
};
use crate::{access::Denied, admin::Admin};

/// What a path is for, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    Ping,
    Page,
    Static(&'a str),
    Render,
    Topics,
    Topic(&'a str),
    Channel(&'a str, &'a str),
    Nodes,
    Node(&'a str),
    Counter,
    Graphite,
    Me,
    Stream,
    History,
    Sparklines,
    Seek,
    Publish,
    Peek,
    Metrics,
    Config(&'a str),
}

impl<'a> Route<'a> {
    /// `path` begins behind the base path.
    fn find(path: &'a str, has_proxy: bool) -> Option<Self> {
        if let Some(name) = path.strip_prefix("/static/").or_else(|| path.strip_prefix("/fonts/")) {
            return Some(Self::Static(name)).filter(|_| !name.is_empty());
        }
        let mut parts = path.strip_prefix('/')?.split('/');
        let parts = [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()];
        if parts.iter().flatten().skip(1).any(|part| part.is_empty()) {
            return None;
        }
        Some(match parts {
            [Some("ping"), None, ..] => Self::Ping,
            [Some("metrics"), None, ..] => Self::Metrics,
            [Some("" | "topics" | "nodes" | "counter" | "lookup"), None, ..]
            | [Some("topics" | "nodes"), Some(_), None, ..]
            | [Some("topics"), Some(_), Some(_), None, _] => Self::Page,
            [Some("render"), None, ..] if has_proxy => Self::Render,
            [Some("config"), Some(option), None, ..] => Self::Config(option),
            [Some("api"), Some("topics"), None, ..] => Self::Topics,
            [Some("api"), Some("topics"), Some(topic), None, _] => Self::Topic(topic),
            [Some("api"), Some("topics"), Some(topic), Some(channel), None] => Self::Channel(topic, channel),
            [Some("api"), Some("nodes"), None, ..] => Self::Nodes,
            [Some("api"), Some("nodes"), Some(node), None, _] => Self::Node(node),
            [Some("api"), Some("counter"), None, ..] => Self::Counter,
            [Some("api"), Some("graphite"), None, ..] => Self::Graphite,
            [Some("api"), Some("me"), None, ..] => Self::Me,
            [Some("api"), Some("stream"), None, ..] => Self::Stream,
            [Some("api"), Some("history"), None, ..] => Self::History,
            [Some("api"), Some("sparklines"), None, ..] => Self::Sparklines,
            [Some("api"), Some("seek"), None, ..] => Self::Seek,
            [Some("api"), Some("publish"), None, ..] => Self::Publish,
            [Some("api"), Some("peek"), None, ..] => Self::Peek,
            _ => return None,
        })
    }

    fn methods(self) -> Methods {
        match self {
            Self::Topics => Methods::GetPost,
            Self::Seek | Self::Publish => Methods::Post,
            Self::Topic(_) | Self::Channel(..) => Methods::GetPostDelete,
            Self::Node(_) => Methods::GetDelete,
            Self::Config(_) => Methods::GetPut,
            _ => Methods::Get,
        }
    }

    /// Whether each request is worth a line in the log. Pages ask for the past again and again.
    fn is_logged(self) -> bool {
        !matches!(self, Self::Ping | Self::Static(_) | Self::Metrics | Self::History | Self::Sparklines)
    }
}

/// Answers one request.
pub(super) async fn answer(
    admin: &Arc<Admin>,
    peer: SocketAddr,
    leash: &Leash,
    request: Request<Incoming>,
) -> Answer {
    let (head, body) = request.into_parts();
    let path = plain_path(head.uri.path()).into_owned();
    let has_proxy = admin.start.options.graphite.as_ref().is_some_and(|graphite| graphite.is_proxied);
    let base = admin.start.options.base_path.as_str();
    let inner = |path: &str| {
        path.strip_prefix(base).map(|path| if path.is_empty() { "/".to_owned() } else { path.to_owned() })
    };
    let below = inner(&path).filter(|_| path != format!("{base}/") || base.is_empty());
    let Some(route) = below.as_deref().and_then(|path| Route::find(path, has_proxy)) else {
        let correct = |path: &str| {
            let path = if path.is_empty() { "/" } else { path };
            inner(path).filter(|below| Route::find(below, has_proxy).is_some()).map(|_| path.to_owned())
        };
        return unknown(&head.method, &path, head.uri.query(), correct);
    };
    if let Some(answer) = check_method(route.methods(), &head.method) {
        return answer;
    }
    let response = act(admin, route, &head, peer, leash, body).await.unwrap_or_else(Refusal::into_response);
    Answer { response: compressed(&head.headers, response).await, is_logged: route.is_logged() }
}

async fn act(
    admin: &Arc<Admin>,
    route: Route<'_>,
    head: &Parts,
    peer: SocketAddr,
    leash: &Leash,
    body: Incoming,
) -> Result<Response, Refusal> {
    let is_action = matches!(head.method, Method::POST | Method::DELETE);
    // Bodies of messages are not for everybody, either.
    if (is_action || route == Route::Peek)
        && let Err(denied) = admin.access.check_action(&head.headers)
    {
        admin.denied.fetch_add(1, Ordering::Relaxed);
        return Ok(forbidden(denied));
    }
    if is_action {
        let action = action(route, &head.method, body).await?;
        admin.actions.fetch_add(1, Ordering::Relaxed);
        return acting::act(admin, action, head, peer).await;
    }
    let query = || Query::parse(head.uri.query().unwrap_or_default());
    match route {
        Route::Ping => Ok(respond::plain(StatusCode::OK, "OK")),
        Route::Metrics => Ok(metrics::metrics(admin)),
        Route::Page => Ok(admin.page.index()),
        Route::Static(name) => Ok(admin
            .page
            .file(name, &head.headers)
            .unwrap_or_else(|| respond::plain(StatusCode::NOT_FOUND, "NOT_FOUND"))),
        Route::Render => graphite::render(admin, head.uri.query()).await,
        Route::Topics => reading::topics(admin, &query()?).await,
        Route::Topic(topic) => reading::topic(admin, topic).await,
        Route::Channel(topic, channel) => reading::channel(admin, topic, channel).await,
        Route::Nodes => reading::nodes(admin).await,
        Route::Node(node) => reading::node(admin, node).await,
        Route::Counter => reading::counter(admin).await,
        Route::Graphite => graphite::rate(admin, &query()?).await,
        Route::Me => Ok(me::me(admin, &head.headers)),
        Route::Stream => streaming::stream(admin, leash, &query()?),
        Route::Peek => peeking::peek(admin, &query()?, head, peer).await,
        Route::Seek | Route::Publish => Err(Refusal::not_found("NOT_FOUND")),
        Route::History => history::history(admin, &query()?),
        Route::Sparklines => history::sparklines(admin, &query()?),
        Route::Config(option) => {
            let is_change = head.method == Method::PUT;
            if let Err(denied) = admin.access.check_config(peer.ip(), &head.headers, is_change) {
                return Ok(forbidden(denied));
            }
            if is_change { config::put(admin, option, body).await } else { config::get(admin, option) }
        }
    }
}

async fn action(route: Route<'_>, method: &Method, body: Incoming) -> Result<Action, Refusal> {
    let is_delete = *method == Method::DELETE;
    match route {
        Route::Topics => Action::create(body).await,
        Route::Topic(topic) if is_delete => {
            ignore(body).await?;
            Ok(Action::DeleteTopic { topic: topic.to_owned() })
        }
        Route::Channel(topic, channel) if is_delete => {
            ignore(body).await?;
            Ok(Action::DeleteChannel { topic: topic.to_owned(), channel: channel.to_owned() })
        }
        Route::Topic(topic) => Action::verb(topic, None, body).await,
        Route::Channel(topic, channel) => Action::verb(topic, Some(channel), body).await,
        Route::Seek => Action::seek(body).await,
        Route::Publish => Action::publish(body).await,
        Route::Node(node) => Action::tombstone(node, body).await,
        _ => Err(Refusal::not_found("NOT_FOUND")),
    }
}

/// NSQ's answer, with the reason besides.
fn forbidden(denied: Denied) -> Response {
    #[derive(Serialize)]
    struct Forbidden {
        message: &'static str,
        reason: String,
    }
    let mut response = respond::json(&Forbidden { message: "FORBIDDEN", reason: denied.to_string() });
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_parameters() {
        for (path, expected) in [
            ("/", Some(Route::Page)),
            ("/topics/t#ephemeral/c", Some(Route::Page)),
            ("/topics/t/c/x", None),
            ("/api/topics", Some(Route::Topics)),
            ("/api/topics/t", Some(Route::Topic("t"))),
            ("/api/topics/t/c#ephemeral", Some(Route::Channel("t", "c#ephemeral"))),
            ("/api/topics/t/c/x", None),
            ("/api/topics//c", None),
            ("/api/nodes/[::1]:4151", Some(Route::Node("[::1]:4151"))),
            ("/static/vendor/preact.js", Some(Route::Static("vendor/preact.js"))),
            ("/static/", None),
            ("/render", None),
            ("/config/log_level", Some(Route::Config("log_level"))),
            ("/config", None),
            ("", None),
        ] {
            assert_eq!(Route::find(path, false), expected, "{path}");
        }
        assert_eq!(Route::find("/render", true), Some(Route::Render));
    }
}

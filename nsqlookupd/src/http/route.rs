//! Which path does what, by which method.

use std::sync::Arc;

use daemon::http::{
    Answer,
    body::ignore,
    query::Query,
    respond::{self, Refusal, Response},
    routing::{Methods, check_method, plain_path, unknown},
};
use hyper::{Request, StatusCode, body::Incoming};
use serde::Serialize;

use super::{
    changing::{self, Change},
    metrics, reading,
};
use crate::lookupd::Lookupd;

/// What a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Ping,
    Info,
    Topics,
    Channels,
    Lookup,
    Nodes,
    Debug,
    Metrics,
    Change(Change),
}

const ROUTES: [(&str, Route); 13] = [
    ("/ping", Route::Ping),
    ("/info", Route::Info),
    ("/topics", Route::Topics),
    ("/channels", Route::Channels),
    ("/lookup", Route::Lookup),
    ("/nodes", Route::Nodes),
    ("/debug", Route::Debug),
    ("/metrics", Route::Metrics),
    ("/topic/create", Route::Change(Change::CreateTopic)),
    ("/topic/delete", Route::Change(Change::DeleteTopic)),
    ("/topic/tombstone", Route::Change(Change::Tombstone)),
    ("/channel/create", Route::Change(Change::CreateChannel)),
    ("/channel/delete", Route::Change(Change::DeleteChannel)),
];

impl Route {
    fn find(path: &str) -> Option<Self> {
        ROUTES.iter().find(|(known, _)| *known == path).map(|(_, route)| *route)
    }

    fn methods(self) -> Methods {
        if matches!(self, Self::Change(_)) { Methods::Post } else { Methods::Get }
    }
}

/// Answers one request.
pub(super) async fn answer(lookupd: &Arc<Lookupd>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let path = plain_path(head.uri.path());
    let query = head.uri.query().unwrap_or_default();
    let Some(route) = Route::find(&path) else {
        let correct = |path: &str| Route::find(path).map(|_| path.to_owned());
        return unknown(&head.method, &path, head.uri.query(), correct);
    };
    if let Some(answer) = check_method(route.methods(), &head.method) {
        return answer;
    }
    let result = act(lookupd, route, query, body).await;
    let is_logged = route != Route::Metrics;
    Answer { response: result.unwrap_or_else(Refusal::into_response), is_logged }
}

async fn act(lookupd: &Arc<Lookupd>, route: Route, query: &str, body: Incoming) -> Result<Response, Refusal> {
    match route {
        Route::Ping => Ok(respond::plain(StatusCode::OK, "OK")),
        Route::Info => Ok(info()),
        Route::Topics => report(lookupd, reading::topics).await,
        Route::Channels => reading::channels(lookupd, &Query::parse(query)?),
        Route::Lookup => reading::lookup(lookupd, &Query::parse(query)?),
        Route::Nodes => report(lookupd, reading::nodes).await,
        Route::Debug => report(lookupd, reading::debug).await,
        Route::Metrics => report(lookupd, metrics::metrics).await,
        Route::Change(change) => {
            ignore(body).await?;
            changing::apply(lookupd, change, &Query::parse(query)?)
        }
    }
}

fn info() -> Response {
    #[derive(Serialize)]
    struct Info {
        version: &'static str,
    }
    respond::json(&Info { version: daemon::version::COMPATIBLE })
}

/// Has an answer made that takes its time.
async fn report(lookupd: &Arc<Lookupd>, answer: fn(&Lookupd) -> Response) -> Result<Response, Refusal> {
    let shared = Arc::clone(lookupd);
    let busy = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_REQUESTS");
    let made = lookupd.reports.make(move || answer(&shared)).map_err(|_| busy())?;
    made.await.map_err(|_| busy())
}

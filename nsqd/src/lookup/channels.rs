//! The channels that a new topic has on other nsqds: they get their copy from its first message on.

use std::{collections::BTreeSet, sync::Arc};

use daemon::ask::Asker;
use protocol::{ChannelName, LookupIdentified};
use reqwest::Url;
use serde::Deserialize;
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::{Known, Secure};
use crate::{nsqd::Nsqd, topic::Topic};

/// New topics that are asked about at a time.
const AT_ONCE: usize = 64;

/// Lets new topics begin, for ever, each once the nsqlookupds have told what they know of it.
pub(super) async fn run(nsqd: &Arc<Nsqd>, asker: &Asker, secure: Option<&Secure>, known: &Known) {
    let mut changes = nsqd.topics.names_changes();
    let mut queries = JoinSet::new();
    loop {
        changes.mark_unchanged();
        for topic in nsqd.topics.take_newborn(AT_ONCE - queries.len()) {
            let servers: Vec<LookupIdentified> = known
                .lock()
                .values()
                .flatten()
                .filter(|server| !server.broadcast_address.is_empty())
                .cloned()
                .collect();
            let asker = secure.map_or_else(|| asker.clone(), Secure::asker);
            queries.spawn(begin(Arc::clone(nsqd), asker, servers, secure.is_some(), topic));
        }
        let is_full = AT_ONCE == queries.len();
        tokio::select! {
            result = changes.changed(), if !is_full => {
                if result.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            Some(_) = queries.join_next() => {}
        }
    }
}

/// Lets new topics begin without asking, for ever.
pub(super) async fn release_all(nsqd: &Nsqd) {
    let mut changes = nsqd.topics.names_changes();
    loop {
        changes.mark_unchanged();
        nsqd.topics.take_newborn(usize::MAX).iter().for_each(|topic| topic.begin());
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn begin(
    nsqd: Arc<Nsqd>,
    asker: Asker,
    servers: Vec<LookupIdentified>,
    is_secure: bool,
    topic: Arc<Topic>,
) {
    let name = topic.name().clone();
    if servers.is_empty() {
        error!("no available nsqlookupd to query for channels to pre-create for topic {name}");
    } else {
        let count = servers.len();
        let (channels, failures) = channels(&asker, servers, is_secure, name.as_str()).await;
        let of = if failures.len() == count { "" } else { "some of " };
        if !failures.is_empty() {
            let failures = failures.join("; ");
            warn!("failed to query {of}nsqlookupd for channels to pre-create for topic {name} - {failures}");
        }
        for channel in channels {
            if channel.is_ephemeral() {
                // It is of use only where its consumers are.
                continue;
            }
            if topic.channel_or_create(&channel).1 {
                nsqd.topics.rewrite_soon();
            }
        }
    }
    topic.begin();
}

/// What all servers know together, and who failed.
async fn channels(
    asker: &Asker,
    servers: Vec<LookupIdentified>,
    is_secure: bool,
    topic: &str,
) -> (BTreeSet<ChannelName>, Vec<String>) {
    #[derive(Deserialize)]
    struct Answer {
        channels: Vec<String>,
    }
    let mut queries = JoinSet::new();
    for server in servers {
        let (asker, topic) = (asker.clone(), topic.to_owned());
        queries.spawn(async move {
            // Without HTTPS, it may have something before it that knows.
            let (scheme, port) = match server.https_port {
                port if is_secure && port != 0 => ("https", port),
                _ => ("http", server.http_port),
            };
            let place = format!("{}:{port}", server.broadcast_address);
            let failed = |cause: String| format!("{place}: {cause}");
            let mut url = Url::parse(&format!("{scheme}://{place}/channels"))
                .map_err(|error| failed(error.to_string()))?;
            url.query_pairs_mut().append_pair("topic", &topic);
            let body = asker.ask(&url, None).await.map_err(|error| failed(error.to_string()))?;
            let answer: Result<Answer, _> = serde_json::from_slice(&body);
            answer.map_err(|error| failed(error.to_string()))
        });
    }
    let (mut channels, mut failures) = (BTreeSet::new(), Vec::new());
    while let Some(joined) = queries.join_next().await {
        match joined {
            Ok(Ok(answer)) => {
                channels.extend(
                    answer.channels.iter().filter_map(|name| ChannelName::parse(name.as_bytes()).ok()),
                );
            }
            Ok(Err(failure)) => failures.push(failure),
            // Nothing cancels it, and a panic ends the process.
            Err(_) => {}
        }
    }
    (channels, failures)
}

//! Telling an HTTP endpoint of actions, one after the other, behind the backs of those who act.

use std::time::Duration;

use daemon::ask::Asker;
use reqwest::Url;
use serde::Serialize;
use tokio::{sync::mpsc, time::sleep};
use tracing::warn;

/// Notices that may wait; what is more is not told.
const WAITING_MAX: usize = 1000;
const ATTEMPTS_MAX: u32 = 3;
/// Before another attempt: doubled each time.
const PAUSE: Duration = Duration::from_millis(500);

/// What somebody did. The order of keys is NSQ's; `error` is ours.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Notice {
    pub(crate) action: &'static str,
    pub(crate) topic: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) node: String,
    /// Unix time in s.
    pub(crate) timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    pub(crate) remote_ip: String,
    pub(crate) user_agent: String,
    pub(crate) url: String,
    /// The host of nsqadmin.
    pub(crate) via: String,
    /// What was not done, and why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) error: String,
}

/// Takes notices.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    /// `None`: nobody wants to know.
    tx: Option<mpsc::Sender<Notice>>,
}

impl Notifier {
    /// The notifier, and what tells the endpoint: a task for as long as there are notifiers.
    pub(crate) fn new(endpoint: Option<Url>, asker: Asker) -> (Self, impl Future<Output = ()>) {
        let (tx, rx) = endpoint
            .map(|endpoint| (endpoint, mpsc::channel(WAITING_MAX)))
            .map_or((None, None), |(endpoint, (tx, rx))| (Some(tx), Some((endpoint, rx))));
        let told = async move {
            let Some((endpoint, mut rx)) = rx else { return };
            while let Some(notice) = rx.recv().await {
                tell(&asker, &endpoint, &notice).await;
            }
        };
        (Self { tx }, told)
    }

    /// Has the endpoint told.
    pub(crate) fn notify(&self, notice: Notice) {
        let Some(tx) = &self.tx else { return };
        if let Err(error) = tx.try_send(notice) {
            warn!("NOTIFY: an action is not told to --notification-http-endpoint - {error}");
        }
    }
}

async fn tell(asker: &Asker, endpoint: &Url, notice: &Notice) {
    let json = serde_json::to_string(notice).expect("a notice has string keys");
    let mut pause = PAUSE;
    for attempt in 1..=ATTEMPTS_MAX {
        match asker.ask(endpoint, Some(&json)).await {
            // It was told; what it thinks of it is its business.
            Ok(_) | Err(daemon::ask::AskError::Status(_) | daemon::ask::AskError::TooLarge(_)) => return,
            Err(error) if attempt == ATTEMPTS_MAX => {
                warn!("NOTIFY: {} was not told to --notification-http-endpoint - {error}", notice.action);
            }
            Err(_) => {
                sleep(pause).await;
                pause *= 2;
            }
        }
    }
}

//! A harness for tests of whole binaries: start a daemon, talk to it over TCP and HTTP, kill it, start it again.
//!
//! A test reads as a story:
//!
//! ```no_run
//! # async fn story() {
//! let nsqd = tests::Nsqd::start().await;
//! let mut consumer = nsqd.consumer("orders", "billing", 1).await;
//! nsqd.connect().await.publish("orders", b"one").await;
//! let message = consumer.next_message().await;
//! assert_eq!(message.body, b"one");
//! consumer.fin(message.id).await;
//! # }
//! ```
//!
//! Every wait has a deadline, and whatever goes wrong is a panic that says what was awaited. When a test fails, the log of
//! its daemon is printed. The binaries are `NSQD_BIN`, `NSQLOOKUPD_BIN` and `NSQADMIN_BIN`, or else the workspace's own, which `cargo build`
//! must have built. `NSQD_IS_REFERENCE=1` says that they are NSQ's: tests of what we do better are skipped then.
#![expect(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by a panic, and so does its harness"
)]

mod certificates;
mod client;
mod consumers;
mod deadline;
mod events;
mod fault_proxy;
mod foreign_consumer;
mod http;
mod http_server;
mod log_capture;
mod log_file;
mod lookup_client;
mod lookup_server;
mod lookupd;
mod mock_nsqd;
mod nsqadmin;
mod nsqd;
mod process;
mod tool;

pub use self::client::{Client, Message, Received, compressed};
pub use certificates::{Authority, Identity, Tls};
pub use consumers::{consume, next_message, try_consume};
pub use deadline::{DEADLINE, PATIENCE, SILENCE, within, within_time};
pub use events::Events;
pub use fault_proxy::FaultProxy;
pub use foreign_consumer::{ForeignConsumer, Kind};
pub use http::{HttpConnection, Response};
pub use http_server::{HttpServer, Request};
pub use log_capture::LogCapture;
pub use log_file::await_line;
pub use lookup_client::LookupClient;
pub use lookup_server::{LookupServer, Mood};
pub use lookupd::Lookupd;
pub use mock_nsqd::{MockConnection, MockNsqd};
pub use nsqadmin::Nsqadmin;
pub use nsqd::{Nsqd, Stats, tool};
pub use rustix::process::Signal;
pub use tool::{Ended, Tool};

/// Whether the binary under test is NSQ's own.
pub fn is_reference() -> bool {
    std::env::var_os("NSQD_IS_REFERENCE").is_some_and(|value| value == "1")
}

/// Whether to go on with a test of something that we do better than NSQ 1.3; says so if not.
#[expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
pub fn ours_only(better: &str) -> bool {
    if is_reference() {
        eprintln!("skipped, the reference does not do this: {better}");
    }
    !is_reference()
}

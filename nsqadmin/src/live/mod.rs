//! The cluster as it lives: one task looks at it again and again, and whoever watches is told what has changed.
//!
//! What servers say goes through [`core`], which knows no clock and no socket: it makes a [`snapshot`] of it, with rates from
//! the look before, remembers the [`history`], and asks the [`rules`]. The [`poller`] does the asking, a stream the telling.

mod clients;
mod core;
mod counts;
mod documents;
mod findings;
mod history;
mod interest;
mod page_documents;
mod poller;
mod rates;
mod rows;
mod rules;
mod seen;
mod snapshot;
mod stream;
mod track;
mod view;

#[cfg(test)]
mod core_tests;

pub(crate) use history::Subject;
pub(crate) use interest::Live;
pub(crate) use poller::Poller;
pub(crate) use stream::{EVENTS_MAX, End, feed};
pub(crate) use track::{HISTORY_SPAN_S, HISTORY_STEP_S};
pub(crate) use view::View;

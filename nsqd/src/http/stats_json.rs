//! The statistics as NSQ's JSON document.

use serde::Serialize;

use crate::statistics::{ChannelReport, ClientReport, LatencyReport, Memory, Report, TopicReport};
use crate::{
    alarms::Alarm,
    topic::{QueuePolicy, TopicPolicy},
};

/// The document.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    version: &'static str,
    health: &'a str,
    start_time: i64,
    /// Not in NSQ's document, and only there when something was damaged.
    #[serde(skip_serializing_if = "<[Alarm]>::is_empty")]
    alarms: &'a [Alarm],
    topics: Option<Vec<Topic<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    producers: Option<&'a [ClientReport]>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the document of NSQ")]
struct Topic<'a> {
    topic_name: &'a str,
    channels: Vec<Channel<'a>>,
    depth: u64,
    backend_depth: u64,
    message_count: u64,
    message_bytes: u64,
    paused: bool,
    e2e_processing_latency: &'a LatencyReport,
    /// From here on, not in NSQ's document, and only there when there is something to say.
    #[serde(skip_serializing_if = "is_zero")]
    refused_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a TopicPolicy>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the document of NSQ")]
struct Channel<'a> {
    channel_name: &'a str,
    depth: u64,
    backend_depth: u64,
    in_flight_count: u64,
    deferred_count: u64,
    message_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    zone_local_msg_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    region_local_msg_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    global_msg_count: u64,
    requeue_count: u64,
    timeout_count: u64,
    client_count: usize,
    clients: Option<&'a [ClientReport]>,
    paused: bool,
    e2e_processing_latency: &'a LatencyReport,
    /// From here on, not in NSQ's document, and only there when there is something to say.
    #[serde(skip_serializing_if = "is_zero")]
    expired_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    dead_letter_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a QueuePolicy>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(super) fn document(report: &Report) -> Document<'_> {
    Document {
        version: daemon::version::COMPATIBLE,
        health: &report.health,
        start_time: report.start_unix,
        alarms: &report.alarms,
        topics: report.topics.as_ref().map(|topics| topics.iter().map(|each| topic(each, report)).collect()),
        memory: report.memory,
        producers: (!report.producers.is_empty()).then_some(&report.producers),
    }
}

fn topic<'a>(topic: &'a TopicReport, report: &Report) -> Topic<'a> {
    Topic {
        topic_name: &topic.name,
        channels: topic.channels.iter().map(|each| channel(each, report)).collect(),
        depth: topic.counts.depth,
        backend_depth: topic.backend_depth,
        message_count: topic.counts.message_count,
        message_bytes: topic.counts.message_bytes,
        paused: topic.counts.paused,
        e2e_processing_latency: &topic.latency,
        refused_count: topic.counts.refused,
        config: Some(&topic.policy).filter(|policy| !policy.is_empty()),
    }
}

fn channel<'a>(channel: &'a ChannelReport, report: &Report) -> Channel<'a> {
    let counts = &channel.counts;
    let [global_msg_count, region_local_msg_count, zone_local_msg_count] = counts.delivered;
    Channel {
        channel_name: &channel.name,
        depth: counts.counts.depth,
        backend_depth: channel.backend_depth,
        in_flight_count: counts.counts.in_flight,
        deferred_count: counts.counts.deferred,
        message_count: counts.message_count,
        zone_local_msg_count,
        region_local_msg_count,
        global_msg_count,
        requeue_count: counts.requeue_count,
        timeout_count: counts.timeout_count,
        client_count: counts.clients.len(),
        clients: report.with_clients.then_some(&channel.clients),
        paused: counts.paused,
        e2e_processing_latency: &channel.latency,
        expired_count: counts.losses.expired,
        dropped_count: counts.losses.dropped,
        dead_letter_count: counts.losses.dead_lettered,
        config: Some(&channel.policy).filter(|policy| !policy.is_empty()),
    }
}

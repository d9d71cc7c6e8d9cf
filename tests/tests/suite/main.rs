//! What users of nsqd can see, a file a behaviour, on the real binary over real sockets.

mod alarms;
mod bounded_disk;
mod deferred;
mod disk_full;
mod ephemeral;
mod fan_out;
mod faults;
mod heartbeats;
mod http_api;
mod http_names;
mod http_publish;
mod identify;
mod import;
mod metrics;
mod nsq_data;
mod pause_empty_delete;
mod protocol_errors;
mod protocol_errors_subscribed;
mod pub_ack;
mod publish_consume;
mod requeue_timeout_touch;
mod restart;
mod seek;
mod several_consumers;
mod stats;
mod tls;

//! What all connections are told by the options.

use std::{sync::Arc, time::Duration};

use daemon::tls::{Required, ServerTls};
use protocol::{ClientSettings, IdentifyOptions, Limits};

use crate::{auth::Authorizer, options::Options};

/// Limits and defaults of connections.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(super) limits: Limits,
    pub(super) identify: IdentifyOptions,
    /// Of a client before its IDENTIFY.
    pub(super) client: ClientSettings,
    pub(super) max_msg_timeout: Duration,
    pub(super) max_req_timeout: Duration,
    /// 0 for no limit.
    pub(super) max_channel_consumers: usize,
    /// Whether it counts where consumers are.
    pub(super) is_topology_aware: bool,
    /// `None`: TLS is not offered.
    pub(super) tls: Option<Arc<ServerTls>>,
    /// Whether clients have to ask for it.
    pub(super) is_tls_required: bool,
    /// `None`: everybody may do everything.
    pub(super) authorizer: Option<Authorizer>,
}

impl Settings {
    pub(crate) fn new(
        options: &Options,
        tls: Option<Arc<ServerTls>>,
        authorizer: Option<Authorizer>,
    ) -> Self {
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let max_rdy_count = narrow(options.max_rdy_count);
        Self {
            limits: Limits {
                max_msg_bytes: options.max_msg_size,
                // A length on the wire is a signed number of 32 bits.
                max_body_bytes: narrow(options.max_body_size).min(i32::MAX.unsigned_abs()),
                max_rdy_count,
                max_req_timeout: options.max_defer_timeout,
            },
            identify: IdentifyOptions {
                max_heartbeat_interval: options.max_heartbeat_interval,
                min_output_buffer_timeout: options.min_output_buffer_timeout,
                max_output_buffer_timeout: options.max_output_buffer_timeout,
                max_output_buffer_bytes: narrow(options.max_output_buffer_size),
                max_msg_timeout: options.max_msg_timeout,
                max_rdy_count,
                version: daemon::version::COMPATIBLE.to_owned(),
                topology_region: options.topology_region.clone(),
                topology_zone: options.topology_zone.clone(),
                tls_v1: tls.is_some(),
                snappy: options.snappy,
                deflate: options.deflate,
                max_deflate_level: options.max_deflate_level,
                auth_required: authorizer.is_some(),
            },
            client: ClientSettings {
                output_buffer_timeout: options.output_buffer_timeout,
                msg_timeout: options.msg_timeout,
                ..ClientSettings::default()
            },
            max_msg_timeout: options.max_msg_timeout,
            max_req_timeout: options.max_req_timeout,
            max_channel_consumers: options
                .max_channel_consumers
                .map_or(0, |max| usize::try_from(max).unwrap_or(usize::MAX)),
            is_topology_aware: options.topology_aware,
            tls,
            is_tls_required: options.tls.required != Required::No,
            authorizer,
        }
    }

    /// What sizes and numbers clients may send.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Shown in `/info`.
    pub(crate) fn max_deflate_level(&self) -> u8 {
        self.identify.max_deflate_level
    }
}

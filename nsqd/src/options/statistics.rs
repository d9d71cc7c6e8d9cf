//! The options of statsd and of latency percentiles, typed and checked.

use std::time::Duration;

use daemon::{
    address::ListenAddress,
    options::{Reader, Refused, Source},
};

/// Shorter intervals would be a mistake rather than a wish.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// Percentiles of one daemon.
const PERCENTILES_MAX: usize = 64;

/// The size of a datagram if none, or 0, is asked for.
const PACKET_BYTES_DEFAULT: usize = 4096;
/// What UDP over IPv4 can carry.
const PACKET_BYTES_MAX: usize = 65_507;

/// What is told to other programs.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// `None`: nothing is pushed.
    pub statsd: Option<Statsd>,
    /// Latency percentiles.
    pub latency: Latency,
    /// Topics that `/metrics` shows one by one.
    pub metrics_topics_max: usize,
}

/// Where statistics are pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statsd {
    /// A host and a port, resolved anew at each push.
    pub address: String,
    /// Between two pushes; not zero.
    pub interval: Duration,
    /// As given: `%s` stands for this nsqd.
    pub prefix: String,
    /// Whether figures of the heap are among them.
    pub mem_stats: bool,
    /// Bytes of a datagram, 1 to 65507.
    pub packet_bytes: usize,
    /// Whether ephemeral topics and channels are left out.
    pub exclude_ephemeral: bool,
}

/// Percentiles of the time from publishing to FIN.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// Each above 0 and at most 1, in the order in which they are shown. Empty: none are kept.
    pub percentiles: Vec<f64>,
    /// The time that they cover; not zero.
    pub window: Duration,
}

impl Statistics {
    /// Reads its options. `percentiles` says where those come from.
    ///
    /// # Errors
    /// [`Refused`]
    pub(super) fn read(reader: &mut Reader<'_>, percentiles: Source) -> Result<Self, Refused> {
        Ok(Self {
            statsd: Statsd::read(reader)?,
            latency: Latency::read(reader, percentiles)?,
            metrics_topics_max: reader.int("metrics-topics-max", 0..=i64::MAX)?,
        })
    }
}

impl Statsd {
    /// Reads its options; `None` without an address.
    ///
    /// # Errors
    /// [`Refused`]
    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Refused> {
        const NAME: &str = "statsd-address";
        let address = reader.text(NAME);
        let packet_bytes: i64 = reader.int("statsd-udp-packet-size", i64::MIN..=i64::MAX)?;
        let packet_bytes = usize::try_from(packet_bytes).unwrap_or(0);
        let statsd = Self {
            address: address.to_owned(),
            interval: reader.duration("statsd-interval", INTERVAL_MIN)?,
            prefix: reader.text("statsd-prefix").to_owned(),
            mem_stats: reader.boolean("statsd-mem-stats"),
            packet_bytes: if packet_bytes == 0 { PACKET_BYTES_DEFAULT } else { packet_bytes }
                .min(PACKET_BYTES_MAX),
            exclude_ephemeral: reader.boolean("statsd-exclude-ephemeral"),
        };
        if address.is_empty() {
            return Ok(None);
        }
        match address.parse() {
            Ok(ListenAddress::Tcp(_)) => Ok(Some(statsd)),
            _ => Err(Refused::value(NAME, address, "must be host:port")),
        }
    }

    /// The prefix of all names: `%s` replaced by the key of this nsqd, and a dot at the end.
    pub(crate) fn full_prefix(prefix: &str, broadcast_address: &str, broadcast_http_port: u16) -> String {
        // An address of IPv6 has brackets around it.
        let place = if broadcast_address.contains(':') {
            format!("[{broadcast_address}]:{broadcast_http_port}")
        } else {
            format!("{broadcast_address}:{broadcast_http_port}")
        };
        let key = place.replace(['.', ':'], "_");
        let mut full = prefix.replace("%s", &key);
        if !full.is_empty() && !full.ends_with('.') {
            full.push('.');
        }
        full
    }
}

impl Latency {
    /// Reads its options.
    ///
    /// # Errors
    /// [`Refused`]
    fn read(reader: &mut Reader<'_>, source: Source) -> Result<Self, Refused> {
        let mut percentiles = reader.floats("e2e-processing-latency-percentile").to_vec();
        if let Some(wrong) = percentiles.iter().find(|p| !(0.0 < **p && **p <= 1.0)) {
            // The text is NSQ's.
            return Err(Refused::new(format!("invalid E2E processing latency percentile: {wrong}")));
        }
        if PERCENTILES_MAX < percentiles.len() {
            return Err(Refused::new(format!(
                "--e2e-processing-latency-percentile: at most {PERCENTILES_MAX} can be given"
            )));
        }
        if source == Source::Flag {
            percentiles.sort_by(|a, b| b.total_cmp(a));
        }
        let window = reader.duration("e2e-processing-latency-window-time", INTERVAL_MIN)?;
        Ok(Self { percentiles, window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// nsqadmin builds the same key to find its graphs.
    #[test]
    fn the_prefix_is_the_references_to_the_character() {
        for (prefix, address, port, expected) in [
            ("nsq.%s", "nsqd-1.example.com", 4151, "nsq.nsqd-1_example_com_4151."),
            ("nsq.%s", "10.0.0.5", 4151, "nsq.10_0_0_5_4151."),
            ("nsq.%s", "::1", 4151, "nsq.[__1]_4151."),
            ("nsq.%s", "nsqd-1", 0, "nsq.nsqd-1_0."),
            ("stats.%s.nsq", "nsqd-1", 4151, "stats.nsqd-1_4151.nsq."),
            ("plain", "nsqd-1", 4151, "plain."),
            ("dot.", "nsqd-1", 4151, "dot."),
            ("", "nsqd-1", 4151, ""),
            ("a%d", "nsqd-1", 4151, "a%d."),
        ] {
            assert_eq!(Statsd::full_prefix(prefix, address, port), expected, "{prefix}");
        }
    }
}

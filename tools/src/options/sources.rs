//! Where messages come from: fixed nsqds, or those that nsqlookupds know.

use daemon::options::{Flag, Reader, Refused, texts};

/// The flag of nsqlookupds, the same for every utility.
const LOOKUPD_FLAG: &str = "lookupd-http-address";

/// The addresses of `nsqd_flag` (`nsqd-tcp-address` or `nsqd-http-address`) and `lookupd-http-address`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    nsqd_flag: &'static str,
    /// Given with `nsqd_flag`.
    pub nsqds: Vec<String>,
    /// Given with `lookupd-http-address`.
    pub lookupds: Vec<String>,
}

/// The two flags; `nsqd_flag` is the name of the one for nsqds.
pub fn source_flags(nsqd_flag: &'static str) -> [Flag; 2] {
    let lookupd_help = "nsqlookupd that knows the nsqds, over HTTP (may be given several times)";
    [
        texts(nsqd_flag, "nsqd (may be given several times)").argument("host:port"),
        texts(LOOKUPD_FLAG, lookupd_help).argument("host:port"),
    ]
}

impl Sources {
    /// Reads both flags.
    pub fn read(reader: &mut Reader<'_>, nsqd_flag: &'static str) -> Self {
        let nsqds = reader.texts(nsqd_flag).to_vec();
        Self { nsqd_flag, nsqds, lookupds: reader.texts(LOOKUPD_FLAG).to_vec() }
    }

    /// At least one address must be given. `end` is what one of the utilities ends the sentence with.
    ///
    /// # Errors
    /// The text.
    pub fn check_given(&self, end: &str) -> Result<(), Refused> {
        if self.nsqds.is_empty() && self.lookupds.is_empty() {
            return Err(Refused::new(format!("--{} or --{LOOKUPD_FLAG} required{end}", self.nsqd_flag)));
        }
        Ok(())
    }

    /// Addresses of one kind only.
    ///
    /// # Errors
    /// The text.
    pub fn check_one_kind(&self) -> Result<(), Refused> {
        if !self.nsqds.is_empty() && !self.lookupds.is_empty() {
            return Err(Refused::new(format!("use --{} or --{LOOKUPD_FLAG} not both", self.nsqd_flag)));
        }
        Ok(())
    }

    /// [`check_given`](Self::check_given), then [`check_one_kind`](Self::check_one_kind).
    ///
    /// # Errors
    /// The text of the first that fails.
    pub fn check(&self) -> Result<(), Refused> {
        self.check_given("").and_then(|()| self.check_one_kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(nsqds: &[&str], lookupds: &[&str], expected: Option<&str>) {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let sources =
            Sources { nsqd_flag: "nsqd-tcp-address", nsqds: owned(nsqds), lookupds: owned(lookupds) };
        assert_eq!(sources.check().err().map(|refused| refused.to_string()).as_deref(), expected);
    }

    #[test]
    fn one_kind_of_address_is_needed_and_enough() {
        check(&["a:1"], &[], None);
        check(&[], &["a:1", "b:1"], None);
        check(&[], &[], Some("--nsqd-tcp-address or --lookupd-http-address required"));
        check(&["a"], &["b"], Some("use --nsqd-tcp-address or --lookupd-http-address not both"));
    }
}

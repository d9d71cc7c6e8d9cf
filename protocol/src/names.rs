//! Names of topics and channels.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Longest name, the suffix [`EPHEMERAL_SUFFIX`] included.
pub const MAX_NAME_BYTES: usize = 64;

/// What makes a topic or channel ephemeral: nothing else does.
pub const EPHEMERAL_SUFFIX: &str = "#ephemeral";

/// The bytes are not a name: 1 to 64 of `. a-z A-Z 0-9 _ -`, with an optional `#ephemeral` at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name: it takes 1 to 64 of the characters .a-zA-Z0-9_-, optionally with #ephemeral at the end")]
pub struct InvalidName;

/// Whether `name` can name a topic or a channel; the rule is the same for both.
#[inline]
pub fn is_valid_name(name: &[u8]) -> bool {
    let base = name.strip_suffix(EPHEMERAL_SUFFIX.as_bytes()).unwrap_or(name);
    !base.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && base.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// `name` as text if [`is_valid_name`]; for looking a topic up without making a [`TopicName`].
#[inline]
pub fn valid_name(name: &[u8]) -> Option<&str> {
    if is_valid_name(name) { std::str::from_utf8(name).ok() } else { None }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `name` and copies it. Clones share the copy.
            ///
            /// # Errors
            /// [`InvalidName`] unless [`is_valid_name`].
            pub fn parse(name: &[u8]) -> Result<Self, InvalidName> {
                valid_name(name).map(|name| Self(Arc::from(name))).ok_or(InvalidName)
            }

            /// The name as text, all of it ASCII.
            #[inline]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether it lives in memory only and goes with its last user.
            pub fn is_ephemeral(&self) -> bool {
                self.0.ends_with(EPHEMERAL_SUFFIX)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::parse(name.as_bytes())
            }
        }
    };
}

name_type! {
    /// A valid topic name. Cheap to clone; orders and hashes as its text.
    TopicName
}

name_type! {
    /// A valid channel name. Cheap to clone; orders and hashes as its text.
    ChannelName
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn check(name: &str, valid: bool) {
        assert_eq!(is_valid_name(name.as_bytes()), valid, "{name:?}");
        assert_eq!(TopicName::parse(name.as_bytes()).is_ok(), valid, "{name:?}");
        assert_eq!(ChannelName::parse(name.as_bytes()).is_ok(), valid, "{name:?}");
    }

    #[test]
    fn names_follow_the_recorded_rules() {
        for name in ["t", ".", "..", "-", "_", "aZ09._-", "a#ephemeral", ".#ephemeral"] {
            check(name, true);
        }
        for name in [
            "",
            "t!",
            "a b",
            "#ephemeral",
            "a#ephemeralx",
            "a#ephemeral\n",
            "a\n",
            "é",
            "a#b",
            "a#ephemeral#ephemeral",
        ] {
            check(name, false);
        }
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
        check(&format!("{}#ephemeral", "a".repeat(54)), true);
        check(&format!("{}#ephemeral", "a".repeat(55)), false);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_no_name() {
        assert!(!is_valid_name(b"\xff"));
        assert_eq!(TopicName::parse(b"a\xff"), Err(InvalidName));
    }

    #[test]
    fn the_suffix_alone_decides_what_is_ephemeral() {
        let topic = |name: &str| name.parse::<TopicName>().unwrap();
        assert!(topic("t#ephemeral").is_ephemeral());
        assert!(!topic("t-ephemeral").is_ephemeral());
        assert!(!topic("ephemeral").is_ephemeral());
    }

    #[test]
    fn a_map_of_names_is_searched_by_text() {
        let map = HashMap::from([(TopicName::parse(b"t").unwrap(), 1)]);
        assert_eq!(map.get("t"), Some(&1));
        assert_eq!(map.get("u"), None);
    }
}

//! The names of the commands.

use std::fmt;

/// A command of protocol V2. There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Settings, and upgrades of the connection.
    Identify,
    /// A secret for the authorization server.
    Auth,
    /// Join a channel.
    Sub,
    /// Publish a message.
    Pub,
    /// Publish several messages.
    Mpub,
    /// Publish a message that is delivered later.
    Dpub,
    /// How many messages may be in flight.
    Rdy,
    /// A message is done.
    Fin,
    /// A message is to come again.
    Req,
    /// A message needs more time.
    Touch,
    /// No more messages, please.
    Cls,
    /// A sign of life.
    Nop,
}

impl Verb {
    /// All commands.
    pub const ALL: [Self; 12] = [
        Self::Identify,
        Self::Auth,
        Self::Sub,
        Self::Pub,
        Self::Mpub,
        Self::Dpub,
        Self::Rdy,
        Self::Fin,
        Self::Req,
        Self::Touch,
        Self::Cls,
        Self::Nop,
    ];

    /// The command of that name; case matters.
    #[inline]
    pub fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"FIN" => Self::Fin,
            b"PUB" => Self::Pub,
            b"MPUB" => Self::Mpub,
            b"RDY" => Self::Rdy,
            b"NOP" => Self::Nop,
            b"REQ" => Self::Req,
            b"TOUCH" => Self::Touch,
            b"DPUB" => Self::Dpub,
            b"SUB" => Self::Sub,
            b"CLS" => Self::Cls,
            b"IDENTIFY" => Self::Identify,
            b"AUTH" => Self::Auth,
            _ => return None,
        })
    }

    /// The name as sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identify => "IDENTIFY",
            Self::Auth => "AUTH",
            Self::Sub => "SUB",
            Self::Pub => "PUB",
            Self::Mpub => "MPUB",
            Self::Dpub => "DPUB",
            Self::Rdy => "RDY",
            Self::Fin => "FIN",
            Self::Req => "REQ",
            Self::Touch => "TOUCH",
            Self::Cls => "CLS",
            Self::Nop => "NOP",
        }
    }

    /// Whether the body is one message.
    #[inline]
    pub const fn publishes_one(self) -> bool {
        matches!(self, Self::Pub | Self::Dpub)
    }

    /// Whether the body holds messages.
    #[inline]
    pub const fn publishes(self) -> bool {
        matches!(self, Self::Pub | Self::Dpub | Self::Mpub)
    }

    /// Whether a body follows the line.
    #[inline]
    pub const fn has_body(self) -> bool {
        self.publishes() || matches!(self, Self::Identify | Self::Auth)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_commands_correspond() {
        for verb in Verb::ALL {
            assert_eq!(Verb::parse(verb.as_str().as_bytes()), Some(verb));
            assert_eq!(Verb::parse(verb.as_str().to_lowercase().as_bytes()), None);
        }
        for name in ["", "FI", "FINN", "GET"] {
            assert_eq!(Verb::parse(name.as_bytes()), None);
        }
    }
}

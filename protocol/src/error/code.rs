//! The first word of an error frame.

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The first word of an error frame, by which clients tell errors apart.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as sent.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

error_codes! {
    /// The magic is not `  V2`.
    BadProtocol = "E_BAD_PROTOCOL",
    /// The command, its state or its parameters.
    Invalid = "E_INVALID",
    /// The topic's name.
    BadTopic = "E_BAD_TOPIC",
    /// The channel's name.
    BadChannel = "E_BAD_CHANNEL",
    /// The body of IDENTIFY, AUTH or MPUB.
    BadBody = "E_BAD_BODY",
    /// A message to publish.
    BadMessage = "E_BAD_MESSAGE",
    /// An upgrade.
    IdentifyFailed = "E_IDENTIFY_FAILED",
    /// AUTH without an authorization server.
    AuthDisabled = "E_AUTH_DISABLED",
    /// AUTH is missing.
    AuthFirst = "E_AUTH_FIRST",
    /// The authorization server refused or did not answer.
    AuthFailed = "E_AUTH_FAILED",
    /// The answer to AUTH could not be written.
    AuthError = "E_AUTH_ERROR",
    /// Not allowed.
    Unauthorized = "E_UNAUTHORIZED",
    /// SUB.
    SubFailed = "E_SUB_FAILED",
    /// PUB.
    PubFailed = "E_PUB_FAILED",
    /// MPUB.
    MpubFailed = "E_MPUB_FAILED",
    /// DPUB.
    DpubFailed = "E_DPUB_FAILED",
    /// FIN; the connection goes on.
    FinFailed = "E_FIN_FAILED",
    /// REQ; the connection goes on.
    ReqFailed = "E_REQ_FAILED",
    /// TOUCH; the connection goes on.
    TouchFailed = "E_TOUCH_FAILED",
}

impl ErrorCode {
    /// The code of an error frame's data; `None` for one that NSQ does not have.
    pub fn of(text: &[u8]) -> Option<Self> {
        let word = text.split(|&byte| byte == b' ').next()?;
        Self::ALL.iter().copied().find(|code| code.as_str().as_bytes() == word)
    }

    /// Whether the server closes the connection behind it.
    pub const fn is_fatal(self) -> bool {
        !matches!(self, Self::FinFailed | Self::ReqFailed | Self::TouchFailed)
    }
}

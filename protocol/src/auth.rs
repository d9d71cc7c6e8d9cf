//! The response to AUTH.

use serde::{Deserialize, Serialize};

use crate::json::to_escaped_json;

/// What AUTH answers on success, in place of `OK`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthResponse {
    /// Whom the authorization server knows behind the secret.
    #[serde(default)]
    pub identity: String,
    /// Where to read about the identity, or empty.
    #[serde(default)]
    pub identity_url: String,
    /// Number of authorizations.
    #[serde(default)]
    pub permission_count: u32,
}

impl AuthResponse {
    /// The response frame's data.
    pub fn to_json(&self) -> String {
        to_escaped_json(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_response_is_reproduced() {
        let response = AuthResponse {
            identity: "bob".into(),
            identity_url: "http://u?a=1&b=2".into(),
            permission_count: 1,
        };
        let json = response.to_json();
        assert_eq!(json, r#"{"identity":"bob","identity_url":"http://u?a=1\u0026b=2","permission_count":1}"#);
        assert_eq!(serde_json::from_str::<AuthResponse>(&json).unwrap(), response);
    }
}

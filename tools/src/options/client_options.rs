//! `--consumer-opt` and `--producer-opt`: settings of the client inside.

use daemon::options::{Flag, texts};

/// `--consumer-opt`: `name,value`, or `name` for true.
pub fn consumer_options() -> Flag {
    texts("consumer-opt", "setting of the consumer inside (may be given several times)")
        .argument("name,value")
}

/// `--producer-opt`: `name,value`, or `name` for true.
pub fn producer_options() -> Flag {
    texts("producer-opt", "setting of the producer inside (may be given several times)")
        .argument("name,value")
}

/// The two parts of `name,value`. A name alone is one of a boolean, which is switched on.
pub fn name_and_value(text: &str) -> (&str, &str) {
    text.split_once(',').unwrap_or((text, "true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_means_true() {
        assert_eq!(name_and_value("tls_v1"), ("tls_v1", "true"));
        assert_eq!(name_and_value("max_attempts,0"), ("max_attempts", "0"));
        assert_eq!(name_and_value("auth_secret,a,b"), ("auth_secret", "a,b"));
    }
}

//! What somebody looks at.

use daemon::http::query::Query;

/// Names of topics and channels are shorter, addresses of nodes not longer.
const NAME_BYTES_MAX: usize = 300;

/// A page of the UI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum View {
    Overview,
    Topics,
    Topic(String),
    Channel(String, String),
    Nodes,
    Node(String),
    Lookup,
    Counter,
}

impl View {
    /// As a request names it: `view=` and what belongs to it.
    pub(crate) fn parse(query: &Query) -> Option<Self> {
        let name = |key: &str| {
            let value = query.get(key).map(|value| String::from_utf8_lossy(value).into_owned());
            value.filter(|value| !value.is_empty() && value.len() <= NAME_BYTES_MAX)
        };
        Some(match query.get("view")? {
            b"overview" => Self::Overview,
            b"topics" => Self::Topics,
            b"topic" => Self::Topic(name("topic")?),
            b"channel" => Self::Channel(name("topic")?, name("channel")?),
            b"nodes" => Self::Nodes,
            b"node" => Self::Node(name("node")?),
            b"lookup" => Self::Lookup,
            b"counter" => Self::Counter,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_named_with_what_belongs_to_them() {
        for (query, expected) in [
            ("view=topics", Some(View::Topics)),
            ("view=topic&topic=a%23ephemeral", Some(View::Topic("a#ephemeral".to_owned()))),
            ("view=channel&channel=c&topic=t", Some(View::Channel("t".to_owned(), "c".to_owned()))),
            ("view=node&node=%5B::1%5D:4151", Some(View::Node("[::1]:4151".to_owned()))),
            ("view=channel&topic=t", None),
            ("view=topic&topic=", None),
            (&format!("view=topic&topic={}", "x".repeat(301)), None),
            ("view=", None),
            ("", None),
        ] {
            assert_eq!(View::parse(&Query::parse(query).unwrap()), expected, "{query}");
        }
    }
}

//! What was announced, and what there is.

use std::collections::BTreeSet;

use protocol::{ChannelName, LookupCommand, TopicName};

use crate::topic::Topics;

/// Topics, and channels of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Announced(BTreeSet<(TopicName, Option<ChannelName>)>);

impl Announced {
    /// What there is now, ephemeral ones too.
    pub(super) fn of(topics: &Topics) -> Self {
        let mut all = BTreeSet::new();
        for topic in topics.all() {
            let channels = topic.channels();
            all.extend(channels.iter().map(|channel| (topic.name().clone(), Some(channel.name().clone()))));
            all.insert((topic.name().clone(), None));
        }
        Self(all)
    }

    /// The commands that lead from here to `now`. A channel announces its topic.
    pub(super) fn commands_to(&self, now: &Self) -> Vec<LookupCommand> {
        let mut commands = Vec::new();
        // Channels before their topic.
        for (topic, channel) in self.0.iter().rev().filter(|name| !now.0.contains(name)) {
            commands.push(LookupCommand::Unregister(topic.clone(), channel.clone()));
        }
        let mut added = now.0.difference(&self.0).peekable();
        while let Some((topic, channel)) = added.next() {
            let is_implied = channel.is_none()
                && added.peek().is_some_and(|(next, channel)| next == topic && channel.is_some());
            if !is_implied {
                commands.push(LookupCommand::Register(topic.clone(), channel.clone()));
            }
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(names: &[(&str, &str)]) -> Announced {
        let pair = |(topic, channel): &(&str, &str)| {
            (
                topic.parse().unwrap(),
                Some(*channel).filter(|name| !name.is_empty()).map(|name| name.parse().unwrap()),
            )
        };
        Announced(names.iter().map(pair).collect())
    }

    fn lines(from: &Announced, to: &Announced) -> Vec<String> {
        from.commands_to(to).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_changed_is_said() {
        let none = Announced::default();
        let both = announced(&[("a", ""), ("b", ""), ("b", "c"), ("b", "d")]);
        assert_eq!(lines(&none, &both), ["REGISTER a", "REGISTER b c", "REGISTER b d"]);
        assert_eq!(lines(&both, &both), [""; 0]);
        let fewer = announced(&[("a", ""), ("a", "x"), ("b", ""), ("b", "c")]);
        assert_eq!(lines(&both, &fewer), ["UNREGISTER b d", "REGISTER a x"]);
        assert_eq!(
            lines(&fewer, &announced(&[("a", "")])),
            ["UNREGISTER b c", "UNREGISTER b", "UNREGISTER a x"]
        );
    }
}

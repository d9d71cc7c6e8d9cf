//! The programs as clap sees them.

use clap::{Arg, ArgAction, Command, CommandFactory, ValueHint};
use daemon::options::{Flag, Kind, Program};
use tools::options::{nsq_bench, nsq_data, nsq_stat, nsq_tail, nsq_to_file, nsq_to_http, nsq_to_nsq, to_nsq};

/// Shown in place of the default that depends on the host.
const NODE_ID: u16 = 0;

/// All programs.
pub(crate) fn all() -> Vec<Command> {
    let tables = [
        (nsqd::options::program(NODE_ID), "Receives, stores and delivers messages"),
        (nsqlookupd::options::program(), "Knows which nsqd has which topics"),
        (nsqadmin::options::program(), "Shows a cluster in the browser, and acts on it"),
        (nsq_stat::program(), "Watches a channel: one summed line per interval"),
        (nsq_tail::program(), "Shows the messages of topics"),
        (nsq_to_file::program(), "Writes messages to files, and acknowledges what is on the disk"),
        (nsq_to_http::program(), "Makes an HTTP request of each message"),
        (nsq_to_nsq::program(), "Publishes messages to other nsqds"),
        (to_nsq::program(), "Publishes standard input"),
    ];
    let tables = tables.into_iter().map(|(program, about)| of_program(&program, about));
    tables.chain([nsq_bench::Args::command(), nsq_data::Args::command()]).collect()
}

fn of_program(program: &Program, about: &'static str) -> Command {
    // The programs' own --version is in their tables.
    let mut command =
        Command::new(program.name()).about(about).disable_version_flag(true).disable_help_subcommand(true);
    for group in program.groups() {
        let flags = group.flags().iter().map(of_flag);
        command = command.next_help_heading(group.title()).args(flags);
    }
    command
}

fn of_flag(flag: &Flag) -> Arg {
    let name = flag.name();
    let arg = Arg::new(name).long(name).help(flag.full_help());
    if flag.is_boolean() {
        return arg.action(ArgAction::SetTrue);
    }
    let action = match flag.kind() {
        Kind::Texts | Kind::Floats => ArgAction::Append,
        Kind::Bool | Kind::Int | Kind::Float | Kind::Duration | Kind::Text | Kind::Choice(_) => {
            ArgAction::Set
        }
    };
    let hint = match flag.placeholder() {
        "path" => ValueHint::AnyPath,
        "address" | "host:port" => ValueHint::Hostname,
        "url" => ValueHint::Url,
        _ => ValueHint::Other,
    };
    arg.action(action).value_name(flag.placeholder()).value_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_become_consistent_commands() {
        for command in all() {
            command.debug_assert();
        }
    }
}

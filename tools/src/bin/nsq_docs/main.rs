//! Writes shell completions and man pages of all programs into a folder, from the tables that the programs themselves read.

mod command;

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Command, Parser};
use clap_complete::{Shell, generate};

/// Writes shell completions and man pages of all programs.
#[derive(Debug, Parser)]
#[command(name = "nsq_docs", version, about)]
struct Args {
    /// Folder to write to: `bash`, `zsh`, `fish` and `man` are made in it.
    folder: PathBuf,
}

#[expect(clippy::print_stderr, reason = "the one place where a failed run is told")]
fn main() -> ExitCode {
    match write_all(&Args::parse().folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nsq_docs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_all(folder: &Path) -> anyhow::Result<()> {
    let man = folder.join("man");
    fs::create_dir_all(&man).with_context(|| man.display().to_string())?;
    for command in command::all() {
        for (shell, subfolder) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
            write_completions(&command, shell, &folder.join(subfolder))?;
        }
        let name = command.get_name().to_owned();
        clap_mangen::generate_to(command, &man).with_context(|| format!("man page of {name}"))?;
    }
    Ok(())
}

/// Writes a file with the name by which the shell finds it.
fn write_completions(command: &Command, shell: Shell, folder: &Path) -> anyhow::Result<()> {
    let name = command.get_name().to_owned();
    let file = match shell {
        Shell::Zsh => format!("_{name}"),
        Shell::Fish => format!("{name}.fish"),
        _ => name.clone(),
    };
    let mut text = Vec::new();
    generate(shell, &mut command.clone(), name, &mut text);
    let path = folder.join(file);
    let write = || {
        fs::create_dir_all(folder)?;
        File::create(&path)?.write_all(&text)
    };
    write().with_context(|| path.display().to_string())
}

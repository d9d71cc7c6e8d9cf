//! Shell completions and man pages, which are made from the programs' own tables.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

const PROGRAMS: [&str; 11] = [
    "nsqd",
    "nsqlookupd",
    "nsqadmin",
    "nsq_stat",
    "nsq_tail",
    "nsq_to_file",
    "nsq_to_http",
    "nsq_to_nsq",
    "to_nsq",
    "nsq_bench",
    "nsq_data",
];

/// The flags that the usage text of a program names. Those of subcommands are left out.
fn flags(program: &str) -> Vec<String> {
    let output = Command::new(tests::tool(program))
        .arg("--help")
        .output()
        .expect("it is built: run `cargo build` first");
    let usage = [output.stdout, output.stderr].concat();
    let usage = String::from_utf8_lossy(&usage).into_owned();
    let flags = usage.lines().filter_map(|line| {
        let words = line.strip_prefix("  ")?.split_whitespace();
        let flag = words.take(2).find(|word| word.starts_with('-') && !word.ends_with(','))?;
        Some(flag.trim_start_matches('-').to_owned())
    });
    flags.filter(|flag| flag.len() > 1).collect()
}

fn read(path: &Path) -> String {
    let text = fs::read_to_string(path);
    assert!(text.is_ok(), "{}: {text:?}", path.display());
    text.unwrap_or_default()
}

#[test]
fn every_program_has_completions_and_a_man_page_with_all_its_flags() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let status = Command::new(tests::tool("nsq_docs")).arg(folder.path()).status().expect("it is built");
    assert!(status.success());
    for program in PROGRAMS {
        let bash = folder.path().join("bash").join(program);
        let files = [
            bash.clone(),
            folder.path().join("zsh").join(format!("_{program}")),
            folder.path().join("fish").join(format!("{program}.fish")),
            folder.path().join("man").join(format!("{program}.1")),
        ];
        let flags = flags(program);
        assert!(!flags.is_empty(), "{program}");
        for file in &files {
            // Man pages write a dash as `\-`, so that it is not broken.
            let text = read(file).replace("\\-", "-");
            for flag in &flags {
                let is_named = text.contains(&format!("--{flag}")) || text.contains(&format!("-l {flag}"));
                assert!(is_named, "{} does not name --{flag}", file.display());
            }
        }
        let status = Command::new("bash").arg("-n").arg(&bash).status().expect("there is a bash");
        assert!(status.success(), "bash does not take {}", bash.display());
    }
}

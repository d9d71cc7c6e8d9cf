//! Checks of our own sources.

use std::collections::HashSet;
use std::path::Path;

use crate::rust_file::{RustFile, all};
use crate::{expect_none, root};

/// Lines of a file without its tests module.
const FILE_LINES_MAX: usize = 500;

/// Files that may be longer, how long, and why.
const LONGER_FILES: [(&str, usize, &str); 0] = [];

/// What may not use what. A path ending in `/` is a folder; names are modules of the same crate.
const FORBIDDEN_EDGES: [(&str, &[&str], &str); 4] = [
    ("nsqd/src/log/", &["topic", "channel", "tcp", "http"], "the log is the lowest layer"),
    ("nsqd/src/topic", &["tcp", "http"], "queues do not know how they are reached"),
    ("nsqd/src/channel", &["tcp", "http"], "queues do not know how they are reached"),
    ("nsqd/src/tcp", &["http"], "the two doors do not know each other"),
];

/// Where `unsafe` may be written.
const UNSAFE_PREFIX: &str = "nsqd/src/log/segment";

/// What a TODO must tell: when it is to be done.
const TODO_CONDITIONS: [&str; 3] = ["when ", "once ", "if "];

#[test]
fn files_are_short() {
    // Protects readers: a file that grows beyond one subject is cut.
    let mut findings = Vec::new();
    for file in all() {
        let exception = LONGER_FILES.iter().find(|(path, _, _)| *path == file.path);
        let limit = exception.map_or(FILE_LINES_MAX, |(_, limit, _)| *limit);
        let lines = file.lines_without_tests();
        if lines > limit {
            findings.push(format!("{} has {lines} lines without tests, the limit is {limit}", file.path));
        }
    }
    for (path, _, reason) in LONGER_FILES {
        if reason.is_empty() || !root().join(path).exists() {
            findings.push(format!("the exception for {path} is not needed, or has no reason"));
        }
    }
    expect_none("files that are too long", &findings);
}

#[test]
fn modules_begin_with_docs() {
    // Protects strangers: every file says first what it is.
    let findings: Vec<_> =
        all().into_iter().filter(|file| !file.text.starts_with("//! ")).map(|file| file.path).collect();
    expect_none("files that do not begin with `//! `", &findings);
}

#[test]
fn every_file_is_part_of_a_crate() {
    // Protects against dead files: each is a crate's root or named by a `mod` line.
    let files = all();
    let named: HashSet<String> = files.iter().flat_map(RustFile::child_modules).flatten().collect();
    let findings: Vec<_> =
        files.into_iter().filter(|file| !is_crate_root(&file.path) && !named.contains(&file.path)).collect();
    let findings: Vec<_> = findings.into_iter().map(|file| file.path).collect();
    expect_none("files that no `mod` line names", &findings);
}

/// Whether cargo compiles the file by its place.
fn is_crate_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        [_, "build.rs"]
            | [_, "src", "lib.rs" | "main.rs"]
            | [_, "src", "bin", _]
            | [_, "src", "bin", _, "main.rs"]
            | [_, "tests" | "benches" | "examples", _]
            | [_, "tests" | "benches" | "examples", _, "main.rs"]
    )
}

#[test]
fn modules_use_only_what_lies_below_them() {
    // Protects the layers inside nsqd: connections use queues, queues use the log, never back.
    let mut findings = Vec::new();
    for file in all() {
        for (path, forbidden, reason) in FORBIDDEN_EDGES {
            if !is_below(&file.path, path) {
                continue;
            }
            for (number, line) in file.code(true) {
                for module in forbidden.iter().filter(|module| mentions_module(line, module)) {
                    findings.push(format!("{}:{number} uses {module}, but {reason}", file.path));
                }
            }
        }
    }
    expect_none("uses against the direction of the layers", &findings);
}

fn is_below(path: &str, place: &str) -> bool {
    let file = format!("{place}.rs");
    path == file || path.starts_with(place) && (place.ends_with('/') || path[place.len()..].starts_with('/'))
}

/// Whether a line of code names a module of its crate: `crate::tcp`, or one of several in `crate::{…}`.
fn mentions_module(line: &str, module: &str) -> bool {
    let Some((_, rest)) = line.split_once("crate::") else { return false };
    let group = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
    let mut names =
        group.unwrap_or(rest).split(',').map(|name| name.trim().split("::").next().unwrap_or_default());
    names.any(|name| name.trim_end_matches([';', ' ', ')', '(', '.']) == module)
}

#[test]
fn unsafe_stays_in_the_segment_module() {
    // Protects memory: what needs care is in one place, where it is tested for it.
    let mut findings = Vec::new();
    for file in all() {
        if file.path.starts_with(UNSAFE_PREFIX) || file.path.ends_with("tidy/sources.rs") {
            continue;
        }
        for (number, line) in file.code(false) {
            let keyword = ["unsafe {", "unsafe fn ", "unsafe impl ", "unsafe extern ", "unsafe trait "];
            if keyword.iter().any(|keyword| line.contains(keyword)) || line.contains("(unsafe_code") {
                findings.push(format!("{}:{number}", file.path));
            }
        }
    }
    expect_none("unsafe outside of the segment module", &findings);
}

#[test]
fn what_is_left_to_do_has_a_condition() {
    // Protects against wishes that nobody will ever come back to.
    let mut findings = Vec::new();
    for file in all() {
        if Path::new(&file.path).ends_with("tidy/sources.rs") {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            let marker = ["TODO", "FIXME", "XXX", "HACK"].into_iter().find_map(|word| line.split_once(word));
            let Some((before, after)) = marker else { continue };
            let is_comment = before.contains("//");
            if is_comment && !TODO_CONDITIONS.iter().any(|condition| after.contains(condition)) {
                findings.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    expect_none("TODO without its condition (when, once, if …)", &findings);
}

#[test]
fn the_checks_see_what_they_look_for() {
    // Protects these checks themselves from seeing nothing.
    assert!(mentions_module("use crate::tcp::Server;", "tcp"));
    assert!(mentions_module("use crate::{log, tcp};", "tcp"));
    assert!(mentions_module("let x = crate::http::serve();", "http"));
    assert!(!mentions_module("use crate::topic::Topic;", "tcp"));
    assert!(!mentions_module("use crate::tcp_options;", "tcp"));
    assert!(is_below("nsqd/src/log/segment.rs", "nsqd/src/log/"));
    assert!(
        is_below("nsqd/src/topic.rs", "nsqd/src/topic")
            && is_below("nsqd/src/topic/mod.rs", "nsqd/src/topic")
    );
    assert!(!is_below("nsqd/src/topics.rs", "nsqd/src/topic"));
    let file =
        RustFile { path: "a/src/b.rs".to_owned(), text: "mod c;\nlet u = \"x//y\"; // z\n".to_owned() };
    assert_eq!(file.child_modules(), [["a/src/b/c.rs", "a/src/b/c/mod.rs"]]);
    assert_eq!(file.code(true).map(|(_, line)| line).collect::<Vec<_>>(), ["mod c;", "let u = \"x//y\";"]);
}

//! A Rust source file as these checks see it: lines of code, with tests and comments told apart.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// Folders of the workspace that hold Rust sources.
pub(super) const CRATES: [&str; 6] = ["protocol", "daemon", "nsqd", "nsqlookupd", "tools", "tests"];

/// A source file.
pub(super) struct RustFile {
    /// Relative to the workspace.
    pub(super) path: String,
    pub(super) text: String,
}

/// All Rust sources of the workspace.
pub(super) fn all() -> Vec<RustFile> {
    let root = root();
    let mut paths = Vec::new();
    for name in CRATES {
        collect(&root.join(name), &mut paths);
    }
    paths.sort();
    assert!(paths.len() > CRATES.len(), "the sources were not found");
    paths.iter().map(|path| RustFile::read(&root, path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            if name != "target" && name != "node_modules" && name != ".venv" {
                collect(&path, paths);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

impl RustFile {
    fn read(root: &Path, path: &Path) -> Self {
        let relative = path.strip_prefix(root).expect("a source lies in the workspace");
        let text = fs::read_to_string(path).expect("a source can be read");
        Self { path: relative.to_string_lossy().into_owned(), text }
    }

    /// Lines before the tests module.
    pub(super) fn lines_without_tests(&self) -> usize {
        self.lines_before_tests().count()
    }

    /// Line number and line of the code, without comments, and without the tests module if `skip_tests`.
    pub(super) fn code(&self, skip_tests: bool) -> impl Iterator<Item = (usize, &str)> {
        let lines: Box<dyn Iterator<Item = &str>> =
            if skip_tests { Box::new(self.lines_before_tests()) } else { Box::new(self.text.lines()) };
        lines
            .enumerate()
            .map(|(index, line)| (index + 1, without_comment(line)))
            .filter(|(_, line)| !line.is_empty())
    }

    /// The inline tests module is the last item of a file, by custom.
    fn lines_before_tests(&self) -> impl Iterator<Item = &str> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| {
            pair[0].starts_with("#[cfg(")
                && pair[0].contains("test")
                && pair[1].starts_with("mod ")
                && pair[1].ends_with('{')
        });
        let end = tests.unwrap_or(lines.len());
        lines.into_iter().take(end)
    }

    /// Names of `mod name;` and where each is expected, or the file given by `#[path]`.
    pub(super) fn child_modules(&self) -> Vec<Vec<String>> {
        let path = Path::new(&self.path);
        let folder = path.parent().expect("a source lies in a folder");
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a source has a name");
        let is_root = matches!(stem, "main" | "lib" | "mod")
            || folder.ends_with("tests")
            || folder.ends_with("benches");
        let base = if is_root { folder.to_owned() } else { folder.join(stem) };
        let candidates = |name: &str| {
            let file = base.join(format!("{name}.rs"));
            let in_folder = base.join(name).join("mod.rs");
            [file, in_folder].map(|path| path.to_string_lossy().into_owned()).to_vec()
        };
        self.code(false).filter_map(|(_, line)| module_name(line)).map(candidates).collect()
    }
}

fn module_name(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = if line.starts_with("pub") { line.split_once(' ')?.1 } else { line };
    let name = line.strip_prefix("mod ")?.strip_suffix(';')?;
    Some(name)
}

fn without_comment(line: &str) -> &str {
    let line = line.trim();
    // A `//` behind code is a comment unless it stands in a string, such as a URL's.
    let mut comments = line.match_indices("//").map(|(at, _)| at);
    let comment = comments.find(|at| line[..*at].matches('"').count().is_multiple_of(2));
    line[..comment.unwrap_or(line.len())].trim_end()
}

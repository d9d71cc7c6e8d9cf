//! Regular expressions as Go's RE2 reads them.

use regex::{Regex, RegexBuilder};

/// An expression that needs more memory than this, compiled, is refused.
const EXPRESSION_BYTES_MAX: usize = 1 << 20;

/// Compiles an expression, unanchored as in the reference. It is meant for names, which are ASCII: there `\d`, `\w` and `\s`
/// mean the same in both syntaxes. There is no `\C`.
///
/// # Errors
/// If it is none, or takes more than 1 MiB.
pub fn compile(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&as_rust(expression)).size_limit(EXPRESSION_BYTES_MAX).build()
}

/// RE2 in the syntax of the regex crate: what that reads otherwise is escaped. These are `\Q…\E`, and in classes `[`,
/// `&`, `~` and `-` behind another of its kind, which there nest or combine classes.
fn as_rust(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression;
    let mut in_class = false;
    while let Some(letter) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("\\Q") {
            let (literal, after) = behind.split_once("\\E").unwrap_or((behind, ""));
            out.push_str(&regex::escape(literal));
            rest = after;
            continue;
        }
        let mut length = letter.len_utf8();
        match letter {
            '\\' => length += rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' if !in_class => {
                in_class = true;
                // A bracket that closes at the beginning is one of the class.
                let negated = usize::from(rest[1..].starts_with('^'));
                length += negated;
                if rest[length..].starts_with(']') {
                    out.push_str(&rest[..length]);
                    out.push('\\');
                    rest = &rest[length..];
                    length = 1;
                }
            }
            '[' if rest.starts_with("[:") => {
                length = rest.find(":]").map_or(length, |end| end + 2);
            }
            '[' | '&' | '~' if in_class => out.push('\\'),
            '-' if in_class && rest[1..].starts_with('-') => out.push('\\'),
            ']' => in_class = false,
            _ => {}
        }
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects what operators wrote for RE2: the same names match.
    #[test]
    fn expressions_mean_what_they_mean_there() {
        for (expression, fits, fits_not) in [
            (r"^\Qa.b\E$", "a.b", "axb"),
            (r"^[a[]$", "a", "b"),
            (r"^[a&&b]$", "a", "c"),
            (r"^[]a]+$", "a", "b"),
            (r"^[^]a]+$", "b", "a"),
            (r"^[[:alpha:]_]+$", "ab_c", "a1"),
            (r"^[a--z]$", "a", "+"),
            (r"^[\w.-]+$", "a.b-c_d", "a#b"),
            (r"^\d+$", "123", "12a"),
            (r"(?i)^ORDERS$", "orders", "order"),
            (r"^(?P<name>ab)+$", "abab", "aba"),
            (r"^[\]]?a$", "a", "b"),
            ("", "anything", "\0"),
        ] {
            let compiled = compile(expression).unwrap();
            assert!(compiled.is_match(fits), "{expression} {fits}");
            assert!(expression.is_empty() || !compiled.is_match(fits_not), "{expression} {fits_not}");
        }
        assert!(compile(r"a(?=b)").is_err());
    }
}

//! Says in the words of a configuration file what its parser found and expected.

use super::document::joined;
use crate::provider::secrets::is_secret_name;
use crate::text::near::nearest;
use crate::text::synonyms;

/// A list of more names than this is left out where it is clear which one was meant.
const MANY: usize = 12;

/// Rephrases the parser's message so that an operator can act on it. A value that may be a secret is not repeated.
pub(super) fn explain(message: &str, path: &[String]) -> String {
    if message.contains("untagged enum Format") {
        return "not a spelling; write a template such as \"{base}{quote}\", or one per class: { crypto = \"{base}\" }"
            .into();
    }
    if message == "wanted string or table" {
        return "this is not text; write one word in quotes".to_owned();
    }
    let Some((found, expected)) = message.rsplit_once(", expected ").filter(|_| message.starts_with("invalid ")) else {
        return did_you_mean_one_of(message);
    };
    let found = found.trim_start_matches("invalid type: ").trim_start_matches("invalid value: ");
    let found = if may_be_secret(path, expected) { Found::Hidden } else { Found::read(found) };
    format!("{}; write {}", found.said(), found.cure(expected, path))
}

/// Whether what stands at a path may be a key or a password.
fn may_be_secret(path: &[String], expected: &str) -> bool {
    // a text in place of a source or of its headers is usually a key
    let is_source = path.first().is_some_and(|section| section == "sources");
    let is_table = expected == "a map" || expected.starts_with("struct ");
    let holds_keys = |name: &String| is_secret_name(name) || name == "headers" || name == "body";
    path.iter().skip(1).any(holds_keys) || is_source && is_table
}

/// What stands where something else is expected, as the file writes it.
enum Found<'m> {
    /// A number or `true` or `false`.
    Bare(&'m str),
    /// A text with its quotation marks.
    Text(&'m str),
    /// A list, a table or a date.
    Other(&'m str),
    /// Something that may be a secret.
    Hidden,
}

impl<'m> Found<'m> {
    /// Reads serde's words for it, such as "integer `2`".
    fn read(words: &'m str) -> Self {
        let value = |kind: &str| words.strip_prefix(kind).map(str::trim);
        let bare = value("integer").or_else(|| value("floating point")).or_else(|| value("boolean"));
        match (bare, value("string")) {
            (Some(bare), _) => Found::Bare(bare.trim_matches('`')),
            (None, Some(text)) => Found::Text(text),
            (None, None) => Found::Other(words),
        }
    }

    fn said(&self) -> String {
        match self {
            Found::Bare(value @ ("true" | "false")) => format!("this is {value}"),
            Found::Bare(value) => format!("{value} is a number"),
            Found::Text(text) => format!("{text} is text"),
            Found::Other("sequence") => "this is a list".to_owned(),
            Found::Other("map") => "this is a table".to_owned(),
            Found::Other(words) => format!("this is a {words}"),
            Found::Hidden => "a value of the wrong type".to_owned(),
        }
    }

    /// What to write, given serde's name of the type that is expected.
    fn cure(&self, expected: &str, path: &[String]) -> String {
        let number = "a whole number, 0 or more, without quotes";
        match (expected, self) {
            // a port alone
            ("a string", Found::Bare(port))
                if is_whole(port) && path.last().is_some_and(|key| key.ends_with("listen")) =>
            {
                format!("text in quotes: \"127.0.0.1:{port}\"")
            }
            ("a string" | "a borrowed string" | "path string" | "text in quotes", Found::Bare(value)) => {
                format!("text in quotes: \"{value}\"")
            }
            ("a string" | "a borrowed string" | "path string", _) => "text in quotes".to_owned(),
            ("usize" | "u16" | "u32" | "u64", Found::Text(text)) if is_whole(text.trim_matches('"')) => {
                format!("{number}: {}", text.trim_matches('"'))
            }
            ("usize" | "u16" | "u32" | "u64", _) => number.to_owned(),
            ("a boolean", _) => "true or false, without quotes".to_owned(),
            ("a sequence", Found::Text(text)) => format!("a list: [{text}]"),
            ("a sequence", _) => "a list, such as [\"a\", \"b\"]".to_owned(),
            ("a map", _) => "a table, such as { a = \"b\" }".to_owned(),
            (section, _) if section.starts_with("struct ") => {
                format!("a section with keys of its own: [{}]", joined(path))
            }
            (other, _) => other.to_owned(),
        }
    }
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong with a line that is not TOML: the parser's words, and how the line was probably meant. The line may hold a key,
/// so none of it is repeated.
pub(super) fn not_toml(message: &str, line: &str) -> String {
    if message == "duplicate key" {
        return "this is not TOML: this key, or this section, is there already; keep one, with the lines of both"
            .to_owned();
    }
    let hint = hint(line.trim()).map(|hint| format!("; {hint}")).unwrap_or_default();
    let message = message.replace('\n', "; ");
    let message = [", expected literal string", ", expected nothing"]
        .iter()
        .fold(message, |message, words| message.replace(words, ""));
    format!("this is not TOML: {message}{hint}")
}

/// Whether a mistake leaves open what the following lines belong to: a bracket or a long text is not closed.
pub(super) fn leaves_lines_open(message: &str) -> bool {
    ["unclosed", "array", "key-value pair", "multi-line", "table"].iter().any(|word| message.contains(word))
}

fn hint(line: &str) -> Option<&'static str> {
    if line.starts_with("//") || line.starts_with("--") || line.starts_with(';') {
        return Some("a comment begins with #");
    }
    if line.starts_with('[') && !line.contains('=') {
        return (!line.contains(']')).then_some("a section begins with its name in brackets, as in [server]");
    }
    let Some((_, value)) = line.split_once('=') else {
        return Some("write key = value, as in listen = \"127.0.0.1:8080\"");
    };
    let value = value.trim();
    let is_quote = |sign: char| "\u{201c}\u{201d}\u{2018}\u{2019}\u{ab}\u{bb}".contains(sign);
    if value.is_empty() || value.starts_with('#') {
        Some("write a value after the equals sign")
    } else if value.ends_with(',') && !value.starts_with(['[', '{']) {
        Some("a line has no comma at its end")
    } else if value.contains(is_quote) {
        Some("use plain quotation marks: \"…\"")
    } else if !value.starts_with(['"', '\'', '[', '{']) {
        Some("write text in quotes, as in \"2s\"; numbers, true and false have none")
    } else if value.starts_with('"') && value.matches('"').count() == 1 {
        Some("the quotation mark at the end is missing")
    } else if value.starts_with('"') && value.contains('\\') {
        Some("a backslash counts as a sign of its own only between single quotes: '…'")
    } else if value.starts_with('\'') && value.matches('\'').count() > 2 {
        Some("a text that holds a single quote stands between three of them: '''…'''")
    } else {
        None
    }
}

/// Adds the nearest name to a message such as "unknown field `tmeout`, expected one of `timeout`, `listen`".
fn did_you_mean_one_of(message: &str) -> String {
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("{name} is missing here; add it");
    }
    let Some((found, allowed)) = message.split_once(", expected ") else { return message.replace('\n', "; ") };
    let allowed: Vec<&str> = allowed.split('`').skip(1).step_by(2).collect();
    let wrong = found.split('`').nth(1).unwrap_or_default();
    let found = found.replace("unknown field", "unknown key").replace("unknown variant", "unknown value");
    with_allowed(&found, wrong, &allowed)
}

/// The message about a key that a section does not have.
pub(crate) fn unknown_key(wrong: &str, allowed: &[&str]) -> String {
    with_allowed(&format!("unknown key `{wrong}`"), wrong, allowed)
}

fn with_allowed(found: &str, wrong: &str, allowed: &[&str]) -> String {
    let names = allowed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match nearest(wrong, allowed.iter().copied()).or_else(|| synonyms::meant(wrong, allowed)) {
        Some(near) if allowed.len() > MANY => format!("{found}; did you mean `{near}`?"),
        Some(near) => format!("{found}; did you mean `{near}`? Allowed: {names}"),
        None => format!("{found}; allowed: {names}"),
    }
}

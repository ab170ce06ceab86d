//! Makes texts fit to be read: without the characters that control a terminal or change the direction of the text.

pub(crate) mod as_string;
pub(crate) mod near;
pub(crate) mod synonyms;
pub(crate) mod words;

use std::borrow::Cow;

/// Whether a character has no shape of its own but changes how others are shown: a control character, which includes line breaks
/// and tabs, or one that sets the direction of text.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text from elsewhere, made fit for a terminal: unprintable characters other than line breaks and tabs become spaces.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| is_unprintable(c) && !matches!(c, '\n' | '\t');
    if text.contains(is_bad) { Cow::Owned(text.replace(is_bad, " ")) } else { Cow::Borrowed(text) }
}

/// The same for a text that must stay in its line: line breaks and tabs become spaces too.
pub(crate) fn in_one_line(text: &str) -> String {
    text.replace(is_unprintable, " ")
}

/// The same JSON, made fit for a terminal: unprintable characters are escaped. Outside of strings, JSON has none of them but line
/// breaks.
pub(crate) fn printable_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unprintable(c) && c != '\n' {
            let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            shown.push_str(&units);
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Characters that control terminals or change the direction of text.
    const BAD: &str = "\u{1b}[2J\u{7}\u{8}\r\u{7f}\u{9b}31m\u{202e}\u{2066}\u{200f}\u{feff}\u{e0041}";

    #[test]
    fn a_terminal_sees_letters_lines_and_tabs() {
        assert_eq!(printable("£ 1\t2\n3 é"), "£ 1\t2\n3 é");
        assert!(!printable(BAD).contains(is_unprintable));
        assert_eq!(in_one_line("a\nb\u{1b}[1mc"), "a b [1mc");
    }

    proptest! {
        #[test]
        fn json_says_the_same_and_steers_nothing(text in "\\PC{0,20}", bad in proptest::sample::subsequence(BAD.chars().collect::<Vec<_>>(), 0..12)) {
            let value = serde_json::json!({ "text": format!("{text}{}{text}", bad.iter().collect::<String>()), "n": 1.5 });
            let shown = printable_json(&format!("{value:#}"));
            prop_assert!(!shown.replace('\n', "").contains(is_unprintable), "{}", shown);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}

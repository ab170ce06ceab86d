//! Lines that are ready to be shown: measured in the columns of a terminal, wrapped, shortened and perhaps coloured.
//!
//! Texts from elsewhere become part of a line only after the characters that control a terminal have been taken out of them. So
//! what is in [`Lines`] can be written as it is, and nothing else needs to be trusted.

use unicode_width::UnicodeWidthChar;

use crate::text::in_one_line;

/// What stands for the part of a text that is left out.
const LEFT_OUT: char = '…';

/// Asks for the preceding character as a picture, which is two columns wide.
const AS_PICTURE: char = '\u{fe0f}';

/// What a text says of itself by its colour. The words say it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// The name of a column.
    Head,
    /// It is as it should be.
    Good,
    /// It deserves a look.
    Doubtful,
    /// It is missing or wrong.
    Bad,
    /// It matters less than the rest.
    Faint,
}

/// Lines without their line breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines(Vec<String>);

impl Lines {
    /// None yet.
    pub(super) fn new() -> Self {
        Lines::default()
    }

    /// Adds a line that has been made of clean texts.
    pub(super) fn push(&mut self, line: String) {
        debug_assert!(!line.contains('\n'), "a line breaks: {line:?}");
        self.0.push(line);
    }

    /// Adds an empty line, unless there is nothing before it.
    pub(super) fn gap(&mut self) {
        if !self.0.is_empty() {
            self.0.push(String::new());
        }
    }

    /// Adds other lines.
    pub(super) fn append(&mut self, other: Lines) {
        self.0.extend(other.0);
    }

    /// Adds a sentence, wrapped to a width; its lines after the first are indented. Without a width it is one line.
    pub(super) fn sentence(&mut self, text: &str, width: Option<usize>) {
        const INDENT: &str = "  ";
        let clean = in_one_line(text);
        let Some(width) = width else { return self.0.push(clean.trim_end().to_owned()) };
        let mut lines = wrapped(&clean, width, width.saturating_sub(INDENT.len())).into_iter();
        self.0.extend(lines.next());
        self.0.extend(lines.map(|line| format!("{INDENT}{line}")));
    }

    /// Adds a line of a list, indented and wrapped.
    pub(super) fn indented(&mut self, text: &str, width: usize) {
        const INDENT: usize = 2;
        let (first, others) = (width.saturating_sub(INDENT), width.saturating_sub(2 * INDENT));
        for (at, line) in wrapped(&in_one_line(text), first, others).iter().enumerate() {
            let indent = if at == 0 { INDENT } else { 2 * INDENT };
            self.0.push(format!("{:indent$}{line}", ""));
        }
    }

    /// Only the first lines, if there are more than fit into `height`; the last of them then says how many are left out.
    pub(super) fn at_most(mut self, height: usize) -> Self {
        let height = height.max(1);
        if self.0.len() > height {
            let left_out = self.0.len() - (height - 1);
            self.0.truncate(height - 1);
            self.0.push(format!("{LEFT_OUT} {left_out} more lines"));
        }
        self
    }

    /// Each line.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, each with its line break.
    pub(super) fn text(&self) -> String {
        self.0.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

/// A text in its colour, if there are colours.
pub(super) fn painted(text: &str, tone: Tone, colours: bool) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Head => "1",
        Tone::Good => "32",
        Tone::Doubtful => "33",
        Tone::Bad => "31",
        Tone::Faint => "2",
    };
    if colours && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// How many columns of a terminal a text takes. Signs that are drawn as one may count as several, never the other way round.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

fn width_of(c: char) -> usize {
    if c == AS_PICTURE { 1 } else { c.width().unwrap_or(0) }
}

/// The beginning of a text, with a sign that something is missing, in at most `most` columns. Words stay whole if the text has
/// any, so that no number is cut.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let fits = beginning(text, most.saturating_sub(1)).len();
    let kept = match text[..fits].rfind(' ') {
        _ if text[fits..].starts_with(' ') => &text[..fits],
        Some(space) => &text[..=space],
        None => &text[..fits],
    };
    let gap = if text.contains(' ') && width(kept.trim_end()) + 2 <= most { " " } else { "" };
    format!("{}{gap}{LEFT_OUT}", kept.trim_end())
}

/// A text in lines of at most `first` columns for the first and `others` for the rest, broken between words. Only a word that is
/// wider than a line is broken itself. Empty for an empty text.
pub(super) fn wrapped(text: &str, first: usize, others: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (mut line, mut taken) = (String::new(), 0);
    for word in text.split_whitespace() {
        let mut rest = word;
        loop {
            let most = if lines.is_empty() { first } else { others }.max(1);
            let gap = usize::from(!line.is_empty());
            if taken + gap + width(rest) <= most {
                line.extend((gap == 1).then_some(' '));
                line.push_str(rest);
                taken += gap + width(rest);
                break;
            }
            if line.is_empty() {
                // a line takes one character at least, or there would be no end of lines
                let one = rest.chars().next().map_or(0, char::len_utf8);
                let (piece, after) = rest.split_at(beginning(rest, most).len().max(one));
                lines.push(piece.to_owned());
                rest = after;
            } else {
                lines.push(std::mem::take(&mut line));
                taken = 0;
            }
        }
    }
    lines.extend((!line.is_empty()).then_some(line));
    lines
}

/// The longest beginning of a text that takes at most this many columns.
fn beginning(text: &str, most: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        taken += width_of(c);
        (taken > most).then_some(at)
    });
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_as_wide_as_a_terminal_draws_it() {
        for (text, columns) in
            [("AAPL", 4), ("±0.005", 6), ("株価", 4), ("e\u{301}", 1), ("\u{263a}\u{fe0f}", 2), ("", 0)]
        {
            assert_eq!(width(text), columns, "{text:?}");
        }
    }

    #[test]
    fn a_text_is_shortened_between_words_and_a_name_anywhere() {
        assert_eq!(cut("20/s 300/min 3000/h", 19), "20/s 300/min 3000/h");
        assert_eq!(cut("20/s 300/min 3000/h", 15), "20/s 300/min …");
        assert_eq!(cut("20/s 300/min 3000/h", 14), "20/s 300/min …");
        assert_eq!(cut("20/s 300/min 3000/h", 13), "20/s 300/min…");
        assert_eq!(cut("20/s 300/min 3000/h", 12), "20/s …");
        assert_eq!(cut("AVERYLONGSYMBOL-USD", 8), "AVERYLO…");
        assert_eq!(cut("株価株価", 4), "株…");
    }

    #[test]
    fn a_sentence_is_wrapped_between_words_and_its_further_lines_are_indented() {
        let mut lines = Lines::new();
        lines.sentence("VOD.L: only one source answered, 2 are required", Some(24));
        assert_eq!(lines.text(), "VOD.L: only one source\n  answered, 2 are\n  required\n");
        let mut lines = Lines::new();
        lines.sentence("see https://example.org/a/very/long/way/to/go", Some(20));
        assert_eq!(lines.text(), "see\n  https://example.or\n  g/a/very/long/way/\n  to/go\n");
        let mut lines = Lines::new();
        lines.sentence("one\nline\u{1b}[2J", None);
        assert_eq!(lines.text(), "one line [2J\n");
    }

    #[test]
    fn of_too_many_lines_the_last_says_how_many_are_missing() {
        let mut lines = Lines::new();
        (1..=5).for_each(|number| lines.push(number.to_string()));
        assert_eq!(lines.clone().at_most(5).text(), "1\n2\n3\n4\n5\n");
        assert_eq!(lines.at_most(3).text(), "1\n2\n… 3 more lines\n");
    }

    proptest! {
        #[test]
        fn wrapping_keeps_every_word_and_the_width(text in "([a-z0-9.株é]{0,30} ){0,12}", most in 2_usize..60) {
            let lines = wrapped(&text, most, most - 1);
            for line in &lines {
                prop_assert!(width(line) <= most, "{line:?}");
                prop_assert!(unicode_width::UnicodeWidthStr::width(line.as_str()) <= most, "{line:?}");
            }
            prop_assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
            let fits = |word: &&str| width(word) < most;
            for word in text.split_whitespace().filter(fits) {
                prop_assert!(lines.iter().any(|line| line.split(' ').any(|other| other == word)), "{word} in {lines:?}");
            }
        }

        #[test]
        fn a_shortened_text_fits(text in "[a-z0-9.株é ]{0,40}", most in 2_usize..40) {
            prop_assert!(width(&cut(&text, most)) <= most);
        }
    }
}

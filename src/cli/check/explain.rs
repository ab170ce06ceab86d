//! Explains why a filter failed on a reply: shows the start of the reply, and the place in the filter or the row that
//! is wrong.

use crate::clock::cpu;
use crate::provider::extract::explain::{Explanation, Stop};
use crate::provider::extract::{Extractor, RawReply};
use crate::symbol::Symbol;
use crate::text::printable;

/// The most characters of a reply that are shown.
const HEAD: usize = 600;
/// The most characters of a row, of a filter's stage and of its input that are shown.
const LONGEST: usize = 200;
/// The most rows that are shown.
const MOST_ROWS: usize = 3;

/// The start of a reply's body; lines after the first are indented.
pub(super) fn head(extractor: &Extractor, reply: &RawReply, indent: &str) -> String {
    // hide secrets before the cut, which might split a key
    let body = extractor.scrub().hide(&String::from_utf8_lossy(&reply.body));
    let lines: Vec<String> = shortened(body.trim(), HEAD).lines().map(plain).collect();
    format!("body: {}", if lines.is_empty() { "(empty)".to_owned() } else { lines.join(&format!("\n{indent}")) })
}

/// What the figures of the first rows are read as, where that is not what they say.
pub(super) fn readings(extractor: &Extractor, reply: &RawReply, asked: &[Symbol]) -> Vec<String> {
    let rows = extractor.explain(reply, asked, cpu::timer).rows;
    rows.into_iter().flat_map(|row| row.readings).take(MOST_ROWS).map(|reading| one_line(&reading)).collect()
}

/// What is wrong, line by line. Reasons that `said` already contains are not repeated.
pub(super) fn explain(extractor: &Extractor, reply: &RawReply, asked: &[Symbol], said: &str) -> Vec<String> {
    let Explanation { rows, stop } = extractor.explain(reply, asked, cpu::timer);
    if let Some(stop) = stop {
        return stopped(&stop, said);
    }
    let first_wrong = rows.iter().enumerate().find_map(|(at, row)| Some((at + 1, row, row.fault.as_ref()?)));
    if let Some((number, row, why)) = first_wrong {
        let why = unless(said, why);
        return vec![format!("row {number} of {} cannot be read{why}: {}", rows.len(), one_line(&row.text))];
    }
    let shown = rows.iter().take(MOST_ROWS).map(|row| format!("  {}", one_line(&row.text)));
    match rows.len() {
        0 => vec!["the filter gave no row".to_owned()],
        1 => vec![format!("the filter gave one row: {}", one_line(&rows[0].text))],
        all if all <= MOST_ROWS => std::iter::once(format!("the filter gave {all} rows:")).chain(shown).collect(),
        all => std::iter::once(format!("the filter gave {all} rows; the first are:")).chain(shown).collect(),
    }
}

fn stopped(stop: &Stop, said: &str) -> Vec<String> {
    let why = unless(said, &stop.why);
    let Some(place) = &stop.place else {
        return if why.is_empty() { Vec::new() } else { vec![stop.why.clone()] };
    };
    let (line, column) = (place.line, place.column);
    let mut lines =
        vec![format!("the filter stopped at line {line}, column {column}{why}: {}", one_line(&place.stage))];
    lines.extend(place.given.as_ref().map(|given| format!("its input there: {}", one_line(given))));
    lines
}

/// A reason in parentheses, unless `said` already contains it.
fn unless(said: &str, why: &str) -> String {
    if said.contains(why) { String::new() } else { format!(" ({why})") }
}

/// A text in one line, shortened.
fn one_line(text: &str) -> String {
    shortened(&plain(&text.split_whitespace().collect::<Vec<_>>().join(" ")), LONGEST)
}

/// The start of a text, with an ellipsis if there is more.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} …", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// A line without control characters: a vendor's text must not move the cursor.
fn plain(line: &str) -> String {
    printable(line.trim_end()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("ab cd", 3), "ab …");
        assert_eq!(one_line("a |\n  b"), "a | b");
    }

    #[test]
    fn a_vendors_words_do_not_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\r"), "a [2Jb");
    }

    #[test]
    fn a_reason_that_was_given_is_not_repeated() {
        assert_eq!(unless("malformed (it stopped)", "it stopped"), "");
        assert_eq!(unless("unauthorized", "it stopped"), " (it stopped)");
    }
}

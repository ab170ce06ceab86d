//! Changes single places of a body, in any notation.

use std::ops::Range;

use quotefold::provider::description::Notation;

/// A number or a text in a body: its place, and what it says.
pub(crate) struct Leaf {
    pub(crate) place: Range<usize>,
    pub(crate) text: String,
    written: Written,
}

/// How a place is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// A number of JSON.
    Number,
    /// A text of JSON, in quotation marks.
    Quoted,
    /// Without any marks: in a table or in XML.
    Plain,
}

/// Every number and every text in a body.
pub(crate) fn leaves(body: &str, notation: Notation) -> Vec<Leaf> {
    match notation {
        Notation::Json => of_json(body),
        Notation::Csv | Notation::Xml => of_text(body),
    }
}

/// Every text between two signs of the notation.
fn of_text(body: &str) -> Vec<Leaf> {
    let mut begin = 0;
    let pieces = body.split_inclusive(['"', '\'', '<', '>', '=', ',', ';', '\r', '\n']).map(|piece| {
        let text = piece.trim_end_matches(|c: char| c.is_whitespace() || "\"'<>=,;".contains(c));
        let bare = text.trim_start();
        let start = begin + text.len() - bare.len();
        begin += piece.len();
        Leaf { place: start..start + bare.len(), text: bare.to_owned(), written: Written::Plain }
    });
    pieces.filter(|leaf| !leaf.text.is_empty()).collect()
}

/// Every number and every text of a body except keys. The body stays text throughout: some providers send more digits
/// than any of our number types would keep.
fn of_json(body: &str) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = body.as_bytes().get(at) {
        let rest = &body[at..];
        let length = match byte {
            b'"' => end_of_text(rest),
            b'-' | b'0'..=b'9' => {
                rest.find(|c| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len())
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        let (written, after) = rest.split_at(length);
        let is_text = *byte == b'"';
        let is_key = is_text && after.trim_start().starts_with(':');
        if (is_text || *byte == b'-' || byte.is_ascii_digit()) && !is_key {
            let text = if is_text { serde_json::from_str(written).unwrap() } else { written.to_owned() };
            let written = if is_text { Written::Quoted } else { Written::Number };
            found.push(Leaf { place: at..at + length, text, written });
        }
        at += length;
    }
    found
}

/// The length of the quoted text at the front, including both quotation marks.
fn end_of_text(rest: &str) -> usize {
    let mut escaped = false;
    let closing = rest.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    closing.map_or(rest.len(), |length| length + 2)
}

/// The body with other text in some places; in JSON a number stays a number.
pub(crate) fn with(body: &str, changes: &[(&Leaf, &str)]) -> String {
    let mut body = body.to_owned();
    let mut changes: Vec<_> = changes.iter().collect();
    changes.sort_by_key(|(leaf, _)| std::cmp::Reverse(leaf.place.start));
    for (leaf, text) in changes {
        let is_number = serde_json::from_str::<serde_json::Number>(text).is_ok();
        let written = match leaf.written {
            Written::Plain => (*text).to_owned(),
            Written::Number if is_number => (*text).to_owned(),
            Written::Number | Written::Quoted => serde_json::Value::from(*text).to_string(),
        };
        body.replace_range(leaf.place.clone(), &written);
    }
    body
}

#[test]
fn every_place_of_a_table_or_of_xml_can_be_changed() {
    let body = "Symbol,Close\nAAPL.US,272.5\n<a rate='1.225'/>";
    let all = leaves(body, Notation::Csv);
    let texts: Vec<&str> = all.iter().map(|leaf| leaf.text.as_str()).collect();
    assert_eq!(texts, ["Symbol", "Close", "AAPL.US", "272.5", "a rate", "1.225", "/"]);
    assert_eq!(with(body, &[(&all[3], "1"), (&all[5], "2")]), "Symbol,Close\nAAPL.US,1\n<a rate='2'/>");
}

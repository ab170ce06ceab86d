//! Reads a body so that no body can crash the process, and every number keeps the text that it had on the wire.

mod csv;
mod plain;
mod xml;

use jaq_json::{Error, Num, Rc, Val, read::parse_single};

use crate::provider::description::{Layout, Notation};

/// The deepest nesting that is read. The parser recurses at every level, and a stack overflow would end the process.
const DEEPEST: usize = 64;

/// The longest number that is read, in characters: the time to read a longer one grows with the square of its length.
const LONGEST_NUMBER: usize = 256;

/// Reads a body in its notation.
pub(super) fn read(bytes: &[u8], layout: Layout) -> Result<Val, String> {
    // some servers send a byte order mark, which means nothing
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match layout.notation {
        Notation::Json => json(bytes),
        Notation::Csv => csv::read(bytes, layout.separator),
        Notation::Xml => xml::read(bytes),
    }
}

/// The text of a body that has to be UTF-8.
fn text(bytes: &[u8]) -> Result<&str, String> {
    str::from_utf8(bytes)
        .map_err(|error| format!("{error}; if the source writes in another charset, state its `charset`"))
}

/// Reads one JSON value. Its numbers become decimal texts, so that a number that jq calculated (an integer or a float)
/// can be told from one that was in the body.
fn json(bytes: &[u8]) -> Result<Val, String> {
    plain::read(bytes).map_or_else(|| by_jq(bytes), Ok)
}

/// The same with jq's own parser, which takes several times as long.
fn by_jq(bytes: &[u8]) -> Result<Val, String> {
    check(bytes)?;
    parse_single(bytes).map(keep_texts).map_err(|error| error.to_string())
}

/// jq's `fromjson`: the value that a text holds.
pub(super) fn from_json(value: &Val) -> Result<Val, Error> {
    let text = value.try_as_utf8_bytes_owned()?;
    json(&text).map_err(|why| Error::str(format_args!("cannot parse {value} as JSON: {why}")))
}

/// Checks the bytes in one pass, before the parser sees them.
fn check(bytes: &[u8]) -> Result<(), String> {
    let (mut depth, mut digits, mut last) = (0_usize, 0_usize, b' ');
    let (mut in_string, mut escaped) = (false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            // the parser skips comments, and a quotation mark in one would hide from this pass what follows
            b'#' => return Err(format!("byte offset {at}: a comment, which JSON does not have")),
            // the parser allows lists and objects as keys, which JSON does not; comparing them takes long
            b':' if matches!(last, b']' | b'}') => return Err(format!("byte offset {at}: a key that is not a string")),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(format!("byte offset {at}: nested deeper than {DEEPEST} levels"));
        }
        if digits > LONGEST_NUMBER {
            return Err(format!("byte offset {at}: a number of more than {LONGEST_NUMBER} digits"));
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
    }
    Ok(())
}

fn keep_texts(value: Val) -> Val {
    match value {
        Val::Num(number @ (Num::Int(_) | Num::BigInt(_))) => Val::Num(Num::Dec(Rc::new(number.to_string()))),
        Val::Arr(mut items) => {
            for item in Rc::make_mut(&mut items) {
                *item = keep_texts(std::mem::take(item));
            }
            Val::Arr(items)
        }
        Val::Obj(mut fields) => {
            for field in Rc::make_mut(&mut fields).values_mut() {
                *field = keep_texts(std::mem::take(field));
            }
            Val::Obj(fields)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        let body = r#"[1, 1.0, 1234.500000000000000001, 1e-08, 123456789012345678901234567890, -3, {"a": 0.10}]"#;
        let text = json(body.as_bytes()).unwrap().to_string();
        assert_eq!(text, body.replace(' ', ""));
    }

    #[test]
    fn deep_nesting_is_refused_before_it_is_parsed() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(json(nested(64).as_bytes()).is_ok());
        assert!(json(nested(65).as_bytes()).unwrap_err().contains("nested deeper"));
        assert!(json("[".repeat(100_000).as_bytes()).unwrap_err().contains("nested deeper"));
        assert!(json("{\"a\":".repeat(100_000).as_bytes()).unwrap_err().contains("nested deeper"));
        // brackets in strings are text
        assert!(json(format!(r#"["\"{}", "\\"]"#, "[".repeat(1000)).as_bytes()).is_ok());
        assert!(json(format!("# \"\n{}", "[".repeat(1000)).as_bytes()).unwrap_err().contains("comment"));
    }

    #[test]
    fn a_body_that_is_slow_to_parse_is_refused() {
        assert!(json("9".repeat(100_000).as_bytes()).unwrap_err().contains("digits"));
        assert!(json(b"{{} : 1}").unwrap_err().contains("key"));
        assert!(json(b"{\"a\":[],\"b\":{}}").is_ok());
    }

    #[test]
    fn a_body_that_is_not_exactly_one_value_is_refused() {
        for wrong in ["", "{", "[1,]", "1 2", "Too Many Requests", "<html>", "\"a", "{\"a\" 1}"] {
            assert!(json(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}

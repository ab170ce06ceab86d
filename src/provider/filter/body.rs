//! Reads a body so that no body can take the process down, and every number keeps the text it had on the wire.

mod csv;
mod xml;

use jaq_json::{Error, Num, Rc, Val, read::parse_single};

use crate::provider::description::Notation;

/// The deepest nesting that is read. The reader calls itself for every level, and a stack that overflows ends the process.
const DEEPEST: usize = 64;

/// The longest number that is read, in characters: the time to read a longer one grows with the square of its length.
const LONGEST_NUMBER: usize = 256;

/// Reads a body in its notation.
pub(super) fn read(bytes: &[u8], notation: Notation) -> Result<Val, String> {
    // some servers put it there, and it says nothing
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match notation {
        Notation::Json => json(bytes),
        Notation::Csv => csv::read(bytes),
        Notation::Xml => xml::read(bytes),
    }
}

/// Reads one JSON value. Its numbers come out as decimal texts, so that a number which jq calculates (an integer or a float)
/// can be told from one that stood in the body.
fn json(bytes: &[u8]) -> Result<Val, String> {
    check(bytes)?;
    parse_single(bytes).map(keep_texts).map_err(|error| error.to_string())
}

/// jq's `fromjson`: the value that a text holds.
pub(super) fn from_json(value: &Val) -> Result<Val, Error> {
    let text = value.try_as_utf8_bytes_owned()?;
    json(&text).map_err(|why| Error::str(format_args!("cannot parse {value} as JSON: {why}")))
}

/// One pass over the bytes, before anything that could be led astray by them.
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
            // the reader skips comments, and in one a quotation mark would hide what follows from this pass
            b'#' => return Err(format!("byte offset {at}: a comment, which JSON does not have")),
            // nor does JSON have lists and objects as keys, which take long to compare
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
    fn deep_nesting_is_refused_before_it_is_json() {
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
    fn what_is_slow_to_read_is_refused() {
        assert!(json("9".repeat(100_000).as_bytes()).unwrap_err().contains("digits"));
        assert!(json(b"{{} : 1}").unwrap_err().contains("key"));
        assert!(json(b"{\"a\":[],\"b\":{}}").is_ok());
    }

    #[test]
    fn what_is_not_one_value_is_refused() {
        for wrong in ["", "{", "[1,]", "1 2", "Too Many Requests", "<html>", "\"a", "{\"a\" 1}"] {
            assert!(json(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}

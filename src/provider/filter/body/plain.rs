//! Reads JSON as vendors write it, in one pass: values without escapes in their texts, and nothing that JSON does not have.
//!
//! It reads less than jq does. What it does not read is left to jq's own parser, which knows more notations and says what is
//! wrong with a body. What both read, they read alike.

use hyper::body::Bytes;
use jaq_json::{Map, Num, Rc, Val};
use memchr::memchr;

use super::{DEEPEST, LONGEST_NUMBER};

/// The value that a body holds; `None` if jq's parser has to read it.
pub(super) fn read(body: &[u8]) -> Option<Val> {
    if memchr(b'\\', body).is_some() {
        return None;
    }
    // texts are parts of one copy of the body, which costs less than a copy of each
    let body = Bytes::copy_from_slice(body);
    let mut reader = Reader { body: &body, at: 0, fields: 0 };
    let value = reader.value(DEEPEST)?;
    reader.skip_space();
    (reader.at == body.len()).then_some(value)
}

/// The most fields for which an object gets room before they are read.
const MOST_EXPECTED: usize = 32;

struct Reader<'b> {
    body: &'b Bytes,
    at: usize,
    /// How many fields the last object had: the next one probably has as many.
    fields: usize,
}

impl Reader<'_> {
    fn value(&mut self, levels: usize) -> Option<Val> {
        self.skip_space();
        match self.peek()? {
            b'"' => self.text(),
            b'{' => self.object(levels.checked_sub(1)?),
            b'[' => self.list(levels.checked_sub(1)?),
            b'n' => self.word(b"null", Val::Null),
            b't' => self.word(b"true", Val::Bool(true)),
            b'f' => self.word(b"false", Val::Bool(false)),
            _ => self.number(),
        }
    }

    fn list(&mut self, levels: usize) -> Option<Val> {
        let mut items = Vec::new();
        self.at += 1;
        if !self.take(b']') {
            loop {
                items.push(self.value(levels)?);
                if !self.take(b',') {
                    break;
                }
            }
            self.take(b']').then_some(())?;
        }
        Some(Val::Arr(Rc::new(items)))
    }

    fn object(&mut self, levels: usize) -> Option<Val> {
        let mut fields = Map::with_capacity_and_hasher(self.fields.min(MOST_EXPECTED), Default::default());
        self.at += 1;
        if !self.take(b'}') {
            loop {
                let name = self.text()?;
                self.take(b':').then_some(())?;
                fields.insert(name, self.value(levels)?);
                if !self.take(b',') {
                    break;
                }
            }
            self.take(b'}').then_some(())?;
        }
        self.fields = fields.len();
        Some(Val::obj(fields))
    }

    fn text(&mut self) -> Option<Val> {
        self.take(b'"').then_some(())?;
        let rest = self.body.get(self.at..)?;
        let length = rest.iter().position(|byte| matches!(byte, b'"' | 0..0x20))?;
        let text = self.body.slice(self.at..self.at + length);
        self.at += length;
        // white space here is part of the text, and JSON has no line break in one
        (self.peek() == Some(b'"')).then_some(())?;
        self.at += 1;
        Some(Val::utf8_str(text))
    }

    /// A number, which keeps the text that it has in the body.
    fn number(&mut self) -> Option<Val> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let is_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        let whole = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = self.body.get(start..self.at)?;
        // jq reads a whole number by its value, so that -0 and 007 have other texts there
        let is_plain = !(is_zero && (digits > 1 || self.at == whole && text != b"0"));
        let text = str::from_utf8(text).ok().filter(|text| is_plain && text.len() <= LONGEST_NUMBER)?;
        Some(Val::Num(Num::Dec(Rc::new(text.to_owned()))))
    }

    /// Passes the digits here, and returns how many; `None` if the next byte is not a digit.
    fn digits(&mut self) -> Option<usize> {
        let count = self.body.get(self.at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(count)
    }

    fn word(&mut self, word: &[u8], value: Val) -> Option<Val> {
        self.body.get(self.at..)?.starts_with(word).then_some(())?;
        self.at += word.len();
        Some(value)
    }

    /// Passes this sign and the space before it, if it comes next.
    fn take(&mut self, sign: u8) -> bool {
        self.skip_space();
        let is_next = self.peek() == Some(sign);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What jq's parser makes of a body, as this one should.
    fn by_jq(body: &[u8]) -> Option<String> {
        super::super::by_jq(body).ok().map(|value| format!("{value:?}"))
    }

    fn here(body: &[u8]) -> Option<String> {
        read(body).map(|value| format!("{value:?}"))
    }

    /// Values as texts, with spaces between their parts.
    fn value() -> impl Strategy<Value = String> {
        let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?";
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("false".to_owned()),
            number,
            "\"[^\"\\\\\\p{Cc}]{0,12}\"",
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let name = prop::sample::select(vec!["a", "b", "last", "é", ""]);
            let field =
                (name, " ?", inner.clone()).prop_map(|(name, space, value)| format!("\"{name}\"{space}:{value}"));
            prop_oneof![
                proptest::collection::vec(inner, 0..6).prop_map(|items| format!("[{}]", items.join(" , "))),
                proptest::collection::vec(field, 0..6).prop_map(|fields| format!("{{ {}\n}}", fields.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_it_reads_is_what_jq_reads(body in value()) {
            let read = here(body.as_bytes());
            prop_assert!(read.is_some() || body.contains("-0"), "{}", body);
            prop_assert!(read.is_none() || read == by_jq(body.as_bytes()), "{}", body);
        }

        #[test]
        fn a_body_that_jq_does_not_read_is_not_read(
            body in value(), at in any::<prop::sample::Index>(), other in prop::sample::select(b"[]{},:\"\\-+.0e1n \t\n\r#\x00\xff".to_vec()),
        ) {
            let mut body = body.into_bytes();
            let at = at.index(body.len());
            body[at] = other;
            let read = here(&body);
            prop_assert!(read.is_none() || read == by_jq(&body), "{}", String::from_utf8_lossy(&body));
            body.remove(at);
            let read = here(&body);
            prop_assert!(read.is_none() || read == by_jq(&body), "{}", String::from_utf8_lossy(&body));
        }
    }

    #[test]
    fn what_only_jq_reads_is_left_to_it() {
        let long = "9".repeat(LONGEST_NUMBER + 1);
        let deep = format!("{}{}", "[".repeat(DEEPEST + 1), "]".repeat(DEEPEST + 1));
        for left in [
            "007",
            "-0",
            "-00",
            "+1",
            "NaN",
            "1.",
            "\"a\\/b\"",
            "[1] # one",
            "{1: 2}",
            "",
            " ",
            &long,
            &deep,
            "\"1.5\n\"",
            "\"a\t \"",
            "{\"a\n\":1}",
            "[\"a\" \r\n , \"b\r\"]",
        ] {
            assert_eq!(here(left.as_bytes()), None, "{left}");
        }
        let deepest = format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST));
        for read in ["0", "-0.0", "0e1", " 1 ", "1E+5", &long[1..], &deepest, "{\"a\":1,\"b\":2,\"a\":3}"] {
            assert_eq!(here(read.as_bytes()), by_jq(read.as_bytes()), "{read}");
            assert!(here(read.as_bytes()).is_some(), "{read}");
        }
    }
}

//! Decodes the escapes of URLs, JSON and HTML, and remembers where in the text each byte came from.

use std::ops::Range;

/// The named HTML entities of ASCII characters. Encoders write other characters as numbers.
const ENTITIES: [(&str, u8); 18] = [
    ("amp", b'&'),
    ("lt", b'<'),
    ("gt", b'>'),
    ("quot", b'"'),
    ("apos", b'\''),
    ("sol", b'/'),
    ("plus", b'+'),
    ("equals", b'='),
    ("num", b'#'),
    ("percnt", b'%'),
    ("colon", b':'),
    ("period", b'.'),
    ("lowbar", b'_'),
    ("commat", b'@'),
    ("dollar", b'$'),
    ("excl", b'!'),
    ("ast", b'*'),
    ("grave", b'`'),
];

/// A text without white space, after some layers of its encodings are undone.
pub(super) struct View {
    bytes: Vec<u8>,
    /// Where in the text each byte came from, with its whole escape.
    places: Vec<Range<usize>>,
}

/// What an escape decodes to.
enum Code {
    Byte(u8),
    Character(char),
}

/// A secret in the form in which a view holds it.
pub(super) fn plain(secret: &str) -> Vec<u8> {
    View::of(secret).in_small_letters().bytes
}

impl View {
    /// The text before any decoding.
    pub(super) fn of(text: &str) -> Self {
        View::made(text.bytes().enumerate().map(|(at, byte)| (byte, at..at + 1)))
    }

    fn made(bytes: impl Iterator<Item = (u8, Range<usize>)>) -> Self {
        let (bytes, places) = bytes.filter(|(byte, _)| !byte.is_ascii_whitespace()).unzip();
        View { bytes, places }
    }

    /// The view with one more layer undone; `None` if nothing in it is encoded.
    pub(super) fn decoded(&self) -> Option<Self> {
        let mut decoded = Vec::with_capacity(self.bytes.len());
        let (mut at, mut is_encoded) = (0, false);
        while let Some(byte) = self.bytes.get(at) {
            let (code, length) = escape(&self.bytes[at..]).unwrap_or((Code::Byte(*byte), 1));
            let place = self.places[at].start..self.places[at + length - 1].end;
            match code {
                Code::Byte(byte) => decoded.push((byte, place)),
                Code::Character(c) => {
                    let mut utf8 = [0; 4];
                    decoded.extend(c.encode_utf8(&mut utf8).bytes().map(|byte| (byte, place.clone())));
                }
            }
            is_encoded |= length > 1;
            at += length;
        }
        is_encoded.then(|| View::made(decoded.into_iter()))
    }

    /// The same in lower case.
    pub(super) fn in_small_letters(&self) -> Self {
        View { bytes: self.bytes.to_ascii_lowercase(), places: self.places.clone() }
    }

    /// Only the hexadecimal digits, in lower case, without what separates them.
    pub(super) fn digits(&self) -> Self {
        let bytes = self.bytes.iter().map(u8::to_ascii_lowercase).zip(self.places.iter().cloned());
        View::made(bytes.filter(|(byte, _)| byte.is_ascii_hexdigit()))
    }

    /// The places in the text that hold one of these byte strings.
    pub(super) fn find(&self, wanted: &[Vec<u8>]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for wanted in wanted.iter().filter(|wanted| !wanted.is_empty()) {
            let windows = self.bytes.windows(wanted.len()).enumerate();
            let starts = windows.filter(|(_, window)| *window == wanted.as_slice()).map(|(at, _)| at);
            found.extend(starts.map(|at| self.places[at].start..self.places[at + wanted.len() - 1].end));
        }
        found
    }
}

/// What the escape at the beginning of these bytes decodes to, and how many bytes it takes.
fn escape(bytes: &[u8]) -> Option<(Code, usize)> {
    match bytes {
        [b'%', b'u' | b'U', rest @ ..] => unicode(rest, 4).map(|c| (c, 6)),
        [b'%', rest @ ..] => {
            number(rest.get(..2)?, 16).and_then(|byte| Some((Code::Byte(u8::try_from(byte).ok()?), 3)))
        }
        [b'\\', b'u', rest @ ..] => unicode(rest, 4).map(|c| (c, 6)),
        [b'\\', b'x', rest @ ..] => unicode(rest, 2).map(|c| (c, 4)),
        [b'\\', b'n' | b'r' | b't', ..] => Some((Code::Byte(b' '), 2)),
        [b'\\', sign @ (b'/' | b'"' | b'\'' | b'\\'), ..] => Some((Code::Byte(*sign), 2)),
        [b'&', b'#', b'x' | b'X', rest @ ..] => entity(rest, 16, 3),
        [b'&', b'#', rest @ ..] => entity(rest, 10, 2),
        [b'&', rest @ ..] => {
            let (name, byte) = ENTITIES.iter().find(|(name, _)| rest.starts_with(name.as_bytes()))?;
            let end = usize::from(rest.get(name.len()) == Some(&b';'));
            Some((Code::Byte(*byte), 1 + name.len() + end))
        }
        _ => None,
    }
}

/// The character with the code that the first `digits` hexadecimal digits spell.
fn unicode(bytes: &[u8], digits: usize) -> Option<Code> {
    number(bytes.get(..digits)?, 16).and_then(char::from_u32).map(Code::Character)
}

/// A numeric entity, given the bytes after its first `before` characters; with or without a semicolon.
fn entity(bytes: &[u8], radix: u32, before: usize) -> Option<(Code, usize)> {
    let digits = bytes.iter().take(7).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let c = number(bytes.get(..digits)?, radix).and_then(char::from_u32)?;
    let end = usize::from(bytes.get(digits) == Some(&b';'));
    Some((Code::Character(c), before + digits + end))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    // from_str_radix would also read a sign
    let are_digits = digits.iter().all(u8::is_ascii_alphanumeric);
    std::str::from_utf8(digits).ok().filter(|_| are_digits).and_then(|digits| u32::from_str_radix(digits, radix).ok())
}

//! Turns a body's bytes into UTF-8, in which everything else reads it.
//!
//! Unless a description states the charset, bytes that are UTF-8 are taken as such, whatever the vendor's server calls
//! them: many servers name a charset that is merely their default. Any other bytes are read in the charset that the
//! reply declares.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::{Encoding, UTF_8};
use serde::{Deserialize, Serialize};

/// How many bytes of a body may hold an XML declaration.
const LONGEST_DECLARATION: usize = 200;

/// A charset by one of its names: <https://encoding.spec.whatwg.org/#names-and-labels>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Charset(&'static Encoding);

impl Charset {
    /// The charset of a description, by its name in any case. Browsers' rules apply: `latin1` is `windows-1252`.
    ///
    /// # Errors
    /// There is no such charset, or it writes ASCII in other bytes than ASCII. The error says what to write.
    pub fn parse(name: &str) -> Result<Self, String> {
        let Some(Charset(charset)) = Charset::named(name) else {
            return Err(format!(
                "there is no charset {name:?}; write one such as \"latin1\", \"windows-1251\" or \"gbk\""
            ));
        };
        if !charset.is_ascii_compatible() {
            return Err(format!(
                "{name:?} writes ASCII in bytes of its own, and cannot be stated; UTF-16 is recognised by its byte order \
                 mark, or by the charset that a reply declares"
            ));
        }
        Ok(Charset(charset))
    }

    /// The charset with this name; `latin-1` is as good as `latin1`.
    fn named(name: &str) -> Option<Self> {
        let bare = || name.chars().filter(|sign| !matches!(sign, '-' | '_' | ' ')).collect::<String>();
        let charset = Encoding::for_label(name.as_bytes()).or_else(|| Encoding::for_label(bare().as_bytes()));
        charset.map(Charset)
    }

    /// The name, in small letters.
    pub fn name(self) -> String {
        self.0.name().to_ascii_lowercase()
    }

    /// A body in UTF-8. A byte order mark overrides the charset, and bytes that mean nothing become `�`.
    pub(crate) fn to_utf8(self, body: &[u8]) -> Cow<'_, str> {
        self.0.decode(body).0
    }

    /// The charset that a body has to be read in if it is not UTF-8 already. `stated` is the description's, `declared`
    /// is what a `Content-Type` says.
    pub(crate) fn of(body: &[u8], stated: Option<Charset>, declared: Option<&str>) -> Option<Charset> {
        let foreign = |charset: Charset| (charset.0 != UTF_8).then_some(charset);
        if let Some(stated) = stated {
            return foreign(stated);
        }
        let marked = Encoding::for_bom(body).map(|(charset, _)| Charset(charset));
        let charset = marked.or_else(|| Charset::named(declared?)).or_else(|| Charset::named(declaration(body)?));
        // text in UTF-16 is often UTF-8 with a zero beside each letter
        let is_utf8 = || !body.contains(&0) && str::from_utf8(body).is_ok();
        charset.and_then(foreign).filter(|_| !is_utf8())
    }
}

/// The charset that an XML declaration names: `<?xml version="1.0" encoding="windows-1251"?>`.
fn declaration(body: &[u8]) -> Option<&str> {
    let head = body.get(..LONGEST_DECLARATION).unwrap_or(body).strip_prefix(b"<?xml")?;
    let end = head.windows(2).position(|window| window == b"?>")?;
    let (_, value) = str::from_utf8(&head[..end]).ok()?.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split(quote).next()
}

impl TryFrom<String> for Charset {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Charset::parse(&name)
    }
}

impl From<Charset> for String {
    fn from(charset: Charset) -> String {
        charset.name()
    }
}

impl fmt::Display for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A body as it is read.
    fn read(body: &[u8], stated: Option<&str>, declared: Option<&str>) -> String {
        let stated = stated.map(|name| Charset::parse(name).unwrap());
        match Charset::of(body, stated, declared) {
            Some(charset) => charset.to_utf8(body).into_owned(),
            None => String::from_utf8_lossy(body).into_owned(),
        }
    }

    #[test]
    fn a_stated_charset_is_believed() {
        for (name, body, expected) in [
            ("latin-1", &b"\xa371,50"[..], "£71,50"),
            ("iso-8859-15", b"71,50 \xa4", "71,50 €"),
            ("windows-1251", b"\xc4\xee\xeb\xeb\xe0\xf0;48,7", "Доллар;48,7"),
            ("GBK", b"\xc6\xd6\xb7\xa2\xd2\xf8\xd0\xd0,12.5", "浦发银行,12.5"),
            ("shift_jis", b"\x89\x7e", "円"),
            // two signs in UTF-8 as well
            ("latin1", b"\xc2\xa3", "Â£"),
            ("utf-8", b"\xc2\xa3", "£"),
        ] {
            assert_eq!(read(body, Some(name), Some("utf-8")), expected, "{name}");
        }
    }

    #[test]
    fn a_declared_charset_is_believed_where_the_body_is_not_utf_8() {
        assert_eq!(read(b"\xa371,50", None, Some("ISO-8859-1")), "£71,50");
        assert_eq!(read("£71,50".as_bytes(), None, Some("ISO-8859-1")), "£71,50");
        assert_eq!(read(b"\xa371,50", None, Some("no-such-charset")), "\u{fffd}71,50");
        assert_eq!(read(b"\xff\xfe7\x001\x00", None, None), "71");
        assert_eq!(read(b"7\x001\x00", None, Some("utf-16le")), "71");
        assert_eq!(read(b"71", None, Some("utf-16le")), "71");
        let xml = b"<?xml version=\"1.0\" encoding='windows-1251'?><a>\xc4</a>";
        assert!(read(xml, None, None).ends_with("<a>Д</a>"));
        assert!(read(xml, None, Some("koi8-r")).ends_with("<a>д</a>"));
    }

    #[test]
    fn a_charset_that_cannot_be_stated_says_what_can() {
        assert!(Charset::parse("no-such").unwrap_err().contains("\"windows-1251\""));
        assert!(Charset::parse("").is_err());
        for own in ["utf-16le", "utf-16", "iso-2022-jp", "replacement", "hz-gb-2312"] {
            assert!(Charset::parse(own).unwrap_err().contains("ASCII"), "{own}");
        }
    }

    #[test]
    fn a_name_is_printed_as_it_can_be_read_again() {
        for (name, printed) in [("Latin1", "windows-1252"), ("CP1251", "windows-1251"), ("gb2312", "gbk")] {
            assert_eq!(Charset::parse(name).unwrap().to_string(), printed);
            assert_eq!(Charset::parse(printed).unwrap().to_string(), printed);
        }
    }

    proptest! {
        #[test]
        fn a_charset_never_changes_ascii(
            body in proptest::collection::vec(0_u8..0x80, 0..64),
            name in prop_oneof![
                Just("latin1"), Just("windows-1250"), Just("windows-1251"), Just("koi8-r"), Just("ibm866"),
                Just("gbk"), Just("gb18030"), Just("big5"), Just("shift_jis"), Just("euc-jp"), Just("euc-kr"),
                Just("macintosh"), Just("x-user-defined"), Just("utf-8"), Just("iso-8859-8"),
            ],
        ) {
            let ascii = String::from_utf8(body).unwrap();
            prop_assert_eq!(read(ascii.as_bytes(), Some(name), None), ascii.clone());
            // a zero beside letters is a sign of UTF-16, which is declared only here
            prop_assert_eq!(read(ascii.as_bytes(), None, Some(name)), ascii);
        }

        #[test]
        fn no_bytes_and_no_declaration_make_it_panic(
            body in proptest::collection::vec(any::<u8>(), 0..64), declared in "\\PC{0,12}",
        ) {
            let xml = [b"<?xml encoding=".as_slice(), &body].concat();
            for body in [&body, &xml] {
                let _ = read(body, None, Some(&declared));
                let _ = read(body, Some("gbk"), None);
            }
        }
    }
}

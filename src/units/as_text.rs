//! Lets serde read and write plain types in the notations of this room: `#[serde(with = "as_text::span")]` on a
//! `Duration` reads `600ms`.

use std::fmt;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Bytes, Glob, Limit, Percent, Span};

/// Reads a notation from text in quotes.
pub(super) struct InQuotes<T> {
    /// Reads the text. The error says what was found and what is allowed.
    pub(super) parse: fn(&str) -> Result<T, String>,
    /// What to say of a number without quotes.
    pub(super) of_number: fn(&str) -> String,
}

impl<T> Visitor<'_> for InQuotes<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        Err(E::custom((self.of_number)(&number.to_string())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        Err(E::custom((self.of_number)(&number.to_string())))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        Err(E::custom((self.of_number)(&number.to_string())))
    }
}

/// Reads one limit, or several that all hold: `"20/s"` or `["20/s", "1000/h"]`.
pub(crate) fn limits<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Limit>, D::Error> {
    struct OneOrMany;

    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<Limit>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a limit such as \"20/s\", or a list of them")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<Limit>, E> {
            Limit::try_from(text.to_owned()).map(|limit| vec![limit]).map_err(E::custom)
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Vec<Limit>, E> {
            Err(E::custom(format!("{number} has no period; write a limit such as \"{number}/s\", or a list of them")))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Limit>, A::Error> {
            let mut limits = Vec::new();
            while let Some(limit) = items.next_element()? {
                limits.push(limit);
            }
            Ok(limits)
        }
    }

    from.deserialize_any(OneOrMany)
}

/// The same, where a description need not state any.
pub(crate) fn optional_limits<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Limit>>, D::Error> {
    limits(from).map(Some)
}

/// A length of time, such as `600ms`.
pub(crate) mod span {
    use super::{Deserialize, Deserializer, Duration, Serializer, Span};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(&Span(*span))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Span::deserialize(from).map(|span| span.0)
    }
}

/// A length of time that may be left out.
pub(crate) mod optional_span {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, Span};

    pub(crate) fn serialize<S: Serializer>(span: &Option<Duration>, into: S) -> Result<S::Ok, S::Error> {
        span.map(Span).serialize(into)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Span::deserialize(from).map(|span| Some(span.0))
    }
}

/// A fraction, written as a percentage such as `2%`.
pub(crate) mod percent {
    use super::{Decimal, Deserialize, Deserializer, Percent, Serializer};

    pub(crate) fn serialize<S: Serializer>(fraction: &Decimal, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(&Percent(*fraction))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
        Percent::deserialize(from).map(|percent| percent.0)
    }
}

/// A number of bytes, such as `256KiB`.
pub(crate) mod bytes {
    use super::{Bytes, Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &usize, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(&Bytes(*bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
        Bytes::deserialize(from).map(|bytes| bytes.0)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(self)
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(self)
    }
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(self)
    }
}

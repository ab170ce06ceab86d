//! Lets serde read and write plain types in the notations of this room: `#[serde(with = "as_text::span")]` on a
//! `Duration` reads `600ms`.

use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Bytes, Glob, Limit, Percent, Span};

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

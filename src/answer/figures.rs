//! Writes figures the way answers do: decimals and basis points as text, times in UTC with milliseconds.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::decimal;

/// A decimal in plain notation, as a string.
pub(super) struct Plain(pub(super) Decimal);

/// Basis points: always one decimal.
pub(super) struct Points(pub(super) Decimal);

/// RFC 3339, UTC, milliseconds.
pub(super) struct Time(pub(super) Timestamp);

pub(super) fn milliseconds(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&decimal::plain(self.0))
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

//! The status of an entry: that of the price of its symbol, or that its text is no symbol.

use crate::fold;

/// The status of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// That of a symbol's price.
    OfPrice(fold::Status),
    /// The text is not understood as a symbol, so no source was asked. It counts like a symbol that no source knows.
    NotASymbol,
}

impl Status {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::OfPrice(status) => status.as_str(),
            Status::NotASymbol => fold::Status::Unknown.as_str(),
        }
    }

    /// Its reason in answers; `None` for `ok`.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Status::OfPrice(status) => status.reason(),
            Status::NotASymbol => Some("not_a_symbol"),
        }
    }
}

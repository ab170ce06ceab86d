//! Says why a text does not name a symbol, and what would.

use super::LONGEST;

/// Why a text does not name a symbol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// Nothing between two commas.
    #[error("a symbol is empty; take the extra comma out, or name one such as AAPL")]
    Empty,
    /// More than [`LONGEST`] characters.
    #[error("a symbol of {0} characters; at most {LONGEST} are allowed")]
    TooLong(usize),
    /// A character no symbol has.
    #[error("{0:?} holds {1:?}; a symbol is made of A-Z a-z 0-9 . - _ / = ^")]
    Character(String, char),
    /// A colon is kept for identifiers such as `isin:US0378331005`.
    #[error("{0:?} holds a colon, which is reserved for identifiers (isin:, figi:); they are not understood yet")]
    Reserved(String),
    /// The right characters in no known form.
    #[error(
        "{0:?} is not spelled like a symbol; write AAPL, BRK.B, VOD.L, ^GSPC, BTC-USD or EURUSD=X, one hyphen at most"
    )]
    Form(String),
}

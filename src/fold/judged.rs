//! What became of each outcome: the proof beside the price.

use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{Basis, Book, Derivation};
use crate::quote::Outcome;

/// One outcome with its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What the source said, or what was made of it.
    pub outcome: Outcome,
    /// How it was made, if the source was not asked for the symbol itself.
    pub derivation: Option<Arc<Derivation>>,
    /// What became of it.
    pub verdict: Verdict,
    /// The price as the fold read it; `None` if it is no price. It is what `basis` says.
    pub price: Option<Decimal>,
    /// What the price is; `None` without one.
    pub basis: Option<Basis>,
    /// Whether the book counts, or why not; `None` without one.
    pub book: Option<Book>,
    /// When the last trade was, if the source says. The quote's `observed_at` is the book's time where the book tells more.
    pub last_at: Option<Timestamp>,
    /// (quote − price) / price in basis points; `None` without a price.
    pub deviation_bps: Option<Decimal>,
    /// One plain sentence, where the verdict alone does not say enough.
    pub detail: Option<String>,
}

impl Judged {
    /// Whether the source could give a price of the symbol, now or later.
    pub(super) fn is_able(&self) -> bool {
        !self.outcome.denies_symbol() && !self.derivation.as_ref().is_some_and(|derivation| derivation.never_has_rate())
    }

    /// Whether it is older than is allowed, and used because the fresh quotes were too few. Of the used quotes only these
    /// have a `detail`.
    pub(super) fn is_used_though_old(&self) -> bool {
        self.verdict == Verdict::Used && self.detail.is_some()
    }
}

/// What became of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Folded into the price.
    Used,
    /// It answered, but was left out.
    Excluded(Exclusion),
    /// It gave no quote that could still be looked at.
    Failed,
}

/// Why a quote was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exclusion {
    /// Too far from the median.
    Outlier,
    /// Too old.
    Stale,
    /// From the future.
    Future,
    /// Not a number, or none that a price can be.
    InvalidPrice,
    /// Nobody can trade there.
    NoMarket,
    /// In another currency than the symbol's.
    CurrencyMismatch,
    /// In nobody knows which currency.
    CurrencyUnknown,
    /// From before or after hours, while regular quotes decide.
    OtherSession,
    /// Another quote of the same vendor is newer.
    SameAccount,
    /// A reference, while the others suffice.
    Reference,
    /// A derived quote whose rate is degraded, while the others suffice.
    DegradedRate,
    /// A derived quote whose rate has no price.
    NoConversion,
    /// Admitted, but its symbol got no price.
    NotFolded,
}

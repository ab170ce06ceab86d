//! Holds the verdict on each outcome: the proof beside the price.

use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{Basis, Book, Derivation};
use crate::failure::SourceError;
use crate::quote::Outcome;

/// One outcome with its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What the source said, or what was derived from it.
    pub outcome: Outcome,
    /// How it was derived, if the source was not asked for the symbol itself.
    pub derivation: Option<Arc<Derivation>>,
    /// Whether it was used, or why not.
    pub verdict: Verdict,
    /// The price as the fold read it; `None` if there is no valid one. `basis` says which of the quote's numbers it is.
    pub price: Option<Decimal>,
    /// Which of the quote's numbers the price is; `None` without a price.
    pub basis: Option<Basis>,
    /// Whether the book counts, or why not; `None` without a book.
    pub book: Option<Book>,
    /// When the last trade was, if the source states it. Where the fold goes by the book, the quote's `observed_at` is
    /// the book's time instead.
    pub last_at: Option<Timestamp>,
    /// (quote − price) / price, in basis points; `None` if the symbol or the quote has no price.
    pub deviation_bps: Option<Decimal>,
    /// One plain sentence, where the verdict alone does not say enough.
    pub detail: Option<String>,
}

impl Judged {
    /// Why the outcome was not used: the name of the exclusion or of the failure.
    pub fn reason(&self) -> Option<&'static str> {
        match self.verdict {
            Verdict::Used => None,
            Verdict::Excluded(exclusion) => Some(exclusion.as_str()),
            Verdict::Failed => self.outcome.failure.as_ref().map(|failure| failure.error.reason()),
        }
    }

    /// Whether the source could price the symbol, now or later. Of one that was not waited for, that is not known.
    pub(super) fn is_able(&self) -> bool {
        let failure = self.outcome.failure.as_ref().map(|failure| &failure.error);
        let is_heard = !matches!(failure, Some(SourceError::NotAwaited));
        is_heard
            && !self.outcome.denies_symbol()
            && !self.derivation.as_ref().is_some_and(|derivation| derivation.never_has_rate())
    }

    /// Whether it is older than `usable_for`, and was used because there were too few fresh quotes. Of the used quotes,
    /// only these have a `detail`.
    pub(super) fn is_used_though_old(&self) -> bool {
        self.verdict == Verdict::Used && self.detail.is_some()
    }
}

/// Whether an outcome was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Folded into the price.
    Used,
    /// The source answered, but its quote was left out.
    Excluded(Exclusion),
    /// The source gave no quote, or none that is young enough for any rung.
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
    /// Not a number, or not one that a price can be.
    InvalidPrice,
    /// Nothing can be traded at that price.
    NoMarket,
    /// The vendor lists its market as halted.
    Halted,
    /// In another currency than the symbol's.
    CurrencyMismatch,
    /// In an unknown currency.
    CurrencyUnknown,
    /// From pre-market or after-hours trading, while regular quotes decide.
    OtherSession,
    /// Another quote from the same vendor is newer.
    SameAccount,
    /// A reference, while the other sources suffice.
    Reference,
    /// A derived quote whose rate is degraded, while the other sources suffice.
    DegradedRate,
    /// A derived quote whose rate has no price.
    NoConversion,
    /// Admitted, but the symbol got no price.
    NotFolded,
}

impl Verdict {
    /// Its name in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Used => "used",
            Verdict::Excluded(_) => "excluded",
            Verdict::Failed => "failed",
        }
    }
}

impl Exclusion {
    /// Every exclusion.
    pub(crate) const ALL: [Exclusion; 14] = [
        Exclusion::Outlier,
        Exclusion::Stale,
        Exclusion::Future,
        Exclusion::InvalidPrice,
        Exclusion::NoMarket,
        Exclusion::Halted,
        Exclusion::CurrencyMismatch,
        Exclusion::CurrencyUnknown,
        Exclusion::OtherSession,
        Exclusion::SameAccount,
        Exclusion::Reference,
        Exclusion::DegradedRate,
        Exclusion::NoConversion,
        Exclusion::NotFolded,
    ];

    /// Whether there is no market behind the quote, so that its source does not price the symbol.
    pub(super) fn is_without_market(self) -> bool {
        matches!(self, Exclusion::NoMarket | Exclusion::Halted)
    }

    /// Its name in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Exclusion::Outlier => "outlier",
            Exclusion::Stale => "stale",
            Exclusion::Future => "future",
            Exclusion::InvalidPrice => "invalid_price",
            Exclusion::NoMarket => "no_market",
            Exclusion::Halted => "halted",
            Exclusion::CurrencyMismatch => "currency_mismatch",
            Exclusion::CurrencyUnknown => "currency_unknown",
            Exclusion::OtherSession => "other_session",
            Exclusion::SameAccount => "same_account",
            Exclusion::Reference => "reference",
            Exclusion::DegradedRate => "degraded_rate",
            Exclusion::NoConversion => "no_conversion",
            Exclusion::NotFolded => "not_folded",
        }
    }
}

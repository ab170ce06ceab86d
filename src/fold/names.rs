//! What statuses, verdicts and their reasons are called in answers and metrics.

use super::{Degraded, Exclusion, Judged, Status, Unavailable, Verdict};

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

impl Judged {
    /// Why the outcome was not used: the exclusion's or the failure's name.
    pub fn reason(&self) -> Option<&'static str> {
        match self.verdict {
            Verdict::Used => None,
            Verdict::Excluded(exclusion) => Some(exclusion.as_str()),
            Verdict::Failed => self.outcome.failure.as_ref().map(|failure| failure.error.reason()),
        }
    }
}

impl Exclusion {
    /// Its name in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Exclusion::Outlier => "outlier",
            Exclusion::Stale => "stale",
            Exclusion::Future => "future",
            Exclusion::InvalidPrice => "invalid_price",
            Exclusion::NoMarket => "no_market",
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

impl Status {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Degraded(_) => "degraded",
            Status::Unavailable(_) => "unavailable",
            Status::Unknown => "unknown",
        }
    }

    /// Its reason in answers; none for `ok`.
    pub fn reason(self) -> Option<&'static str> {
        Some(match self {
            Status::Ok => return None,
            Status::Degraded(Degraded::WithReferences) => "with_references",
            Status::Degraded(Degraded::StaleFallback) => "stale_fallback",
            Status::Degraded(Degraded::FewSources) => "few_sources",
            Status::Unavailable(Unavailable::NotCovered) => "not_covered",
            Status::Unavailable(Unavailable::NoAnswer) => "no_answer",
            Status::Unavailable(Unavailable::AllStale) => "all_stale",
            Status::Unavailable(Unavailable::SourcesDisagree) => "sources_disagree",
            Status::Unavailable(Unavailable::NoQuorum) => "no_quorum",
            Status::Unavailable(Unavailable::NoConversion) => "no_conversion",
            Status::Unknown => "unknown_symbol",
        })
    }

    /// Whether asking again later may give a price.
    pub fn may_heal(self) -> bool {
        matches!(self, Status::Unavailable(reason) if reason != Unavailable::NotCovered)
    }
}

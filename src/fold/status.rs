//! Decides the status of a symbol that has no price, and the reason. Names all statuses and reasons.

use std::collections::BTreeSet;

use super::admit::{Eligibility, Entry};
use super::ladder::Decision;
use super::{Exclusion, Judged, Rule, Verdict};
use crate::failure::{Failure, SourceError};
use crate::quote::Outcome;

/// A symbol's status, with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// A quorum of fresh quotes agrees.
    Ok,
    /// A price, but not as good as asked for.
    Degraded(Degraded),
    /// No price.
    Unavailable(Unavailable),
    /// As many sources as a price would need say that there is no such symbol.
    Unknown,
}

/// Why a price is not as good as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Degraded {
    /// References had to help.
    WithReferences,
    /// Quotes older than `usable_for` had to help.
    StaleFallback,
    /// Fewer sources than required.
    FewSources,
}

/// Why there is no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unavailable {
    /// No source that is switched on covers it.
    NotCovered,
    /// No source gave a quote.
    NoAnswer,
    /// Every quote is too old.
    AllStale,
    /// Fresh quotes are too far apart.
    SourcesDisagree,
    /// Too few quotes may be believed.
    NoQuorum,
    /// There is a price, but no rate to the currency it was asked for in.
    NoConversion,
}

impl Status {
    /// Every status.
    pub(crate) const ALL: [Status; 11] = [
        Status::Ok,
        Status::Degraded(Degraded::WithReferences),
        Status::Degraded(Degraded::StaleFallback),
        Status::Degraded(Degraded::FewSources),
        Status::Unavailable(Unavailable::NotCovered),
        Status::Unavailable(Unavailable::NoAnswer),
        Status::Unavailable(Unavailable::AllStale),
        Status::Unavailable(Unavailable::SourcesDisagree),
        Status::Unavailable(Unavailable::NoQuorum),
        Status::Unavailable(Unavailable::NoConversion),
        Status::Unknown,
    ];

    /// The status with this name and reason; `None` if there is none.
    pub(crate) fn named(name: &str, reason: Option<&str>) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name && status.reason() == reason)
    }

    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Degraded(_) => "degraded",
            Status::Unavailable(_) => "unavailable",
            Status::Unknown => "unknown",
        }
    }

    /// Its reason in answers; `None` for `ok`.
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

/// The status of a symbol without a price: the first that applies.
pub(super) fn without_price(entries: &[Entry], decision: &Decision, rule: &Rule) -> Status {
    let outcomes = || entries.iter().map(|entry| &entry.judged.outcome);
    let denying = entries.iter().map(|entry| &entry.judged).filter(|judged| says_unknown(judged));
    let denying = denying.map(|judged| &judged.outcome);
    let answered = || entries.iter().filter(|entry| entry.judged.verdict != Verdict::Failed);
    let too_old = |entry: &Entry| {
        matches!(entry.eligibility, Eligibility::Quiet | Eligibility::Fallback)
            || entry.judged.verdict == Verdict::Excluded(Exclusion::Stale)
    };
    let reason = if entries.is_empty() {
        Unavailable::NotCovered
    } else if entries.iter().all(|entry| matches!(entry.eligibility, Eligibility::Fallback | Eligibility::Out))
        && (accounts(denying) >= rule.required.max(1).min(accounts(outcomes())) || outcomes().all(is_unknown))
    {
        return Status::Unknown;
    } else if answered().next().is_none() {
        Unavailable::NoAnswer
    } else if answered().all(too_old) {
        Unavailable::AllStale
    } else if matches!(decision, Decision::Disagreed(_)) {
        Unavailable::SourcesDisagree
    } else {
        Unavailable::NoQuorum
    };
    Status::Unavailable(reason)
}

/// Whether the source says that there is no such symbol. It does not say so if only our plan excludes the symbol, or if
/// it lacks the pair that it was asked for to derive the symbol's price with a rate.
pub(super) fn says_unknown(judged: &Judged) -> bool {
    let is_about_another = judged.derivation.as_ref().is_some_and(|derivation| !derivation.rates.is_empty());
    is_unknown(&judged.outcome) && !is_about_another
}

/// Whether the source does not know what it was asked for. A denial of what it quoted a moment ago is doubted, and does
/// not count.
fn is_unknown(outcome: &Outcome) -> bool {
    let says_so = |failure: &Failure| matches!(failure.error, SourceError::UnknownSymbol(_)) && !failure.is_doubted;
    outcome.failure.as_deref().is_some_and(says_so)
}

/// How many different accounts the outcomes are from: two sources of one vendor are one witness.
pub(super) fn accounts<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> usize {
    outcomes.map(|outcome| outcome.origin.account.as_str()).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::testing::{failed, fold, of_origin, refused, rule, says, says_at, with};
    use crate::quote::Stated;
    use std::time::Duration;

    fn denies(source: &str) -> Outcome {
        failed(source, SourceError::UnknownSymbol("no such symbol".into()))
    }

    fn silent(source: &str) -> Outcome {
        failed(source, SourceError::Timeout(Duration::from_millis(700)))
    }

    fn status(outcomes: impl IntoIterator<Item = Outcome>) -> Status {
        fold("ZZZZ", outcomes, &rule()).status
    }

    #[test]
    fn unknown_needs_as_many_sources_as_a_price_or_all_there_are() {
        let price = fold("ZZZZ", [denies("alpha"), denies("beta"), silent("gamma")], &rule());
        assert_eq!((price.status, price.currency, price.covering), (Status::Unknown, None, 1));
        assert_eq!(status([denies("alpha")]), Status::Unknown);
        let no_answer = Status::Unavailable(Unavailable::NoAnswer);
        assert_eq!(status([denies("alpha"), silent("beta")]), no_answer);
        let not_in_plan = failed("beta", SourceError::NotInPlan("premium".into()));
        assert_eq!(status([denies("alpha"), not_in_plan]), no_answer);
    }

    #[test]
    fn a_usable_quote_outweighs_denials_of_the_symbol() {
        let three = Rule { required: 3, ..rule() };
        let deny = || ["a", "b", "c"].map(denies).into_iter();
        let status = |outcome| fold("ZZZZ", deny().chain([outcome, silent("e")]), &three).status;
        assert_eq!(status(says("d", "1")), Status::Unavailable(Unavailable::NoQuorum));
        assert_eq!(status(says_at("d", "1", 90)), Status::Unknown);
        // many vendors price what they do not know at zero
        assert_eq!(status(says("d", "0")), Status::Unknown);
    }

    #[test]
    fn without_a_price_the_first_reason_that_applies_is_given() {
        assert_eq!(status([]), Status::Unavailable(Unavailable::NotCovered));
        assert_eq!(status([silent("alpha")]), Status::Unavailable(Unavailable::NoAnswer));
        let gone = refused(says_at("alpha", "1", 16 * 60), SourceError::unavailable("503"));
        assert_eq!(status([gone]), Status::Unavailable(Unavailable::NoAnswer));
        assert_eq!(status([says_at("alpha", "1", 16 * 60)]), Status::Unavailable(Unavailable::AllStale));
        // old quotes that also disagree are first of all old
        let old = [says_at("alpha", "1", 90), says_at("beta", "2", 90)];
        assert_eq!(status(old.clone()), Status::Unavailable(Unavailable::AllStale));
        let [alpha, beta] = old;
        let sister = of_origin(says_at("gamma", "1", 91), |origin| origin.account = "beta".into());
        assert_eq!(status([alpha.clone(), beta, sister]), Status::Unavailable(Unavailable::AllStale));
        assert_eq!(status([says("alpha", "1"), says("beta", "2")]), Status::Unavailable(Unavailable::SourcesDisagree));
        // an old one does not contradict a fresh one
        assert_eq!(status([alpha.clone(), says("beta", "2")]), Status::Unavailable(Unavailable::NoQuorum));
        let nothing = with(says("beta", "1"), |quote| quote.price = Stated::Absent);
        assert_eq!(status([alpha, nothing]), Status::Unavailable(Unavailable::NoQuorum));
    }
}

//! Reads each outcome as a quote that may be folded, or finds the first reason why it may not.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::book::{self, Weighed};
use super::{Derivation, Evidence, Exclusion, Judged, Rule, Verdict, age};
use crate::quote::{NoMarket, Outcome, Quote};

/// An outcome on its way through the fold.
#[derive(Debug)]
pub(super) struct Entry {
    /// How it will be shown. Until a price is found, the verdict of an admitted quote is `NotFolded`.
    pub(super) judged: Judged,
    /// On which rungs of the ladder it may stand.
    pub(super) eligibility: Eligibility,
}

/// On which rungs of the ladder a quote may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Eligibility {
    /// On every rung: it is young.
    Usable,
    /// On every rung: it is the last quote of a market that has since closed.
    Last,
    /// On the rung of older quotes, and on the last rung: its source answered recently and has nothing newer, although
    /// the market has been open since. Elsewhere its verdict is `Stale`.
    Quiet,
    /// Only where older quotes may fill in; elsewhere its verdict is `Stale`.
    Fallback,
    /// On none.
    Out,
}

impl Eligibility {
    /// Whether the quote may make a price that is `ok`.
    pub(super) fn is_usable(self) -> bool {
        matches!(self, Eligibility::Usable | Eligibility::Last)
    }
}

impl Entry {
    /// Leaves the quote out for good.
    pub(super) fn exclude(&mut self, exclusion: Exclusion) {
        self.judged.verdict = Verdict::Excluded(exclusion);
        self.eligibility = Eligibility::Out;
    }

    /// Whether the source could price the symbol, now or later.
    pub(super) fn may_price(&self) -> bool {
        let is_without_market = |verdict| matches!(verdict, Verdict::Excluded(why) if why.is_without_market());
        self.judged.is_able() && !is_without_market(self.judged.verdict)
    }

    /// The quote, unless it has been ruled out already.
    pub(super) fn admitted(&self) -> Option<&Quote> {
        self.judged.outcome.quote.as_ref().filter(|_| self.eligibility != Eligibility::Out)
    }
}

/// Judges one outcome alone; what depends on the others (currency, age on a closed market) comes later.
pub(super) fn admit(evidence: Evidence, rule: &Rule, now: Timestamp) -> Entry {
    let Evidence { mut outcome, derivation } = evidence;
    let (weighed, last_at) = match (&mut outcome.quote, &derivation) {
        (None, _) => (Weighed::default(), None),
        // a derived quote was weighed before it was derived
        (Some(_), Some(derivation)) => {
            (derivation.weighed, derivation.stated.as_ref().and_then(|stated| stated.observed_at))
        }
        (Some(quote), None) => {
            let (weighed, last_at) = (book::weigh(quote, &outcome.origin, rule), quote.observed_at);
            quote.observed_at = weighed.observed_at;
            (weighed, last_at)
        }
    };
    let verdict = match &outcome.quote {
        Some(quote) => verdict(quote, &outcome, derivation.as_deref(), weighed.price, rule, now),
        None => Verdict::Failed,
    };
    // a failed outcome shows its failure, not the quote before it
    let is_shown = verdict != Verdict::Failed;
    let Weighed { price, basis, book, .. } = if is_shown { weighed } else { Weighed::default() };
    let last_at = last_at.filter(|_| is_shown);
    let admitted = verdict == Verdict::Excluded(Exclusion::NotFolded);
    let eligibility = if admitted { Eligibility::Usable } else { Eligibility::Out };
    let judged =
        Judged { outcome, derivation, verdict, price, basis, book, last_at, deviation_bps: None, detail: None };
    Entry { judged, eligibility }
}

fn verdict(
    quote: &Quote,
    outcome: &Outcome,
    derivation: Option<&Derivation>,
    price: Option<Decimal>,
    rule: &Rule,
    now: Timestamp,
) -> Verdict {
    let too_old = age::is_past_looking_at(quote, &outcome.origin, rule, now);
    // a source that no longer covers the symbol does not vouch for its earlier quotes
    if outcome.denies_symbol() || too_old && outcome.failure.is_some() {
        return Verdict::Failed;
    }
    let stated = derivation.and_then(|derivation| derivation.stated.as_ref());
    Verdict::Excluded(if quote.no_market == Some(NoMarket::ListedAsHalted) {
        Exclusion::Halted
    } else if quote.no_market.is_some() {
        Exclusion::NoMarket
    } else if derivation.is_some_and(|derivation| derivation.without_rate().is_some()) {
        Exclusion::NoConversion
    } else if price.is_none() {
        Exclusion::InvalidPrice
    } else if age::is_future(quote, now) || stated.is_some_and(|stated| age::is_future(stated, now)) {
        // an older rate does not bring a quote back from the future
        Exclusion::Future
    } else if too_old {
        Exclusion::Stale
    } else {
        Exclusion::NotFolded
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::SourceError;
    use crate::fold::testing::{refused, rule, says, says_at};

    fn verdict(outcome: Outcome) -> Verdict {
        admit(outcome.into(), &rule(), crate::fold::testing::now()).judged.verdict
    }

    #[test]
    fn a_quote_more_than_five_seconds_ahead_is_from_the_future() {
        assert_eq!(verdict(says_at("alpha", "1", -5)), Verdict::Excluded(Exclusion::NotFolded));
        assert_eq!(verdict(says_at("alpha", "1", -6)), Verdict::Excluded(Exclusion::Future));
    }

    #[test]
    fn a_quote_too_old_for_every_rung_is_stale_or_failed_after_a_failure() {
        let day = 24 * 3600;
        assert_eq!(verdict(says_at("alpha", "1", 6 * day)), Verdict::Excluded(Exclusion::Stale));
        let failing = |age| refused(says_at("alpha", "1", age), SourceError::unavailable("503"));
        assert_eq!(verdict(failing(6 * day)), Verdict::Failed);
        assert_eq!(verdict(failing(1)), Verdict::Excluded(Exclusion::NotFolded));
    }

    #[test]
    fn a_quote_from_before_its_source_denied_the_symbol_is_not_folded() {
        let denied = refused(says("alpha", "1"), SourceError::UnknownSymbol("gone".into()));
        let entry = admit(denied.into(), &rule(), crate::fold::testing::now());
        assert_eq!((entry.judged.verdict, entry.judged.price), (Verdict::Failed, None));
    }
}

//! Points out where this machine's own clock may be the reason that a price is missing or old.

use jiff::Timestamp;

use super::{Exclusion, Judged, Price, Verdict, age};
use crate::clock;
use crate::clock::skew::Skew;

impl Price {
    /// Adds to the price's `detail` that this machine's clock seems to be off, if by the right time a quote would not
    /// have been too old. `rate` is the rate that the price was converted with. Nothing else changes: a
    /// refused price stays refused.
    pub(crate) fn with_skew(mut self, rate: Option<&Price>, skew: Skew) -> Self {
        if let Some(detail) = self.detail.take() {
            let affects = |price: &Price| is_affected(price, skew);
            let named = if affects(&self) || rate.is_some_and(affects) { format!("{detail}; {skew}") } else { detail };
            self.detail = Some(named);
        }
        self
    }
}

/// Whether the clock may have cost the price, or one of its rates, a quote.
fn is_affected(price: &Price, skew: Skew) -> bool {
    let derivations = price.quotes.iter().filter_map(|judged| judged.derivation.as_ref());
    let mut rates = derivations.flat_map(|derivation| &derivation.rates).map(|rate| &rate.price);
    let right = skew.corrected(price.as_of);
    price.quotes.iter().any(|judged| is_misjudged(judged, price, right)) || rates.any(|rate| is_affected(rate, skew))
}

/// Whether a quote was left out for its age, or used only as an old one, though at the right time it is young enough.
fn is_misjudged(judged: &Judged, price: &Price, right: Timestamp) -> bool {
    let Some(quote) = &judged.outcome.quote else { return false };
    let states_a_time = quote.observed_at.or(quote.book_at).is_some();
    let is_out = match judged.verdict {
        Verdict::Excluded(Exclusion::Future | Exclusion::Stale) => true,
        Verdict::Used => judged.is_used_though_old(),
        Verdict::Excluded(_) | Verdict::Failed => false,
    };
    let age_then = clock::age(right, age::time_of(quote));
    let usable_for = age::usable_for(&price.rule, &judged.outcome.origin);
    states_a_time
        && is_out
        && !age::is_future(quote, right)
        && age_then <= usable_for
        && price.rule.max_age.is_none_or(|max_age| age_then <= max_age)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::clock::skew::Evidence;
    use crate::fold::testing::{equity, fold, rule, says, says_at};

    fn skew(seconds: i64) -> Skew {
        Skew { ahead: SignedDuration::from_secs(seconds), witnesses: 3, evidence: Evidence::Dates }
    }

    fn detail(price: Price, seconds: i64) -> String {
        price.with_skew(None, skew(seconds)).detail.unwrap_or_default()
    }

    #[test]
    fn a_slow_clock_explains_quotes_that_seem_to_be_from_the_future() {
        let price = || fold("BTC-USD", [says_at("alpha", "1", -30), says_at("beta", "1", -30)], &rule());
        assert!(
            detail(price(), 30).ends_with("; this machine's clock seems to be 30 s slow"),
            "{}",
            detail(price(), 30)
        );
        // at the right time they would still lie ahead, or be too old
        for seconds in [20, -30, 95] {
            assert!(!detail(price(), seconds).contains("clock seems"), "{seconds}");
        }
    }

    #[test]
    fn a_fast_clock_explains_quotes_that_seem_to_be_stale() {
        let price = || fold("BTC-USD", [says_at("alpha", "1", 90), says_at("beta", "1", 90)], &rule());
        assert!(
            detail(price(), -40).ends_with("; this machine's clock seems to be 40 s fast"),
            "{}",
            detail(price(), -40)
        );
        for seconds in [-20, 40, -100] {
            assert!(!detail(price(), seconds).contains("clock seems"), "{seconds}");
        }
    }

    #[test]
    fn a_clock_that_did_no_harm_is_not_mentioned() {
        let well = fold("BTC-USD", [says("alpha", "1"), says("beta", "1"), says_at("gamma", "1", -30)], &rule());
        assert_eq!(well.clone().with_skew(None, skew(30)), well);
        let lone = fold("AAPL", [says("alpha", "1")], &equity());
        assert_eq!(lone.clone().with_skew(None, skew(30)), lone);
    }
}

//! Judges how old each quote is, and notices when its market is closed.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::admit::{Entry, Standing};
use super::{Exclusion, Rule, Verdict};
use crate::clock::age;
use crate::quote::{Origin, Quote, Role};

/// How far a source's clock may be ahead of ours.
pub(super) const AHEAD: Duration = Duration::from_secs(5);
/// Last quotes of one closed market lie this near to each other: the close, and what trades after it.
const SAME_CLOSE: Duration = Duration::from_secs(12 * 3600);

/// The time a quote's age counts from.
pub(super) fn time_of(quote: &Quote) -> Timestamp {
    quote.aged_from()
}

/// Whether a time that a source states lies farther ahead than clocks differ. When a quote arrived here is never the future,
/// even if our own clock has been set back since.
pub(super) fn is_future(quote: &Quote, now: Timestamp) -> bool {
    quote.observed_at.max(quote.book_at).is_some_and(|stated| age(stated, now) > AHEAD)
}

/// Whether the quote is older than the fold would look at on any rung, whatever the caller's `max_age`.
pub(super) fn is_past_looking_at(quote: &Quote, origin: &Origin, rule: &Rule, now: Timestamp) -> bool {
    let closed_for = rule.closed_for.unwrap_or(Duration::ZERO);
    age(now, time_of(quote)) > rule.fallback_for.max(closed_for).max(usable_for(rule, origin))
}

/// How old a quote of this source may be to be folded: the class's `usable_for`, and the source's lag.
pub(super) fn usable_for(rule: &Rule, origin: &Origin) -> Duration {
    let lag = Duration::from_millis(origin.lag_ms.unsigned_abs());
    if origin.lag_ms < 0 { rule.usable_for.saturating_sub(lag) } else { rule.usable_for.saturating_add(lag) }
}

/// Tells usable quotes from older ones, and says whether the market is taken to be closed.
pub(super) fn judge(entries: &mut [Entry], rule: &Rule, covering: usize, now: Timestamp) -> bool {
    let closed_since = closed_since(entries, rule, covering, now);
    for entry in entries {
        let Some(quote) = entry.admitted() else { continue };
        let standing = standing(quote, &entry.judged.outcome.origin, rule, closed_since, now);
        if standing != Standing::Usable {
            entry.judged.verdict = Verdict::Excluded(Exclusion::Stale);
        }
        entry.standing = standing;
    }
    closed_since.is_some()
}

fn standing(quote: &Quote, origin: &Origin, rule: &Rule, closed_since: Option<Timestamp>, now: Timestamp) -> Standing {
    let age_now = age(now, time_of(quote));
    let last_of_a_closed_market = closed_since.zip(quote.observed_at).is_some_and(|(close, observed_at)| {
        age(close, observed_at) <= SAME_CLOSE && rule.closed_for.is_some_and(|closed_for| age_now <= closed_for)
    });
    if rule.max_age.is_some_and(|max_age| age_now > max_age) {
        Standing::Out
    } else if age_now <= usable_for(rule, origin) || last_of_a_closed_market {
        Standing::Usable
    } else if age_now <= rule.fallback_for {
        Standing::Fallback
    } else {
        Standing::Out
    }
}

/// The newest time anyone states, if the market is taken to be closed since: none of the quotes that state a time is
/// young, yet enough of them have just arrived. So a holiday looks like what it is, without a calendar, and one frozen
/// feed is stale as soon as a sister trades.
fn closed_since(entries: &[Entry], rule: &Rule, covering: usize, now: Timestamp) -> Option<Timestamp> {
    rule.closed_for?;
    let mut newest: Option<Timestamp> = None;
    let mut heard_from: BTreeSet<&str> = BTreeSet::new();
    for entry in entries {
        let origin = &entry.judged.outcome.origin;
        let Some(quote) = entry.admitted() else { continue };
        let Some(observed_at) = quote.observed_at else { continue };
        if age(now, observed_at) <= shows_trading_for(rule, origin) {
            return None;
        }
        if age(now, quote.received_at) <= usable_for(rule, origin) {
            heard_from.insert(&origin.account);
        }
        newest = newest.max(Some(observed_at));
    }
    let enough = rule.required.min(covering).max(1);
    newest.filter(|_| heard_from.len() >= enough)
}

/// How long a quote proves that its market trades. A reference's lag does not count: that today's fixing still stands
/// does not mean that anybody trades now.
fn shows_trading_for(rule: &Rule, origin: &Origin) -> Duration {
    match origin.role {
        Role::Primary | Role::Reserve => usable_for(rule, origin),
        Role::Reference => rule.usable_for.min(usable_for(rule, origin)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::testing::{HOUR, MINUTE, equity, fold, of_origin, says, says_at, used, with};
    use crate::fold::{Degraded, Status, Unavailable};
    use crate::quote::{Outcome, Session};

    /// Said so long ago, although the source was asked just now.
    fn last(source: &str, seconds: i64) -> Outcome {
        says_at(source, "231.44", seconds)
    }

    fn lagging(outcome: Outcome, seconds: i64) -> Outcome {
        of_origin(outcome, |origin| origin.lag_ms = seconds * 1000)
    }

    #[test]
    fn nights_weekends_and_holidays_are_closed_markets_whose_last_quotes_stand() {
        let (night, holiday, weekend, long_weekend) = (16 * HOUR, 20 * HOUR, 64 * HOUR, 88 * HOUR);
        for hours in [night, holiday, weekend, long_weekend] {
            let price = fold("AAPL", [last("alpha", hours), last("beta", hours + HOUR)], &equity());
            assert_eq!((price.status, price.session), (Status::Ok, Some(Session::Closed)), "{hours}");
            assert_eq!(used(&price), ["alpha", "beta"]);
        }
    }

    #[test]
    fn a_quote_from_twelve_hours_before_the_close_is_not_the_close() {
        let quotes = [last("alpha", 30 * HOUR), last("beta", 42 * HOUR), last("gamma", 42 * HOUR + 1)];
        let price = fold("AAPL", quotes, &equity());
        assert_eq!(used(&price), ["alpha", "beta"]);
        assert_eq!(price.quotes[2].verdict, Verdict::Excluded(Exclusion::Stale));
    }

    #[test]
    fn a_market_closed_for_longer_than_closed_for_has_no_price() {
        let since = |seconds| fold("AAPL", [last("alpha", seconds), last("beta", seconds)], &equity()).status;
        assert_eq!(since(120 * HOUR), Status::Ok);
        assert_eq!(since(120 * HOUR + 1), Status::Unavailable(Unavailable::AllStale));
        // nor does a longer fallback make those quotes fresh
        let patient = Rule { fallback_for: Duration::from_secs(240 * 3600), ..equity() };
        let price = fold("AAPL", [last("alpha", 121 * HOUR), last("beta", 121 * HOUR)], &patient);
        assert_eq!(price.status, Status::Degraded(Degraded::StaleFallback));
    }

    #[test]
    fn one_frozen_feed_is_stale_as_soon_as_a_sister_trades() {
        let price = fold("AAPL", [last("alpha", 20 * HOUR), last("beta", 10)], &equity());
        assert_eq!(price.status, Status::Degraded(Degraded::StaleFallback));
        assert_eq!(price.session, None);
        let price = fold("AAPL", [last("alpha", 30 * HOUR), last("beta", 10), last("gamma", 10)], &equity());
        assert_eq!(price.status, Status::Ok);
        assert_eq!(price.quotes[0].verdict, Verdict::Excluded(Exclusion::Stale));
    }

    #[test]
    fn quotes_that_merely_stopped_arriving_do_not_close_a_market() {
        let silent = |source| with(last(source, 26 * HOUR), |quote| quote.received_at = quote.observed_at.unwrap());
        let price = fold("AAPL", [silent("alpha"), silent("beta")], &equity());
        assert_eq!(price.status, Status::Unavailable(Unavailable::AllStale));
        // one of two that are required is not enough either
        let price = fold("AAPL", [last("alpha", 26 * HOUR), silent("beta")], &equity());
        assert_eq!(price.status, Status::Unavailable(Unavailable::AllStale));
    }

    #[test]
    fn where_fewer_sources_cover_a_symbol_than_are_required_all_of_them_can_close_its_market() {
        let price = fold("AAPL", [last("alpha", 40 * HOUR)], &equity());
        assert_eq!((price.status, price.session), (Status::Degraded(Degraded::FewSources), Some(Session::Closed)));
    }

    #[test]
    fn a_market_that_never_closes_is_never_taken_to_be_closed() {
        let never = Rule { closed_for: None, ..equity() };
        let price = fold("BTC-USD", [last("alpha", 40 * HOUR), last("beta", 40 * HOUR)], &never);
        assert_eq!(price.status, Status::Unavailable(Unavailable::AllStale));
        let price = fold("BTC-USD", [last("alpha", HOUR), last("beta", HOUR)], &never);
        assert_eq!((price.status, price.session), (Status::Degraded(Degraded::StaleFallback), None));
    }

    #[test]
    fn a_daily_reference_does_not_prove_that_the_market_trades() {
        let daily = of_origin(lagging(last("ecb", 30 * HOUR), 96 * HOUR), |origin| origin.role = Role::Reference);
        let price = fold("AAPL", [last("alpha", 28 * HOUR), last("beta", 28 * HOUR), daily], &equity());
        assert_eq!((price.status, price.session), (Status::Ok, Some(Session::Closed)));
        // but one that states a moment ago does
        let trades = of_origin(last("ecb", 10), |origin| origin.role = Role::Reference);
        let price = fold("AAPL", [last("alpha", 28 * HOUR), last("beta", 28 * HOUR), trades], &equity());
        assert_eq!(used(&price), ["ecb"]);
    }

    #[test]
    fn a_quote_without_a_time_is_judged_by_its_arrival() {
        let price = fold("AAPL", [says("alpha", "231.44"), says("beta", "231.44")], &equity());
        assert_eq!((price.status, price.session), (Status::Ok, None));
    }

    #[test]
    fn a_source_with_a_lag_may_be_that_much_older() {
        let late = |lag| lagging(last("alpha", 40 * MINUTE), lag);
        let with_fresh = |late| fold("AAPL", [late, last("beta", 1), last("gamma", 1)], &equity());
        assert_eq!(used(&with_fresh(late(15 * MINUTE))), ["alpha", "beta", "gamma"]);
        assert_eq!(used(&with_fresh(late(15 * MINUTE - 1))), ["beta", "gamma"]);
        assert_eq!(used(&with_fresh(lagging(last("alpha", 2), -25 * MINUTE + 1))), ["beta", "gamma"]);
        assert_eq!(used(&with_fresh(lagging(last("alpha", 1), i64::MIN / 1000))), ["beta", "gamma"]);
    }

    #[test]
    fn nothing_older_than_max_age_is_used_neither_as_a_fallback_nor_on_a_closed_market() {
        let strict = Rule { max_age: Some(Duration::from_secs(3600)), ..equity() };
        for age in [2 * HOUR, 40 * HOUR] {
            let price = fold("AAPL", [last("alpha", age), last("beta", age)], &strict);
            assert_eq!(price.status, Status::Unavailable(Unavailable::AllStale), "{age}");
        }
        let price = fold("AAPL", [last("alpha", 2 * HOUR), last("beta", HOUR), last("gamma", 1)], &strict);
        assert_eq!(price.status, Status::Degraded(Degraded::StaleFallback));
        assert_eq!(used(&price), ["beta", "gamma"]);
    }
}

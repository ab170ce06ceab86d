//! Judges how old each quote is, and notices when its market is closed.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::admit::{Eligibility, Entry};
use super::{Exclusion, Rule, Verdict};
use crate::clock::age;
use crate::hours::Around;
use crate::quote::{Origin, Quote, Role};

/// How far a source's clock may be ahead of ours.
pub(crate) const AHEAD: Duration = Duration::from_secs(5);
/// How far apart the last quotes of one closed market may be: the close, and trades after it.
const SAME_CLOSE: Duration = Duration::from_secs(12 * 3600);

/// Trades this soon after the closing still belong to the close: auctions, and trades that are reported late.
const AFTER_THE_CLOSE: Duration = Duration::from_secs(15 * 60);

/// The time a quote's age counts from.
pub(super) fn time_of(quote: &Quote) -> Timestamp {
    quote.aged_from()
}

/// The time a quote's age counts from, if the source states one: that of the price, or of the book or the reply.
pub(super) fn stated_at(quote: &Quote) -> Option<Timestamp> {
    quote.observed_at.or(quote.book_at).map(|_| time_of(quote))
}

/// Whether a time that the source states lies farther ahead than clocks may differ. The time of arrival is never the
/// future, even if our own clock has been set back since.
pub(super) fn is_future(quote: &Quote, now: Timestamp) -> bool {
    quote.observed_at.max(quote.book_at).is_some_and(|stated| age(stated, now) > AHEAD)
}

/// Whether the quote is too old for every rung, regardless of the caller's `max_age`.
pub(super) fn is_past_looking_at(quote: &Quote, origin: &Origin, rule: &Rule, now: Timestamp) -> bool {
    let closed_for = rule.closed_for.unwrap_or(Duration::ZERO);
    age(now, time_of(quote)) > rule.fallback_for.max(closed_for).max(usable_for(rule, origin))
}

/// How old a quote of this source may be to be folded: the class's `usable_for`, and the source's lag.
pub(super) fn usable_for(rule: &Rule, origin: &Origin) -> Duration {
    with_lag(rule.usable_for, origin)
}

/// The same for any class.
pub(crate) fn with_lag(usable_for: Duration, origin: &Origin) -> Duration {
    let lag = Duration::from_millis(origin.lag_ms.unsigned_abs());
    if origin.lag_ms < 0 { usable_for.saturating_sub(lag) } else { usable_for.saturating_add(lag) }
}

/// Whether a quote is young enough to be folded. `usable_for` is that of its class, to which the source's lag is added.
pub fn is_usable(quote: &Quote, origin: &Origin, usable_for: Duration, now: Timestamp) -> bool {
    age(now, time_of(quote)) <= with_lag(usable_for, origin)
}

/// Separates usable quotes from older ones.
pub(super) fn judge(entries: &mut [Entry], rule: &Rule, covering: usize, now: Timestamp) {
    let closing = Closing::of(entries, rule, covering, now);
    for entry in entries.iter_mut() {
        let Some(quote) = entry.admitted() else { continue };
        let eligibility = eligibility(quote, &entry.judged.outcome.origin, rule, closing, now);
        if !eligibility.is_usable() {
            entry.judged.verdict = Verdict::Excluded(Exclusion::Stale);
        }
        entry.eligibility = eligibility;
    }
    if entries.iter().any(|entry| entry.eligibility == Eligibility::Last) {
        closing.level(entries);
    }
}

/// What may turn old quotes into the last ones of a closed market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// Nothing: the market trades, or nothing shows that it does not.
    Open,
    /// The market's sessions, where its hours are known.
    ByHours {
        around: Around,
        /// Whether no quote at all is young.
        is_quiet: bool,
    },
    /// The newest time that a source states, where the hours are not known.
    Since(Timestamp),
}

impl Closing {
    /// One young quote shows that the market trades, even outside its hours. Just after an opening a quorum of young
    /// quotes is needed, because slower sources cannot have seen the opening yet. Where the hours are not known, a young quote
    /// that is left out shows it too, and the market counts as closed only if enough sources have answered recently.
    fn of(entries: &[Entry], rule: &Rule, covering: usize, now: Timestamp) -> Self {
        if rule.closed_for.is_none() {
            return Closing::Open;
        }
        let around = rule.hours.and_then(|hours| hours.around(now));
        let mut newest: Option<Timestamp> = None;
        let (mut heard_from, mut trading) = (BTreeSet::new(), BTreeSet::new());
        let mut is_quiet = true;
        for entry in entries {
            let origin = &entry.judged.outcome.origin;
            let Some(quote) = entry.admitted() else {
                is_quiet &= around.is_some() || !shows_trading(entry, rule, now);
                continue;
            };
            let Some(stated_at) = stated_at(quote) else { continue };
            let is_of_the_close =
                around.is_some_and(|around| around.opened_at.is_none() && is_of_the_close(stated_at, around));
            if age(now, stated_at) <= shows_trading_for(rule, origin) && !is_of_the_close {
                is_quiet = false;
                if origin.role != Role::Reference {
                    trading.insert(&origin.account);
                }
            }
            if is_heard(quote, origin, rule, now) {
                heard_from.insert(&origin.account);
            }
            newest = newest.max(Some(stated_at));
        }
        let enough = rule.required.min(covering).max(1);
        let trades = match around {
            Some(Around { opened_at: Some(_), .. }) => trading.len() >= enough,
            Some(Around { opened_at: None, .. }) | None => !is_quiet,
        };
        match around {
            _ if trades => Closing::Open,
            Some(around) => Closing::ByHours { around, is_quiet },
            None => newest.filter(|_| heard_from.len() >= enough).map_or(Closing::Open, Closing::Since),
        }
    }

    /// Treats all last quotes of a closed market alike. One from minutes before or after the closing is young by the
    /// clock for a while, but not in any way that matters.
    fn level(self, entries: &mut [Entry]) {
        let Closing::ByHours { around, .. } = self else { return };
        for entry in entries.iter_mut().filter(|entry| entry.eligibility == Eligibility::Usable) {
            let stated_at = entry.admitted().and_then(stated_at);
            if stated_at.is_some_and(|stated_at| is_of_the_close(stated_at, around)) {
                entry.eligibility = Eligibility::Last;
            }
        }
    }

    /// The eligibility of a quote older than `usable_for` as one of the last of its market; `None` if it is not one of
    /// them.
    fn eligibility(self, quote: &Quote, origin: &Origin, rule: &Rule, now: Timestamp) -> Option<Eligibility> {
        let stated_at = stated_at(quote)?;
        match self {
            Closing::Open => None,
            Closing::Since(newest) => (age(newest, stated_at) <= SAME_CLOSE).then_some(Eligibility::Last),
            // a quote that is no longer refreshed may be the last one we have, not the market's last
            Closing::ByHours { .. } if !is_heard(quote, origin, rule, now) => None,
            Closing::ByHours { around, is_quiet } => {
                let usable_for = usable_for(rule, origin);
                let is_open = around.opened_at.is_some_and(|opened_at| age(now, opened_at) >= usable_for);
                if !is_open && age(around.closed_at, stated_at) <= usable_for {
                    Some(Eligibility::Last)
                } else {
                    is_quiet.then_some(Eligibility::Quiet)
                }
            }
        }
    }
}

fn eligibility(quote: &Quote, origin: &Origin, rule: &Rule, closing: Closing, now: Timestamp) -> Eligibility {
    let age_now = age(now, time_of(quote));
    let closed_for = rule.closed_for.unwrap_or(Duration::ZERO);
    if rule.max_age.is_some_and(|max_age| age_now > max_age) {
        return Eligibility::Out;
    }
    if age_now <= usable_for(rule, origin) {
        return Eligibility::Usable;
    }
    let last = if age_now <= closed_for { closing.eligibility(quote, origin, rule, now) } else { None };
    last.unwrap_or(if age_now <= rule.fallback_for.max(closed_for) { Eligibility::Fallback } else { Eligibility::Out })
}

/// Whether a time lies before the closing, or so soon after it that it still belongs to the close.
fn is_of_the_close(stated_at: Timestamp, around: Around) -> bool {
    age(stated_at, around.closed_at) <= AFTER_THE_CLOSE
}

/// Whether the source was asked recently, and still gave this quote.
fn is_heard(quote: &Quote, origin: &Origin, rule: &Rule, now: Timestamp) -> bool {
    age(now, quote.received_at) <= usable_for(rule, origin)
}

/// Whether a quote that is left out, for its currency or because its clock is ahead, still shows that the market
/// trades.
fn shows_trading(entry: &Entry, rule: &Rule, now: Timestamp) -> bool {
    let judged = &entry.judged;
    let has_a_market = match judged.verdict {
        Verdict::Failed => false,
        Verdict::Excluded(why) => !why.is_without_market(),
        Verdict::Used => true,
    };
    let stated_at = judged.outcome.quote.as_ref().filter(|_| has_a_market).and_then(stated_at);
    stated_at.is_some_and(|stated_at| age(now, stated_at) <= shows_trading_for(rule, &judged.outcome.origin))
}

/// How long a quote proves that its market trades. A reference's lag does not count: today's fixing remains valid while
/// nothing is traded.
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
    use crate::quote::{Outcome, Session, Stated};

    /// A quote from this long ago, although the source was asked just now.
    fn last(source: &str, seconds: i64) -> Outcome {
        says_at(source, "231.44", seconds)
    }

    fn lagging(outcome: Outcome, seconds: i64) -> Outcome {
        of_origin(outcome, |origin| origin.lag_ms = seconds * 1000)
    }

    #[test]
    fn on_nights_weekends_and_holidays_the_last_quotes_stay_usable() {
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
    fn a_young_quote_that_is_left_out_still_shows_that_the_market_trades() {
        let in_currency =
            |outcome, code| with(outcome, |quote| quote.currency = Some(crate::symbol::Currency::new(code)));
        let closes = || ["beta", "gamma"].map(|source| in_currency(last(source, 64 * HOUR), "EUR"));
        let trading = [
            in_currency(last("alpha", 60), "RON"),
            with(last("alpha", 60), |quote| quote.currency = None),
            in_currency(last("alpha", -90), "EUR"),
            with(in_currency(last("alpha", 60), "EUR"), |quote| quote.price = Stated::NotANumber("x".into())),
        ];
        for live in trading {
            let price = fold("QQQQ.RO", closes().into_iter().chain([live]), &equity());
            assert_eq!((price.status, price.session), (Status::Degraded(Degraded::StaleFallback), None));
        }
        let price = fold("QQQQ.RO", closes(), &equity());
        assert_eq!((price.status, price.session), (Status::Ok, Some(Session::Closed)));
    }

    #[test]
    fn quotes_that_merely_stopped_arriving_do_not_close_a_market() {
        let silent = |source| with(last(source, 26 * HOUR), |quote| quote.received_at = quote.observed_at.unwrap());
        let stale_fallback = (Status::Degraded(Degraded::StaleFallback), None);
        let price = fold("AAPL", [silent("alpha"), silent("beta")], &equity());
        assert_eq!((price.status, price.session), stale_fallback);
        // one of the two required is not enough either
        let price = fold("AAPL", [last("alpha", 26 * HOUR), silent("beta")], &equity());
        assert_eq!((price.status, price.session), stale_fallback);
    }

    #[test]
    fn quotes_that_stopped_arriving_are_not_the_close_of_a_market_whose_hours_are_known() {
        let saturday: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let rule = Rule { hours: crate::hours::Hours::named("XNYS"), ..equity() };
        let at_the_close = |source, received_at: &str| {
            with(says(source, "231.44"), |quote| {
                quote.observed_at = Some("2026-11-20T20:59:00Z".parse().unwrap());
                quote.received_at = received_at.parse().unwrap();
            })
        };
        let status = |received_at| {
            let quotes = ["alpha", "beta"].map(|source| at_the_close(source, received_at));
            let price = crate::fold::fold(&crate::symbol::Symbol::parse("AAPL").unwrap(), quotes, &rule, saturday);
            (price.status, price.session)
        };
        assert_eq!(status("2026-11-21T11:59:00Z"), (Status::Ok, Some(Session::Closed)));
        assert_eq!(status("2026-11-20T20:59:01Z"), (Status::Degraded(Degraded::StaleFallback), None));
    }

    #[test]
    fn a_source_without_a_quote_or_a_market_does_not_show_that_others_trade() {
        use crate::failure::SourceError;
        use crate::fold::testing::failed;
        use crate::quote::NoMarket;
        let closes = || ["beta", "gamma"].map(|source| last(source, 64 * HOUR));
        let idle = [
            failed("alpha", SourceError::unavailable("503")),
            with(last("alpha", 60), |quote| quote.no_market = Some(NoMarket::Halted)),
            with(last("alpha", 64 * HOUR), |quote| quote.price = Stated::NotANumber("x".into())),
        ];
        for outcome in idle {
            let price = fold("QQQQ.RO", closes().into_iter().chain([outcome.clone()]), &equity());
            assert_eq!((price.status, price.session), (Status::Ok, Some(Session::Closed)), "{outcome:?}");
        }
    }

    #[test]
    fn all_sources_of_a_symbol_can_close_its_market_even_if_too_few() {
        let price = fold("AAPL", [last("alpha", 40 * HOUR)], &equity());
        assert_eq!((price.status, price.session), (Status::Degraded(Degraded::FewSources), Some(Session::Closed)));
    }

    #[test]
    fn a_market_that_never_closes_never_counts_as_closed() {
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
        // but one that was stated a moment ago does
        let trades = of_origin(last("ecb", 10), |origin| origin.role = Role::Reference);
        let price = fold("AAPL", [last("alpha", 28 * HOUR), last("beta", 28 * HOUR), trades], &equity());
        assert_eq!((price.status, price.session), (Status::Degraded(Degraded::StaleFallback), None));
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
    fn nothing_older_than_max_age_is_used_even_when_the_market_is_closed() {
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

//! How a price is explained in a sentence.

use super::*;
use crate::fold::testing::{
    MINUTE, ago, equity, failed, fold, now, of_origin, reference, refused, rule, says, says_at, with,
};
use crate::fold::{BelowQuorum, Rule};
use crate::quote::Outcome;
use std::time::Duration;

fn sentence(symbol: &str, outcomes: impl IntoIterator<Item = Outcome>, rule: &Rule) -> String {
    fold(symbol, outcomes, rule).detail.unwrap_or_default()
}

fn denies(source: &str) -> Outcome {
    failed(source, SourceError::UnknownSymbol("no such symbol".into()))
}

fn times_out(source: &str) -> Outcome {
    failed(source, SourceError::Timeout(Duration::from_millis(700)))
}

fn waits(source: &str) -> Outcome {
    let mut outcome = failed(source, SourceError::RateLimited { detail: "slow down".into(), retry_after: None });
    outcome.failure.as_mut().unwrap().retry_at = Some("2026-11-20T14:31:40.2Z".parse().unwrap());
    outcome
}

#[test]
fn a_price_that_is_ok_has_no_detail() {
    assert_eq!(fold("BTC-USD", [says("alpha", "1"), says("beta", "1")], &rule()).detail, None);
}

#[test]
fn a_missing_quorum_says_who_is_missing_and_until_when() {
    assert_eq!(
        sentence("DOGE-USD", [says("alpha", "1"), waits("beta")], &rule()),
        "1 of 2 required sources answered; beta rate-limits us, and is called again at 14:31:40 UTC"
    );
    let old = [says("alpha", "1"), says_at("beta", "1", 17 * MINUTE)];
    assert_eq!(
        sentence("DOGE-USD", old, &rule()),
        "1 of 2 required sources gave a usable price; beta: stated at 14:14:10 UTC, 60 s allowed"
    );
    let lenient = Rule { below_quorum: BelowQuorum::Degrade, ..rule() };
    assert_eq!(
        sentence("DOGE-USD", [says("alpha", "1"), times_out("beta")], &lenient),
        "1 of 2 required sources answered; beta: no reply within 700 ms"
    );
}

#[test]
fn a_symbol_that_too_few_sources_cover_says_so() {
    let quotes = [says("alpha", "1"), denies("beta")];
    assert_eq!(sentence("VOD.L", quotes, &rule()), "of the vendors asked, only 1 covers VOD.L; 2 are required");
}

#[test]
fn an_unknown_symbol_says_how_many_say_so() {
    let three = ["alpha", "beta", "gamma"].map(denies);
    assert_eq!(sentence("ZZZZ", three, &rule()), "all 3 sources that answered say there is no ZZZZ");
    let more = [denies("alpha"), denies("beta"), times_out("gamma")];
    assert_eq!(sentence("ZZZZ", more, &rule()), "all 2 sources that answered say there is no ZZZZ");
    let plan = failed("gamma", SourceError::NotInPlan("premium".into()));
    let mixed = [denies("alpha"), denies("beta"), plan];
    assert_eq!(sentence("ZZZZ", mixed, &rule()), "2 of 3 sources that answered say there is no ZZZZ");
    assert_eq!(
        sentence("BTCUSD", [denies("alpha")], &rule()),
        "the only source that answered says there is no BTCUSD; did you mean BTC-USD?"
    );
}

#[test]
fn no_answer_names_three_reasons_and_counts_the_rest() {
    let five = [times_out("a"), waits("b"), denies("c"), times_out("d"), times_out("e")];
    assert_eq!(
        sentence("AAPL", five, &equity()),
        "none of the 5 sources gave a price; a: no reply within 700 ms; b rate-limits us, and is called again at 14:31:40 UTC; \
         c: no such symbol; and 2 more"
    );
    assert_eq!(sentence("AAPL", [], &equity()), "no source that is switched on covers AAPL");
}

#[test]
fn old_quotes_say_when_the_newest_was_stated() {
    let old = [says_at("alpha", "1", 20 * MINUTE), says_at("beta", "1", 17 * MINUTE)];
    assert_eq!(
        sentence("DOGE-USD", old, &rule()),
        "every price is too old; the newest is beta's, stated at 14:14:10 UTC, 60 s allowed"
    );
}

#[test]
fn a_degraded_price_says_what_it_lacks() {
    assert_eq!(
        sentence("DOGE-USD", [says("alpha", "1"), waits("beta"), reference("gecko", "1")], &rule()),
        "1 of 2 required independent sources answered; references filled in: gecko; \
         beta rate-limits us, and is called again at 14:31:40 UTC"
    );
    assert_eq!(
        sentence("DOGE-USD", [says("alpha", "1"), says_at("beta", "1", 7 * MINUTE)], &rule()),
        "1 of 2 required sources gave a fresh price; older ones filled in: beta stated at 14:24:10 UTC"
    );
}

#[test]
fn camps_say_how_few_are_near_the_middle() {
    let camps = [says("a", "50000"), says("b", "50000"), says("c", "100000"), says("d", "100000")];
    assert_eq!(
        sentence("BTC-USD", camps, &rule()),
        "a says 50000, d 100000: 0 of 4 within 2 % of their median 75000, 3 required"
    );
}

#[test]
fn a_quota_and_our_own_limit_say_when_they_end() {
    let until = |error| {
        let mut outcome = refused(says_at("alpha", "1", 3600), error);
        outcome.quote = None;
        outcome.failure.as_mut().unwrap().retry_at = Some(now());
        sentence("AAPL", [outcome], &equity())
    };
    let quota = SourceError::QuotaExhausted { detail: "used up".into(), retry_after: None };
    assert_eq!(until(quota), "the only source gave no price; alpha's quota is used up until 14:31:10 UTC");
    let throttled = SourceError::Throttled { limit: "5/min".into(), retry_after: Duration::from_secs(3) };
    let sentence = "the only source gave no price; our limit for alpha has no room until 14:31:10 UTC";
    assert_eq!(until(throttled), sentence);
}

#[test]
fn an_excluded_quote_says_why() {
    let of = |outcome: Outcome| {
        let quotes = [says("one", "100"), says("two", "100"), outcome];
        let price = fold("BTC-USD", quotes, &Rule { required: 1, ..rule() });
        price.quotes.into_iter().find(|judged| judged.outcome.origin.source == "it").unwrap().detail.unwrap()
    };
    let lagging = of_origin(says_at("it", "100", 17 * MINUTE), |origin| origin.lag_ms = 15 * 60 * 1000);
    assert_eq!(of(lagging), "stated at 14:14:10 UTC, 60 s allowed (+ 15 min lag)");
    assert_eq!(of(with(says("it", "100"), |q| q.received_at = ago(300))), "received at 14:26:10 UTC, 60 s allowed");
    assert_eq!(of(says_at("it", "100", -42)), "stated at 14:31:52 UTC, which is ahead of our clock, 5 s allowed");
    assert_eq!(of(says("it", "92")), "8.0 % from the median 100, 2 % allowed");
    assert_eq!(of(says("it", "-5.0")), "-5 is not a price");
    assert_eq!(of(reference("it", "100")), "a reference; the other sources suffice");
    let sessions = with(says("it", "100"), |q| q.session = Some(crate::quote::Session::Post));
    assert_eq!(of(sessions), "from after-hours trading, but regular or later quotes decide");
    let unsaid = with(says("it", "100"), |q| q.currency = Some(crate::symbol::Currency::new("EUR")));
    assert_eq!(of(unsaid), "in EUR, not in USD");
    assert_eq!(of(times_out("it")), "no reply within 700 ms");
}

#[test]
fn a_quote_that_max_age_left_out_says_so() {
    let strict = Rule { max_age: Some(Duration::from_secs(10)), ..rule() };
    let price = fold("BTC-USD", [says_at("alpha", "1", 42)], &strict);
    assert_eq!(price.quotes[0].detail.as_deref(), Some("stated at 14:30:28 UTC, max_age is 10 s"));
}

#[test]
fn a_price_that_is_ok_says_if_its_symbol_may_not_be_what_its_caller_thinks() {
    let said = |text: &str| what_it_is(&Symbol::parse(text).unwrap());
    let starts = [
        ("BTC", "BTC is read as a listing in the United States; did you mean BTC-USD?"),
        ("USDT", "USDT is read as a listing in the United States; did you mean USDT-USD?"),
        ("BTCUSD", "BTCUSD is read as a listing in the United States; did you mean BTC-USD?"),
        ("GBX-USD", "GBX-USD is read as the price of a coin; did you mean GBP-USD?"),
        ("EUR-HRK", "HRK "),
    ];
    for (symbol, start) in starts {
        let said = said(symbol).unwrap();
        assert!(said.starts_with(start), "{said}");
    }
    for symbol in ["AAPL", "BRK.B", "BTC-USD", "EUR-USD", "GOOGL", "GBX-GBP", "BTC-P.L", "ETH.TO"] {
        if let Ok(symbol) = Symbol::parse(symbol) {
            assert_eq!(what_it_is(&symbol), None, "{symbol}");
        }
    }
}

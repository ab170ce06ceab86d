//! Checks what a quote of one pair says about another.

use std::time::Duration;

use super::*;
use crate::fold::testing::{ago, decimal, fold, now, rule, says, says_at, with};
use crate::fold::{Degraded, Status};
use crate::symbol::Currency;

/// A rate: the fold of one pair's quotes.
fn rate(symbol: &str, outcomes: Vec<Outcome>) -> Arc<Price> {
    Arc::new(fold(symbol, outcomes, &crate::fold::Rule { currency: None, ..rule() }))
}

fn pair(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

/// A quote without a currency, as exchanges give them.
fn unsaid(outcome: Outcome) -> Outcome {
    with(outcome, |quote| quote.currency = None)
}

fn route<'r>(asked: &str, inverted: bool, rates: impl IntoIterator<Item = (&'r str, bool)>) -> Route {
    let rates = rates.into_iter().map(|(symbol, inverted)| Rate { symbol: pair(symbol), inverted });
    Route { asked: pair(asked), inverted, rates: rates.collect() }
}

fn evidence<'r>(
    symbol: &str,
    route: &Route,
    said: Outcome,
    rates: impl IntoIterator<Item = &'r Arc<Price>>,
) -> Evidence {
    let rates = rates.into_iter().map(|rate| (rate.symbol.clone(), Arc::clone(rate))).collect();
    derive(&pair(symbol), route, said, &rates, &rule())
}

fn derived<'r>(symbol: &str, route: &Route, said: Outcome, rates: impl IntoIterator<Item = &'r Arc<Price>>) -> Quote {
    evidence(symbol, route, said, rates).outcome.quote.unwrap()
}

fn price(quote: &Quote) -> String {
    match &quote.price {
        Stated::Number(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn tether() -> Arc<Price> {
    rate("USDT-USD", vec![unsaid(says("kraken", "0.999")), unsaid(says("coinbase", "0.999"))])
}

#[test]
fn a_rate_multiplies_price_bid_and_ask_and_leaves_the_volume() {
    let book = with(unsaid(says("binance", "64100")), |quote| {
        (quote.bid, quote.ask, quote.volume) = (Some(decimal("64099")), Some(decimal("64101")), Some(decimal("7")));
    });
    let quote = derived("BTC-USD", &route("BTC-USDT", false, Some(("USDT-USD", false))), book, Some(&tether()));
    assert_eq!(price(&quote), "64035.9");
    assert_eq!((quote.bid, quote.ask), (Some(decimal("64034.901")), Some(decimal("64036.899"))));
    assert_eq!((quote.volume, quote.currency), (Some(decimal("7")), Some(Currency::new("USD"))));
}

#[test]
fn every_calculation_rounds_once_to_twelve_digits() {
    let euro = rate("EUR-USD", vec![unsaid(says("a", "1.1")), unsaid(says("b", "1.1"))]);
    let of = |inverted, divides| {
        let route = route("BTC-USD", inverted, Some(("EUR-USD", divides)));
        price(&derived("BTC-EUR", &route, unsaid(says("x", "3")), Some(&euro)))
    };
    assert_eq!(of(false, false), "3.3");
    assert_eq!(of(false, true), "2.72727272727");
    assert_eq!(of(true, false), "0.366666666667");
    assert_eq!(of(true, true), "0.30303030303");
}

#[test]
fn two_rates_are_used_one_after_the_other_and_the_worse_of_them_counts() {
    let francs = rate("USD-CHF", vec![unsaid(says("a", "0.8"))]);
    let way = route("BTC-USDT", false, [("USDT-USD", false), ("USD-CHF", false)]);
    let Evidence { outcome, derivation } =
        evidence("BTC-CHF", &way, unsaid(says("binance", "64100")), [&tether(), &francs]);
    assert_eq!(price(outcome.quote.as_ref().unwrap()), "51228.72");
    let derivation = derivation.unwrap();
    assert_eq!(derivation.via(), [&pair("USDT-USD"), &pair("USD-CHF")]);
    let (worst, reason) = derivation.degraded().unwrap();
    assert_eq!((&worst.symbol, reason), (&pair("USD-CHF"), Degraded::FewSources));
    // one rate of two is not enough
    assert_eq!(derived("BTC-CHF", &way, unsaid(says("binance", "64100")), [&tether()]).price, Stated::Absent);
}

#[test]
fn a_degraded_rate_is_named_where_it_counts_and_where_it_does_not() {
    let tether = rate("USDT-USD", vec![unsaid(says("kraken", "0.999"))]);
    let way = route("BTC-USDT", false, Some(("USDT-USD", false)));
    let derived = || ["x", "y"].map(|source| evidence("BTC-USD", &way, unsaid(says(source, "64100")), Some(&tether)));
    let folded = |evidence: Vec<Evidence>| crate::fold::fold(&pair("BTC-USD"), evidence, &rule(), now());
    let alone = folded(derived().into());
    assert_eq!(alone.status, Status::Degraded(Degraded::FewSources));
    let detail = alone.detail.unwrap();
    let rates = "x's rate USDT-USD is degraded / few_sources; y's rate USDT-USD is degraded / few_sources";
    assert!(detail.starts_with(rates), "{detail}");

    let direct = ["a", "b"].map(|source| Evidence::from(says(source, "64036")));
    let beside = folded(direct.into_iter().chain(derived()).collect());
    assert_eq!(beside.status, Status::Ok);
    let of_x = beside.quotes.iter().find(|judged| judged.outcome.origin.source == "x").unwrap();
    assert_eq!(of_x.reason(), Some("degraded_rate"));
    let why = "its rate USDT-USD is degraded / few_sources; the other sources suffice";
    assert_eq!(of_x.detail.as_deref(), Some(why));
}

#[test]
fn an_inverted_pair_has_its_sides_swapped_and_no_volume() {
    let book = with(unsaid(says("x", "0.8")), |quote| {
        (quote.bid, quote.ask, quote.volume) = (Some(decimal("0.5")), Some(decimal("1")), Some(decimal("7")));
    });
    let Evidence { outcome, derivation } = evidence("EUR-USD", &route("USD-EUR", true, None), book, None);
    let quote = outcome.quote.unwrap();
    assert_eq!((price(&quote).as_str(), quote.bid, quote.ask), ("1.25", Some(decimal("1")), Some(decimal("2"))));
    assert_eq!(quote.volume, None);
    assert_eq!(derivation.unwrap().via(), [&pair("USD-EUR")]);
    let zero = derived("EUR-USD", &route("USD-EUR", true, None), unsaid(says("x", "0")), None);
    assert_eq!(price(&zero), "NotANumber(\"0\")");
}

#[test]
fn the_oldest_part_gives_the_time() {
    let times = |own: Outcome, rates: [Outcome; 2]| {
        let rate = rate("USDT-USD", rates.map(unsaid).into());
        let quote = derived("BTC-USD", &route("BTC-USDT", false, Some(("USDT-USD", false))), unsaid(own), Some(&rate));
        (quote.observed_at, quote.received_at)
    };
    let at = |seconds| says_at("a", "1", seconds);
    let also_at = |seconds| says_at("b", "1", seconds);
    assert_eq!(times(says_at("x", "9", 30), [at(5), also_at(8)]), (Some(ago(30)), ago(1)));
    assert_eq!(times(says_at("x", "9", 5), [at(20), also_at(40)]), (Some(ago(40)), ago(1)));
    // the oldest part states no time, so neither does the whole
    let old = with(says("b", "1"), |quote| quote.received_at = ago(50));
    assert_eq!(times(says_at("x", "9", 5), [at(20), old.clone()]), (None, ago(50)));
    assert_eq!(times(says("x", "9"), [says("a", "1"), says("b", "1")]), (None, ago(1)));
    let age = crate::clock::age(now(), ago(50));
    assert_eq!(age, Duration::from_secs(50));
}

#[test]
fn without_a_rate_there_is_no_price_and_it_is_known_whether_one_can_come() {
    let way = route("BTC-USDT", false, Some(("USDT-USD", false)));
    let without = |rate: Arc<Price>| {
        let Evidence { outcome, derivation } = evidence("BTC-USD", &way, unsaid(says("binance", "64100")), Some(&rate));
        assert_eq!(outcome.quote.unwrap().price, Stated::Absent);
        derivation.unwrap().never_has_rate()
    };
    assert!(without(rate("USDT-USD", Vec::new())));
    let down = crate::fold::testing::failed("kraken", crate::failure::SourceError::unavailable("down"));
    assert!(!without(rate("USDT-USD", vec![down])));
}

#[test]
fn a_failure_stays_the_same_failure() {
    let down = crate::fold::testing::failed("x", crate::failure::SourceError::unavailable("down"));
    let Evidence { outcome, derivation } = evidence("EUR-USD", &route("USD-EUR", true, None), down.clone(), None);
    assert_eq!((outcome.symbol, outcome.quote, outcome.failure), (pair("EUR-USD"), None, down.failure));
    assert_eq!(derivation.unwrap().asked, pair("USD-EUR"));
}

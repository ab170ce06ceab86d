//! The laws of every derived quote and every conversion, tried with random figures.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use quotefold::convert::convert;
use quotefold::derive::derive;
use quotefold::fold::{Evidence, Price, Rule, Status, fold};
use quotefold::quote::{Origin, Outcome, Quote, Role, Stated};
use quotefold::route::{Rate, Route};
use quotefold::settings::Settings;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::symbol::{Currency, Symbol};
use rust_decimal::Decimal;

fn now() -> Timestamp {
    "2026-11-20T14:31:10.412Z".parse().unwrap()
}

/// The built-in rule of a class.
fn rule(symbol: &Symbol) -> Rule {
    static SETTINGS: LazyLock<Settings> = LazyLock::new(|| load(&LoadOptions::default()).unwrap());
    SETTINGS.rule(symbol, None)
}

fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

fn says(source: &str, pair: &str, price: Decimal, old: i64) -> Outcome {
    let origin =
        Origin { source: source.into(), account: source.into(), role: Role::Primary, lag_ms: 0, by_isin: false };
    let observed_at = Some(now() - SignedDuration::from_secs(old));
    let quote = Quote { observed_at, ..Quote::bare(price, now()) };
    Outcome { origin: Arc::new(origin), symbol: symbol(pair), quote: Some(quote), failure: None }
}

/// The price of a pair on which this many sources agree.
fn price(pair: &str, price: Decimal, sources: usize, old: i64) -> Price {
    let outcomes = (0..sources).map(|number| says(&format!("s{number}"), pair, price, old));
    fold(&symbol(pair), outcomes, &rule(&symbol(pair)), now())
}

/// `BTC-USD`, derived from a quote in tethers.
fn derived(stated: Decimal, old: i64, rate: Price) -> Evidence {
    let route = Route {
        asked: symbol("BTC-USDT"),
        inverted: false,
        rates: vec![Rate { symbol: symbol("USDT-USD"), inverted: false }],
    };
    let rates = BTreeMap::from([(symbol("USDT-USD"), Arc::new(rate))]);
    derive(&symbol("BTC-USD"), &route, says("binance", "BTC-USDT", stated, old), &rates, &rule(&route.asked))
}

fn any_decimal() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), any::<u32>(), 0_u32..28).prop_map(|(high, low, scale)| {
        Decimal::try_from_i128_with_scale(i128::from(high) * 4_294_967_296 + i128::from(low), scale)
            .unwrap_or(Decimal::MAX)
    })
}

/// A possible price, from very small to very large.
fn plausible() -> impl Strategy<Value = Decimal> {
    (1_i64..1_000_000_000_000, 0_u32..12).prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale))
}

fn near(one: Decimal, other: Decimal) -> bool {
    (one - other).abs() <= one.abs().max(other.abs()) * Decimal::new(1, 8)
}

proptest! {
    #[test]
    fn no_figure_makes_deriving_or_converting_panic(stated in any_decimal(), rate in any_decimal(), inverted: bool, divides: bool) {
        let rates = BTreeMap::from([(symbol("EUR-USD"), Arc::new(price("EUR-USD", rate, 2, 1)))]);
        let route = Route {
            asked: symbol("BTC-EUR"),
            inverted,
            rates: vec![Rate { symbol: symbol("EUR-USD"), inverted: divides }],
        };
        derive(&symbol("BTC-USD"), &route, says("x", "BTC-EUR", stated, 1), &rates, &rule(&route.asked));
        let own = price("BTC-USD", stated, 2, 1);
        let converted = convert(own, &Currency::new("EUR"), |pair| rates.get(pair).cloned());
        prop_assert!(converted.price.status != Status::Ok || converted.conversion.is_some_and(|conversion| conversion.price.is_some()));
    }

    #[test]
    fn a_conversion_is_the_price_times_the_rate(own in plausible(), rate in (1_i64..1_000_000, 0_u32..6)) {
        let rate = Decimal::new(rate.0, rate.1);
        let euro = Arc::new(price("EUR-USD", rate, 2, 1));
        let own = price("AAPL", own, 2, 1);
        let Some(folded) = own.folded.clone() else { return Ok(()) };
        let converted = convert(own, &Currency::new("EUR"), |_| Some(Arc::clone(&euro)));
        let Some(given) = converted.conversion.and_then(|conversion| conversion.price) else { return Ok(()) };
        prop_assert!(near(given * rate, folded.price), "{given} × {rate} is not {}", folded.price);
        let digits = given.to_string().replace('.', "");
        prop_assert!(digits.trim_matches('0').len() <= 10, "more than ten digits: {given}");
    }

    #[test]
    fn a_derived_quote_is_never_younger_than_any_of_its_parts(own in 0_i64..600, rate in 0_i64..50) {
        let quote = derived(Decimal::ONE, own, price("USDT-USD", Decimal::ONE, 2, rate)).outcome.quote.unwrap();
        prop_assert_eq!(quote.observed_at, Some(now() - SignedDuration::from_secs(own.max(rate))));
    }

    #[test]
    fn a_price_that_needs_a_degraded_rate_is_never_ok(stated in plausible(), direct in 0_usize..3) {
        // one source alone: the rate is degraded
        let one = derived(stated, 1, price("USDT-USD", Decimal::ONE, 1, 1));
        let others = (0..direct).map(|number| says(&format!("d{number}"), "BTC-USD", stated, 1).into());
        let folded = {
            let bitcoin = symbol("BTC-USD");
            fold(&bitcoin, others.chain([one.clone()]), &rule(&bitcoin), now())
        };
        prop_assert_eq!(folded.status == Status::Ok, direct >= 2 && folded.folded.is_some());
    }

    #[test]
    fn scaling_the_rate_scales_the_quote(stated in 1_i64..1_000_000, rate in 1_i64..1_000) {
        let of = |rate: Decimal| match derived(Decimal::new(stated, 2), 1, price("USDT-USD", rate, 2, 1)).outcome.quote.unwrap().price {
            Stated::Number(price) => price,
            other => panic!("{other:?}"),
        };
        let rate = Decimal::new(rate, 3);
        prop_assert!(near(of(rate) * Decimal::TWO, of(rate * Decimal::TWO)));
    }
}

//! Checks prices that are converted into another currency.

use super::*;
use crate::fold::testing::{decimal, fold, rule, says, with};

fn rate(symbol: &str, price: &str) -> Arc<Price> {
    let unsaid = |source| with(says(source, price), |quote| quote.currency = None);
    Arc::new(fold(symbol, [unsaid("a"), unsaid("b")], &rule()))
}

fn dollars(low: &str, high: &str) -> Price {
    fold("AAPL", [says("alpha", low), says("beta", high)], &rule())
}

fn converted(price: Price, to: &str, rates: &[Arc<Price>]) -> Priced {
    convert(price, &Currency::new(to), |symbol| rates.iter().find(|rate| rate.symbol == *symbol).cloned())
}

#[test]
fn a_price_and_its_uncertainty_are_converted_to_ten_digits() {
    let Priced { price, conversion } = converted(dollars("231.43", "231.45"), "EUR", &[rate("EUR-USD", "1.08")]);
    let conversion = conversion.unwrap();
    assert_eq!(conversion.price, Some(decimal("214.2962963")));
    assert_eq!(conversion.plus_minus, Some(decimal("0.009259259259")));
    assert_eq!((price.status, price.currency.unwrap().as_str().to_owned()), (Status::Ok, "EUR".to_owned()));
    // the folded price stays as it was, because the quotes are compared with it
    assert_eq!(price.folded.unwrap().price, decimal("231.44"));
}

#[test]
fn a_rate_multiplies_or_divides_as_markets_write_it() {
    let one = || dollars("2", "2");
    let price = |to, rate| converted(one(), to, &[rate]).conversion.unwrap().price.unwrap();
    assert_eq!(price("JPY", rate("USD-JPY", "157.5")), decimal("315"));
    assert_eq!(price("GBP", rate("GBP-USD", "1.25")), decimal("1.6"));
    assert_eq!(price("BTC", rate("BTC-USD", "64000")), decimal("0.00003125"));
}

#[test]
fn half_a_digit_is_rounded_to_the_even_one() {
    let price = |low| converted(dollars(low, low), "JPY", &[rate("USD-JPY", "1")]).conversion.unwrap().price.unwrap();
    assert_eq!(price("1.0000000005"), decimal("1"));
    assert_eq!(price("1.0000000015"), decimal("1.000000002"));
}

#[test]
fn a_degraded_rate_degrades_the_price_and_the_price_says_so() {
    let lenient = crate::fold::Rule { below_quorum: crate::fold::BelowQuorum::Degrade, ..rule() };
    let one = with(says("a", "1.08"), |quote| quote.currency = None);
    let rate = Arc::new(fold("EUR-USD", [one], &lenient));
    let why = rate.detail.clone().unwrap();
    let Priced { price, .. } = converted(dollars("231.44", "231.44"), "EUR", &[rate]);
    assert_eq!(price.status, Status::Degraded(crate::fold::Degraded::FewSources));
    assert_eq!(price.detail, Some(format!("converted with EUR-USD: {why}")));
}

#[test]
fn without_a_rate_nothing_is_left_that_looks_like_a_price() {
    for rates in [vec![], vec![Arc::new(fold("EUR-USD", [], &rule()))]] {
        let Priced { price, .. } = converted(dollars("231.43", "231.45"), "EUR", &rates);
        assert_eq!(price.status, Status::Unavailable(Unavailable::NoConversion));
        assert!(price.folded.is_none() && price.status.may_heal());
        assert!(price.quotes.iter().all(|judged| judged.verdict == Verdict::Excluded(Exclusion::NotFolded)));
        assert!(price.quotes.iter().all(|judged| judged.deviation_bps.is_none()));
        assert!(price.detail.unwrap().contains("no rate to EUR"));
    }
}

#[test]
fn a_symbol_without_a_price_or_in_that_currency_already_stays_as_it_is() {
    let none = fold("AAPL", [], &rule());
    assert_eq!(converted(none.clone(), "EUR", &[]), none.into());
    let same = dollars("1", "1");
    assert_eq!(converted(same.clone(), "USD", &[]), same.into());
}

#[test]
fn the_points_of_an_index_cannot_be_converted() {
    let index = |currency: Option<&str>| {
        let labelled = |source| with(says(source, "6000"), |quote| quote.currency = currency.map(Currency::new));
        fold("^GSPC", [labelled("a"), labelled("b")], &rule())
    };
    for currency in [None, Some("USD")] {
        let Priced { price, .. } = converted(index(currency), "EUR", &[rate("EUR-USD", "1.08")]);
        assert_eq!(price.status, Status::Unavailable(Unavailable::NoConversion));
        assert_eq!(
            price.detail.as_deref(),
            Some("^GSPC is in points, which no rate converts into EUR; ask for it without a currency")
        );
    }
    assert_eq!(converted(index(Some("USD")), "USD", &[]).price.status, Status::Ok);
}

#[test]
fn a_price_whose_currency_no_source_states_cannot_be_converted() {
    let price = Price { currency: None, ..dollars("231.43", "231.45") };
    let Priced { price, .. } = converted(price, "EUR", &[rate("EUR-USD", "1.08")]);
    assert_eq!((price.status, price.folded), (Status::Unavailable(Unavailable::NoConversion), None));
    assert_eq!(
        price.detail.as_deref(),
        Some(
            "no source states the currency of AAPL, so it cannot be converted into EUR; ask for it without a currency"
        )
    );
}

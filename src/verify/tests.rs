//! What can be verified, and how a difference is told.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::answer::{Answer, Answered};
use crate::clock::Clock;
use crate::derive::derive;
use crate::fold::testing::{ago, book, equity, failed, now, rule, says, says_at, with};
use crate::fold::{Evidence, Folded, Rule};
use crate::question::{Bounds, Question};
use crate::quote::{Outcome, Sides};
use crate::route::{Rate, Route};
use crate::symbol::Symbol;

fn text_of(priced: Priced) -> String {
    let question = format!("symbols={}", priced.price.symbol.as_str().replace('^', "%5E"));
    let question = Question::parse(&question, &Bounds::default(), Clock::from_fn(now).now()).unwrap();
    let answer = Answer::new(&question, vec![Answered { priced, changes_at: None }], now(), false);
    String::from_utf8(answer.body(now()).unwrap()).unwrap()
}

fn fields(text: &str) -> Vec<String> {
    let verified = verify(text).unwrap();
    verified.into_iter().flat_map(|entry| entry.differences).map(|difference| difference.field).collect()
}

fn symbol(text: &str) -> Symbol {
    Symbol::named(text).unwrap()
}

fn priced() -> Price {
    crate::fold::testing::fold(
        "AAPL",
        [says("alpha", "231.38"), says("beta", "231.40"), says("gamma", "249.89")],
        &equity(),
    )
}

/// A rate as the fold makes it.
fn rate(pair: &str, price: &str, status: Status) -> Price {
    let mut rate = crate::fold::testing::fold(pair, [says("x", price), says("y", price)], &rule());
    rate.status = status;
    rate
}

#[test]
fn an_answer_an_entry_and_lines_of_entries_are_verified() {
    let answer = text_of(priced().into());
    let entry = serde_json::from_str::<Value>(&answer).unwrap()["prices"][0].to_string();
    let lines = format!("{entry}\n{entry}\n");
    for (text, entries) in [(&answer, 1), (&entry, 1), (&lines, 2)] {
        let verified = verify(text).unwrap();
        assert_eq!(verified.len(), entries);
        assert!(verified.iter().all(|entry| entry.differences.is_empty() && entry.quotes == 3), "{verified:?}");
        assert_eq!(verified[0].price.as_deref(), Some("231.39 USD"));
    }
}

#[test]
fn a_difference_names_the_field_and_both_values() {
    let text = text_of(priced().into()).replacen("\"price\":\"231.39\"", "\"price\":\"231.49\"", 1);
    let verified = verify(&text).unwrap();
    let [difference] = &verified[0].differences[..] else { panic!("{verified:?}") };
    assert_eq!(difference.field, "price");
    assert_eq!((&*difference.stated, &*difference.recomputed), ("\"231.49\"", "\"231.39\""));
    let text = text_of(priced().into()).replacen("\"last\":\"231.4\"", "\"last\":\"231.41\"", 1);
    assert!(fields(&text).iter().any(|field| field == "quotes[beta].price"), "{:?}", fields(&text));
}

#[test]
fn a_status_that_does_not_follow_is_found() {
    let text = text_of(priced().into());
    assert_eq!(fields(&text.replacen("{\"status\":\"complete\"", "{\"status\":\"degraded\"", 1)), ["status"]);
    assert_eq!(fields(&text.replace("\"age_ms\":1000", "\"age_ms\":999")), ["age_ms"]);
    let no_symbol =
        text.replace("\"status\":\"ok\",\"reason\":null", "\"status\":\"unknown\",\"reason\":\"not_a_symbol\"");
    assert!(fields(&no_symbol).contains(&"price".to_owned()), "{:?}", fields(&no_symbol));
    let outlier = "\"status\":\"excluded\",\"reason\":\"outlier\"";
    let used = text.replacen(outlier, "\"status\":\"used\",\"reason\":null", 1);
    assert_eq!(fields(&used), ["quotes[gamma].status", "quotes[gamma].reason"]);
}

#[test]
fn what_cannot_be_verified_says_why() {
    assert!(matches!(verify("prices"), Err(Unverifiable::NotJson(_))));
    assert_eq!(verify(""), Err(Unverifiable::NotAnAnswer));
    assert_eq!(verify("{\"type\":\"/problems/bad-query\"}"), Err(Unverifiable::NotAnAnswer));
    assert_eq!(verify("[1, 2]"), Err(Unverifiable::NotAnAnswer));
    let bare = "{\"symbol\":\"AAPL\",\"status\":\"ok\",\"price\":\"1\",\"rule\":null,\"quotes\":null}";
    assert_eq!(verify(bare), Err(Unverifiable::WithoutQuotes("AAPL".to_owned())));
    // an answer of a version that said less of its rule
    let older = text_of(priced().into()).replace("\"in_points\":false,", "");
    assert_eq!(
        verify(&older),
        Err(Unverifiable::Unreadable { symbol: "AAPL".to_owned(), why: "missing field `in_points`".to_owned() })
    );
}

#[test]
fn a_conversion_is_recomputed_with_the_rate_that_is_stated() {
    let to = Currency::new("EUR");
    let rates = |status| move |_: &Symbol| Some(Arc::new(rate("EUR-USD", "1.0842", status)));
    let few = Status::Degraded(crate::fold::Degraded::FewSources);
    for status in [Status::Ok, few] {
        let text = text_of(convert(priced(), &to, rates(status)));
        assert_eq!(fields(&text), Vec::<String>::new(), "{text}");
        assert_eq!(verify(&text).unwrap()[0].rates, ["EUR-USD 1.0842"]);
        let wrong = text.replace("\"rate\":\"1.0842\"", "\"rate\":\"1.0843\"");
        assert_eq!(fields(&wrong), ["price", "plus_minus"]);
    }
    for text in [
        text_of(convert(priced(), &to, |_| None)),
        text_of(convert(
            crate::fold::testing::fold("^GSPC", [says("a", "5100"), says("b", "5101")], &equity()),
            &to,
            |_| None,
        )),
    ] {
        assert!(text.contains("no_conversion"));
        assert_eq!(fields(&text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_source_that_states_the_inverse_is_verified_by_what_it_states() {
    let inverse = |source: &str, last: &str, bid: &str, ask: &str| {
        let number = |text: &str| crate::fold::testing::decimal(text);
        let stated = Sides { last: Some(number(last)), bid: Some(number(bid)), ask: Some(number(ask)) };
        let inverted = stated.map(decimal::inverse);
        with(says(source, "1"), |quote| {
            quote.price = crate::quote::Stated::Number(inverted.last.unwrap());
            (quote.bid, quote.ask) = (inverted.ask, inverted.bid);
            quote.inverse_of = Some(Box::new(stated));
        })
    };
    let quotes = [inverse("alpha", "0.9", "0.9223", "0.9224"), inverse("beta", "0.92235", "0.9223", "0.9224")];
    let text = text_of(crate::fold::testing::fold("EUR-USD", quotes, &rule()).into());
    assert!(text.contains("\"basis\":\"middle\""), "{text}");
    assert_eq!(fields(&text), Vec::<String>::new(), "{text}");
    assert!(!fields(&text.replacen("\"ask\":\"0.9224\"", "\"ask\":\"0.9234\"", 1)).is_empty());
    // a last price far outside of the book decides nothing, but is still the inverse of what the source states
    let other = text.replacen("\"inverse_of\":{\"last\":\"0.9\"", "\"inverse_of\":{\"last\":\"0.8\"", 1);
    assert_eq!(fields(&other), ["quotes[alpha].last"]);
}

#[test]
fn failures_take_the_part_in_a_status_that_they_had() {
    use crate::failure::SourceError as E;
    let unknown = || E::UnknownSymbol("no such symbol".into());
    let doubted = |outcome: Outcome| {
        let failure = outcome.failure.map(|failure| Box::new(crate::failure::Failure { is_doubted: true, ..*failure }));
        Outcome { failure, ..outcome }
    };
    let cases = [
        vec![failed("a", unknown()), failed("b", unknown())],
        vec![doubted(failed("a", unknown())), failed("b", unknown())],
        vec![failed("a", E::NotInPlan("premium".into())), says("b", "1")],
        vec![failed("a", E::NotAwaited), says("b", "1")],
        vec![failed("a", E::Timeout(Duration::from_secs(1))), says_at("b", "1", 90)],
        vec![],
    ];
    for outcomes in cases {
        let text = text_of(crate::fold::testing::fold("ZZZZ", outcomes, &rule()).into());
        assert_eq!(fields(&text), Vec::<String>::new(), "{text}");
    }
}

/// A pair, the route to it, and the rates on that route.
fn routes() -> impl Strategy<Value = (Symbol, Route, Vec<(&'static str, bool)>)> {
    prop_oneof![
        Just(("EUR-USD", "USD-EUR", true, vec![])),
        Just(("BTC-EUR", "BTC-USDT", false, vec![("USDT-EUR", false)])),
        Just(("BTC-ZAR", "BTC-USDT", false, vec![("USDT-USD", false), ("USD-ZAR", false)])),
        Just(("GBP-USD", "EUR-GBP", true, vec![("EUR-USD", false)])),
        Just(("ETH-EUR", "ETH-USD", false, vec![("EUR-USD", true)])),
    ]
    .prop_map(|(pair, asked, inverted, rates)| {
        let of_rate = |(rate, inverted): &(&str, bool)| Rate { symbol: symbol(rate), inverted: *inverted };
        let route = Route { asked: symbol(asked), inverted, rates: rates.iter().map(of_rate).collect() };
        (symbol(pair), route, rates)
    })
}

fn a_price() -> impl Strategy<Value = String> {
    (1_i64..10_000_000, 0_u32..6).prop_map(|(number, scale)| Decimal::new(number, scale).to_string())
}

/// What a source states of the pair that it is asked for.
fn stated(source: &'static str) -> impl Strategy<Value = Outcome> {
    let numbers = (a_price(), a_price(), a_price());
    let kind = 0_usize..5;
    let time = proptest::option::of(0_i64..200);
    (numbers, kind, time, time_of_book()).prop_map(move |((price, bid, width), kind, observed, book_at)| {
        let outcome = match kind {
            0 => says(source, &price),
            1 => book(source, &price, &bid, &width),
            2 => with(book(source, &price, &price, &price), |quote| quote.price = crate::quote::Stated::Absent),
            3 => with(says(source, "0"), |quote| quote.currency = None),
            _ => failed(source, crate::failure::SourceError::NotAwaited),
        };
        let Some(_) = outcome.quote else { return outcome };
        with(outcome, |quote| {
            quote.currency = None;
            (quote.observed_at, quote.book_at) = (observed.map(ago), book_at.map(ago));
        })
    })
}

fn time_of_book() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(0_i64..200)
}

proptest! {
    #[test]
    fn what_was_derived_is_derived_again(
        (pair, route, rates) in routes(),
        said in (stated("alpha"), stated("beta")),
        prices in proptest::collection::vec((a_price(), 0_usize..4, 0_i64..300), 2),
        required in 1_usize..3,
    ) {
        let statuses = [Status::Ok, Status::Degraded(crate::fold::Degraded::StaleFallback), Status::Unknown, Status::Ok];
        let rates: BTreeMap<Symbol, Arc<Price>> = rates.iter().zip(&prices).map(|((name, _), (price, status, old))| {
            let mut rate = rate(name, price, statuses[*status]);
            rate.folded = rate.folded.filter(|_| statuses[*status] != Status::Unknown).map(|folded| Folded {
                aged_from: ago(*old),
                observed_at: (*status == 3).then(|| ago(*old)),
                ..folded
            });
            (symbol(name), Arc::new(rate))
        }).collect();
        let rule = Rule { required, ..rule() };
        let evidence: Vec<Evidence> = [said.0, said.1].into_iter().map(|outcome| {
            derive(&pair, &route, Outcome { symbol: route.asked.clone(), ..outcome }, &rates, &rule)
        }).collect();
        let text = text_of(fold(&pair, evidence, &rule, now()).into());
        prop_assert_eq!(fields(&text), Vec::<String>::new(), "{}", text);
    }
}

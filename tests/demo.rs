//! The demo's market: it goes through the real catalogue, HTTP and stack, and breaks in the documented ways.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quotefold::Quotefold;
use quotefold::demo::venue::{Mood, Venues};
use quotefold::fold::{Basis, Price, Status, Unavailable};
use quotefold::question::Question;
use quotefold::verify::verify;
use serde_json::Value;

/// The demo's service over its market, with longer timeouts: on a busy machine an honest venue may be slow.
async fn open() -> (Quotefold, Arc<Venues>) {
    support::demo(|text| text.replace("\"800ms\"", "\"4s\"").replace("\"600ms\"", "\"3s\"")).await
}

async fn ask(service: &Quotefold, symbols: &str) -> Vec<Price> {
    let query = format!("symbols={symbols}&refresh_after=0s");
    let question = Question::parse(&query, service.bounds(), service.clock().now()).unwrap();
    service.answer(&question).await.prices().into_iter().cloned().collect()
}

/// The reason of each source's verdict, or the failure beside it.
fn reasons(price: &Price) -> BTreeMap<&str, &str> {
    let reason = |quote: &quotefold::fold::Judged| {
        quote.reason().or_else(|| quote.outcome.failure.as_ref().map(|failure| failure.error.reason()))
    };
    price.quotes.iter().filter_map(|quote| Some((quote.outcome.origin.source.as_str(), reason(quote)?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_symbol_of_the_market_is_priced_through_the_catalogues_formats() {
    let (service, venues) = open().await;
    let symbols: Vec<String> = venues.market().symbols().iter().map(ToString::to_string).collect();
    assert!(symbols.len() >= 30);
    for price in ask(&service, &symbols.join(",")).await {
        assert_eq!(price.status, Status::Ok, "{}: {:?} {:?}", price.symbol, price.detail, reasons(&price));
        assert_eq!(price.currency.as_ref(), price.symbol.usual_currency().as_ref());
        // so one liar is always found out
        assert!(price.quotes.len() >= 2, "{}", price.symbol);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_venue_breaks_as_it_is_told_and_heals() {
    let (service, venues) = open().await;
    let honest = ask(&service, "AAPL").await.remove(0).folded.unwrap().price;
    let broken = [
        ("gamma", Mood::Lie, "outlier"),
        ("delta", Mood::Hang, "timeout"),
        ("alpha", Mood::Dead, "connection"),
        ("beta", Mood::Limited, "rate_limited"),
    ];
    for (name, mood, reason) in broken {
        venues.get(name).unwrap().set(mood);
        let price = ask(&service, "AAPL").await.remove(0);
        assert_eq!(price.status, Status::Ok, "{name}");
        assert_eq!(reasons(&price), BTreeMap::from([(name, reason)]));
        let moved = (price.folded.unwrap().price - honest).abs();
        assert!(moved * rust_decimal::Decimal::ONE_HUNDRED < honest, "{name} moved the price by {moved}");
        venues.get(name).unwrap().set(Mood::Honest);
        // a source that failed once is asked again after a second or so, the limited one when it said
        let started = Instant::now();
        while !reasons(&ask(&service, "AAPL").await[0]).is_empty() {
            assert!(started.elapsed() < Duration::from_secs(30), "{name} is healed, and not asked again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_currency_of_a_us_listing_costs_only_that_venue_its_vote() {
    let (service, venues) = open().await;
    for name in ["gamma", "delta"] {
        venues.get(name).unwrap().set(Mood::Label);
        let price = ask(&service, "AAPL").await.remove(0);
        assert_eq!(price.status, Status::Ok, "{name}: {:?} {:?}", price.detail, reasons(&price));
        assert_eq!(price.currency.as_ref().unwrap().as_str(), "USD");
        assert_eq!(reasons(&price), BTreeMap::from([(name, "currency_mismatch")]));
        venues.get(name).unwrap().set(Mood::Honest);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_old_trades_beside_live_books_do_not_move_the_price() {
    let (service, venues) = open().await;
    let honest = ask(&service, "BTC-USD").await.remove(0).folded.unwrap().price;
    for name in ["zeta", "eta"] {
        venues.get(name).unwrap().set(Mood::OldTrade);
    }
    let price = ask(&service, "BTC-USD").await.remove(0);
    assert_eq!(price.status, Status::Ok, "{:?}", price.detail);
    assert!(reasons(&price).is_empty(), "{:?}", reasons(&price));
    let moved = (price.folded.as_ref().unwrap().price - honest).abs();
    assert!(moved * rust_decimal::Decimal::ONE_THOUSAND < honest, "the price moved by {moved}");
    for quote in &price.quotes {
        let is_old = ["zeta", "eta"].contains(&quote.outcome.origin.source.as_str());
        assert_eq!(quote.basis, Some(if is_old { Basis::Middle } else { Basis::Last }), "{quote:?}");
    }
}

#[test]
fn the_documentation_lists_the_words_that_break_a_venue() {
    let demo = include_str!("../docs/demo.md");
    let (_, table) = demo.split_once("| word | the venue |").unwrap();
    let rows = table.split("\n\n").next().unwrap().lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<BTreeSet<_>>(), Mood::words().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_camps_give_no_price_and_pence_agree_with_pounds() {
    let (service, venues) = open().await;
    for name in ["alpha", "beta"] {
        venues.get(name).unwrap().set(Mood::Lie);
    }
    let prices = ask(&service, "AAPL,VOD.L").await;
    assert_eq!(prices[0].status, Status::Unavailable(Unavailable::SourcesDisagree), "{:?}", prices[0].detail);
    assert_eq!(prices[1].status, Status::Ok, "{:?}", prices[1].detail);
    assert_eq!(prices[1].currency.as_ref().unwrap().as_str(), "GBP");
}

/// The answer to a query, as a caller reads it.
async fn answer(service: &Quotefold, query: &str) -> String {
    let question = Question::parse(query, service.bounds(), service.clock().now()).unwrap();
    let answer = service.answer(&question).await;
    String::from_utf8(answer.body(service.clock().now().wall).unwrap()).unwrap()
}

/// The answer with another last digit in the first used quote that is a last price; `None` if it has none.
fn with_a_changed_digit(answer: &str) -> Option<String> {
    let mut answer: Value = serde_json::from_str(answer).unwrap();
    let quotes = answer["prices"][0]["quotes"].as_array_mut()?;
    let decides =
        |quote: &&mut Value| quote["status"] == "used" && quote["basis"] == "last" && quote["derivation"].is_null();
    let number = quotes.iter_mut().find(decides)?.get_mut("last")?;
    let text = number.as_str()?;
    let (rest, last) = text.split_at(text.len() - 1);
    *number = format!("{rest}{}", (last.parse::<u8>().ok()? + 1) % 10).into();
    Some(answer.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_answers_are_verified_and_with_a_changed_digit_they_are_not() {
    let (service, venues) = open().await;
    let symbols: Vec<String> = venues.market().symbols().iter().map(ToString::to_string).collect();
    let moods = [Mood::Honest, Mood::Lie, Mood::Label, Mood::OldTrade, Mood::Limited, Mood::Dead];
    let (mut verified, mut found_out, mut seen) = (0, 0, BTreeSet::new());
    for (round, mood) in moods.into_iter().enumerate() {
        let able: Vec<_> = venues.all().filter(|venue| venue.can(mood)).collect();
        able.iter().take(1 + round % 2).for_each(|venue| venue.set(mood));
        for (number, symbol) in symbols.iter().enumerate().filter(|(number, _)| (number + round) % 2 == 0) {
            let currency = ["", "&currency=EUR", "&currency=USD", "&currency=GBP"][number % 4];
            // one share venue and one crypto venue alone cannot make a quorum
            let sources = if number % 9 == 4 { "&sources=alpha,epsilon" } else { "" };
            let symbol = symbol.replace('^', "%5E");
            let answer = answer(&service, &format!("symbols={symbol}{currency}{sources}&refresh_after=0s")).await;
            support::verified(&answer);
            verified += 1;
            let entry = &serde_json::from_str::<Value>(&answer).unwrap()["prices"][0];
            seen.extend(entry["status"].as_str().map(str::to_owned));
            seen.extend((!entry["conversion"].is_null()).then(|| "converted".to_owned()));
            let is_derived = |quote: &Value| !quote["derivation"].is_null();
            seen.extend(entry["quotes"].as_array().unwrap().iter().any(is_derived).then(|| "derived".to_owned()));
            if let Some(changed) = with_a_changed_digit(&answer) {
                let differences = verify(&changed).unwrap().into_iter().flat_map(|entry| entry.differences).count();
                assert!(differences > 0, "{changed}");
                found_out += 1;
            }
        }
        able.iter().for_each(|venue| venue.set(Mood::Honest));
    }
    assert!(verified >= 90 && found_out * 2 >= verified, "{found_out} of {verified}");
    assert!(["ok", "degraded", "converted", "derived"].into_iter().all(|kind| seen.contains(kind)), "{seen:?}");
}

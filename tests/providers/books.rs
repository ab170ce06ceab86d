//! How the fold judges books and dead markets that providers were seen to send.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use quotefold::decimal;
use quotefold::fold::{Exclusion, Judged, Verdict, fold};
use quotefold::provider::example;
use quotefold::quote::{Origin, Outcome, Quote, Role};
use quotefold::settings::Settings;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::symbol::Symbol;

use crate::provider;

/// How the fold judges a symbol's quote a second later, in the provider's example whose `about` begins with these
/// words.
fn judged(name: &str, about: &str, symbol: &str) -> Judged {
    static SETTINGS: LazyLock<Settings> = LazyLock::new(|| load(&LoadOptions::default()).unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sources");
    let (source, extractor) = provider(&folder.join(format!("{name}.toml")));
    let example = source.examples.iter().find(|example| example.about.starts_with(about)).unwrap();
    let symbol = Symbol::parse(symbol).unwrap();
    let read = extractor
        .read(&example::reply(example), &example::asked(example).unwrap(), quotefold::clock::cpu::timer)
        .unwrap();
    let quote = read.outcomes.into_iter().find(|(of, _)| *of == symbol).unwrap().1.unwrap();
    let some_friday: Timestamp = "2026-11-20T14:31:00Z".parse().unwrap();
    let now = quote.observed_at.max(quote.book_at).unwrap_or(some_friday) + SignedDuration::from_secs(1);
    let origin = Origin { source: name.into(), account: name.into(), role: Role::Primary, lag_ms: 0, by_isin: false };
    let quote = Some(Quote { received_at: now, ..quote });
    let outcome = Outcome { origin: Arc::new(origin), symbol: symbol.clone(), quote, failure: None };
    fold(&symbol, vec![outcome], &SETTINGS.rule(&symbol, None), now).quotes.remove(0)
}

#[test]
fn only_dead_markets_count_as_dead() {
    for (name, about, symbol) in [("gate", "a market without", "DEAD-USDT"), ("mexc", "a market without", "DEAD-USDT")]
    {
        assert_eq!(judged(name, about, symbol).verdict, Verdict::Excluded(Exclusion::NoMarket), "{name} {symbol}");
    }
    // a share's empty book means that the market is closed, or that the plan has no books
    for (name, about, symbol) in [
        ("tiingo", "one price", "USD"),
        ("nasdaq", "a price of more than", "BKNG"),
        ("nasdaq", "a price when the market is closed", "AACQU"),
        ("polygon", "several", "BRK.B"),
        ("bybit", "a market where nobody bids", "NEW-USDC"),
        ("blockchain_info", "a price", "BTC-AUD"),
    ] {
        assert_eq!(judged(name, about, symbol).verdict, Verdict::Used, "{name} {symbol}");
    }
}

#[test]
fn a_recorded_trade_outside_of_its_book_gives_way_and_any_other_stands() {
    for (name, about, symbol, last, price) in [
        ("cryptocom", "a price in dollars", "HEMI-USD", "0.004924", "0.004913"),
        ("cryptocom", "a price", "BTC-USDT", "64685.97", "64688.985"),
        ("kraken", "one price", "ETH-USD", "3338.08", "3338.945"),
        ("okx", "a pair against another coin", "ETH-BTC", "0.07319", "0.0732"),
        ("gemini", "a price", "BTC-USD", "11381.47", "11381.5"),
        ("binance", "one price", "BTC-USDT", "6705.82", "6705.82"),
        ("tiingo-crypto", "a price with a bid above its ask", "BTC-USD", "8220.83", "8220.83"),
        ("tiingo-crypto", "two prices", "FLDC-BTC", "0.00000005", "0.00000005"),
        ("nasdaq", "a price before the open", "ADBE", "336.06", "336.06"),
    ] {
        let judged = judged(name, about, symbol);
        let stated = judged.outcome.quote.as_ref().unwrap().last();
        assert_eq!((stated, judged.price), (decimal::read(last), decimal::read(price)), "{name} {symbol}: {judged:?}");
    }
}

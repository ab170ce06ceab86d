//! The catalogue: every provider's description is proved by its examples, and no body it may send does harm.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod catalogue {
    mod hostile;
    mod wrong_price;
}

use std::path::Path;

use quotefold::settings::source::{SourceSettings, SourceTable};
use quotefold::source::example;
use quotefold::source::extract::Extractor;
use quotefold::symbol::{Class, Symbol};

/// Every provider of the catalogue, ready to read replies.
fn providers() -> Vec<(SourceSettings, Extractor)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sources");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| provider(path)).collect()
}

fn provider(path: &Path) -> (SourceSettings, Extractor) {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(
        text.starts_with("# ") && text.contains("https://"),
        "{name}: a file opens with what it is and where its rules are"
    );
    let table: SourceTable = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let source = table.resolve(name).unwrap_or_else(|(key, why)| panic!("{name}: {key}: {why}"));
    let extractor = Extractor::new(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
    (source, extractor)
}

#[test]
fn every_example_gives_exactly_what_it_says() {
    for (source, extractor) in providers() {
        for example in &source.examples {
            if let Err(difference) = example::check(&extractor, &source, example) {
                panic!("{}: {}: {difference}", source.name, example.about);
            }
        }
        let prices =
            source.examples.iter().flat_map(|example| &example.expect).filter(|expected| expected.price.is_some());
        let refusals = source.examples.iter().filter(|example| example.error.is_some());
        assert!(prices.count() >= 1 && refusals.count() >= 1, "{}: a price and a refusal must be shown", source.name);
    }
}

#[test]
fn a_wrong_expectation_is_told_apart() {
    let (source, extractor) = providers().into_iter().find(|(source, _)| source.name == "coinbase").unwrap();
    let mut example = source.examples[0].clone();
    example.expect[0].price = Some("73367.80000000000001".into());
    let difference = example::check(&extractor, &source, &example).unwrap_err();
    assert_eq!(difference, "BTC-USD: price is 73367.8, expected 73367.80000000000001");
    example.expect.clear();
    assert!(example::check(&extractor, &source, &example).unwrap_err().contains("must be missing"));
}

#[test]
fn dollars_are_not_asked_of_who_trades_tethers() {
    let (source, extractor) = providers().into_iter().find(|(source, _)| source.name == "binance").unwrap();
    let covers = |text: &str| {
        let symbol = Symbol::parse(text).unwrap();
        extractor.spelling().covers(&symbol, symbol.class())
    };
    assert!(covers("BTC-USDT") && covers("ETH-BTC") && !covers("BTC-USD"));
    let asked = [Symbol::parse("BTC-USDT").unwrap(), Symbol::parse("ETH-BTC").unwrap()];
    let url = "https://api.binance.com/api/v3/ticker/24hr?symbols=%5B%22BTCUSDT%22%2C%22ETHBTC%22%5D";
    assert_eq!((extractor.spelling().request(&asked).url.as_str(), source.batch), (url, 20));
}

#[test]
fn a_coin_is_never_taken_for_the_old_one_of_its_name() {
    let providers = providers();
    let (_, kraken) = providers.iter().find(|(source, _)| source.name == "kraken").unwrap();
    let spelled = |symbol: &str| kraken.spelling().spell(&Symbol::parse(symbol).unwrap(), Class::Crypto).unwrap();
    for (ours, theirs) in
        [("LUNA-USD", "LUNA2USD"), ("LUNC-USD", "LUNAUSD"), ("REP-USD", "REPV2USD"), ("USTC-USD", "USTUSD")]
    {
        assert_eq!(spelled(ours), theirs);
    }
}

#[test]
fn a_call_is_written_as_its_provider_reads_it() {
    let providers = providers();
    let url = |name: &str, asked: &[&str]| {
        let (_, extractor) = providers.iter().find(|(source, _)| source.name == name).unwrap();
        let asked: Vec<Symbol> = asked.iter().map(|text| Symbol::parse(text).unwrap()).collect();
        let covers = |symbol: &Symbol| extractor.spelling().covers(symbol, symbol.class());
        asked.iter().all(covers).then(|| extractor.spelling().request(&asked).url)
    };
    for (name, asked, expected) in [
        ("eodhd", &["BRK.B"][..], "https://eodhd.com/api/real-time/BRK-B.US?s=&fmt=json&api_token="),
        (
            "eodhd",
            &["AAPL", "^GSPC", "EUR-USD"],
            "https://eodhd.com/api/real-time/AAPL.US?s=GSPC.INDX,EURUSD.FOREX&fmt=json&api_token=",
        ),
        ("fmp", &["^VIX"], "https://financialmodelingprep.com/stable/quote?symbol=%5EVIX&apikey="),
        ("fmp", &["BTC-USD"], "https://financialmodelingprep.com/stable/quote?symbol=BTCUSD&apikey="),
        (
            "stooq",
            &["BRK.B", "^GSPC", "EUR-USD"],
            "https://stooq.com/q/l/?s=brk-b.us+%5Espx+eurusd&f=sd2t2ohlcv&h&e=csv",
        ),
    ] {
        assert_eq!(url(name, asked).as_deref(), Some(expected));
    }
    // a price whose currency nobody states would never be folded, and calls are few
    for name in ["eodhd", "fmp", "marketstack", "stooq"] {
        assert_eq!(url(name, &["VOD.L"]), None, "{name}");
    }
    // an index that has another name there is not guessed at
    assert_eq!(url("stooq", &["^FTSE"]), None);
}

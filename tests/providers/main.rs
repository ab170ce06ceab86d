//! Providers: the examples of every built-in provider hold, and no body that a provider may send does any harm.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

mod body;
mod books;
mod hostile;
mod mistakes;
mod names;
mod patterns;
mod refusals;
mod wrong_price;

use std::path::Path;

use quotefold::clock::cpu;
use quotefold::provider::description::{Expected, SourceSettings, SourceTable};
use quotefold::provider::example;
use quotefold::provider::extract::{Extractor, RawReply};
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
        "{name}: a file begins by saying what it describes and where its rules are"
    );
    described(name, &text).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// The provider that a file's text describes.
fn described(name: &str, text: &str) -> Result<(SourceSettings, Extractor), String> {
    let table: SourceTable = toml::from_str(text).map_err(|error| error.to_string())?;
    let source = table.resolve(name).map_err(|(key, why)| format!("{key}: {why}"))?;
    let extractor = Extractor::new(&source).map_err(|error| error.to_string())?;
    Ok((source, extractor))
}

#[test]
fn every_example_gives_exactly_what_it_says() {
    for (source, extractor) in providers() {
        for example in &source.examples {
            if let Err(difference) = example::check(&extractor, &source, example, cpu::timer) {
                panic!("{}: {}: {difference}", source.name, example.about);
            }
        }
        // a book counts as a price: its middle
        let is_priced = |one: &&Expected| one.price.is_some() || one.bid.is_some() && one.ask.is_some();
        let prices = source.examples.iter().flat_map(|example| &example.expect).filter(is_priced);
        let refusals = source.examples.iter().filter(|example| example.error.is_some());
        assert!(prices.count() >= 1 && refusals.count() >= 1, "{}: a price and a refusal must be shown", source.name);
    }
}

#[test]
fn every_file_says_its_terms_and_when_a_reply_was_last_seen() {
    for (source, _) in providers() {
        assert!(source.terms.is_some_and(|terms| !terms.is_empty()), "{}", source.name);
        let checked = source.checked.unwrap_or_default();
        let is_year =
            checked.split(['-', ',']).next().is_some_and(|year| year.len() == 4 && year.parse::<u16>().is_ok());
        assert!(is_year || checked.starts_with("never; "), "{}: {checked:?}", source.name);
    }
}

#[test]
fn a_wrong_expectation_is_noticed() {
    let (source, extractor) = providers().into_iter().find(|(source, _)| source.name == "coinbase").unwrap();
    let mut example = source.examples[0].clone();
    example.expect[0].price = Some("73367.80000000000001".into());
    let difference = example::check(&extractor, &source, &example, cpu::timer).unwrap_err();
    assert_eq!(difference, "BTC-USD: price is 73367.8, expected 73367.80000000000001");
    example.expect.clear();
    assert!(example::check(&extractor, &source, &example, cpu::timer).unwrap_err().contains("must be missing"));
}

#[test]
fn an_exchange_of_tethers_is_not_asked_for_dollars() {
    let (source, extractor) = providers().into_iter().find(|(source, _)| source.name == "binance").unwrap();
    let covers = |text: &str| {
        let symbol = Symbol::parse(text).unwrap();
        extractor.spelling().covers(&symbol, symbol.class())
    };
    assert!(covers("BTC-USDT") && covers("ETH-BTC") && !covers("BTC-USD"));
    let asked = [Symbol::parse("BTC-USDT").unwrap(), Symbol::parse("ETH-BTC").unwrap()];
    let url = "https://data-api.binance.vision/api/v3/ticker/24hr?symbols=%5B%22BTCUSDT%22%2C%22ETHBTC%22%5D";
    assert_eq!((extractor.spelling().request(&asked).url.as_str(), source.batch), (url, 20));
}

#[test]
fn a_coin_is_never_taken_for_an_older_one_of_the_same_name() {
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
fn cnbc_is_asked_only_for_indices_and_pairs_whose_names_are_known() {
    let (_, cnbc) = providers().into_iter().find(|(source, _)| source.name == "cnbc").unwrap();
    let covers = |text: &str| {
        let symbol = Symbol::parse(text).unwrap();
        cnbc.spelling().covers(&symbol, symbol.class())
    };
    assert!(["^GSPC", "EUR-USD", "USD-JPY", "NVDA", "BRK.B"].into_iter().all(covers));
    assert!(!["^FTSE", "EUR-JPY", "USD-EUR", "JPY-USD", "VOD.L", "BTC-USD"].into_iter().any(covers));
    let asked = ["^GSPC", "EUR-USD", "NVDA"].map(|symbol| Symbol::parse(symbol).unwrap());
    assert!(cnbc.spelling().request(&asked).url.contains("?symbols=.SPX%7CEUR%3D%7CNVDA&"));
}

#[test]
fn symbols_travel_as_each_provider_spells_them() {
    let providers = providers();
    let asked = |name: &str, symbols: &[&str]| {
        let (_, extractor) = providers.iter().find(|(source, _)| source.name == name).unwrap();
        let symbols: Vec<Symbol> = symbols.iter().map(|symbol| Symbol::parse(symbol).unwrap()).collect();
        extractor.spelling().request(&symbols).url
    };
    for (name, symbols, end) in [
        ("alpaca", &["AAPL", "BRK.B"][..], "?symbols=AAPL,BRK.B&feed=iex"),
        ("alpaca-crypto", &["BTC-USD", "ETH-BTC"], "?symbols=BTC%2FUSD,ETH%2FBTC"),
        ("alphavantage", &["BRK.B"], "?function=GLOBAL_QUOTE&symbol=BRK-B&apikey="),
        ("alphavantage-fx", &["GBP-USD"], "?function=CURRENCY_EXCHANGE_RATE&from_currency=GBP&to_currency=USD&apikey="),
        ("bitso", &["BTC-MXN"], "/v3/ticker/?book=btc_mxn"),
        ("cboe", &["^GSPC"], "/quotes/_SPX.json"),
        ("luno", &["BTC-ZAR"], "?pair=XBTZAR"),
        ("swissquote", &["XAU-USD"], "/instrument/XAU/USD"),
        ("upbit", &["BTC-KRW", "ETH-KRW"], "?markets=KRW-BTC,KRW-ETH"),
        ("yahoo", &["CCIV.U"], "/chart/CCIV-UN?interval=1d&range=1d"),
        ("yahoo-spark", &["CCIV.U", "GC=F"], "?symbols=CCIV-UN,GC%3DF&range=1d&interval=1d"),
        ("yahoo-spark", &["AAPL", "USD-JPY"], "?symbols=AAPL,USDJPY%3DX&range=1d&interval=1d"),
        // these two coins have other names there
        ("coinbase", &["CELO-USD"], "/products/CGLD-USD/ticker"),
        ("kucoin", &["VAIOT-USDT"], "?symbol=VAI-USDT"),
        ("nasdaq", &["BRK.B"], "/BRK.B/info?assetclass=stocks"),
        ("polygon", &["AAPL", "BRK.B"], "?tickers=AAPL,BRK.B"),
        ("polygon-fx", &["EUR-USD"], "?tickers=C%3AEURUSD"),
        ("tiingo-crypto", &["BTC-USD", "ETH-BTC"], "?tickers=btcusd,ethbtc"),
        ("tiingo-fx", &["EUR-USD"], "?tickers=eurusd"),
    ] {
        let url = asked(name, symbols);
        assert!(url.ends_with(end), "{name}: {url}");
    }
}

#[test]
fn aggregates_are_asked_for_coins_by_id_and_for_no_coin_without_one() {
    let providers = providers();
    let url = |name: &str, symbols: &[&str]| {
        let (_, extractor) = providers.iter().find(|(source, _)| source.name == name).unwrap();
        let symbols: Vec<_> = symbols.iter().map(|text| Symbol::parse(text).unwrap()).collect();
        assert!(symbols.iter().all(|symbol| extractor.spelling().covers(symbol, Class::Crypto)), "{name}");
        extractor.spelling().request(&symbols).url
    };
    assert_eq!(
        url("coingecko", &["BTC-USD", "ETH-EUR"]),
        "https://api.coingecko.com/api/v3/simple/price?ids=bitcoin,ethereum&vs_currencies=usd,eur\
         &include_last_updated_at=true&precision=full"
    );
    assert_eq!(url("coinpaprika", &["BTC-EUR"]), "https://api.coinpaprika.com/v1/tickers/btc-bitcoin?quotes=EUR");
    assert_eq!(url("coincap", &["BTC-USD", "BNB-USD"]), "https://rest.coincap.io/v3/assets?ids=bitcoin,binance-coin");
    assert!(url("coinmarketcap", &["BTC-USD", "ETH-USD"]).contains("?id=1,1027&convert=USD"));
    for (source, extractor) in providers.iter().filter(|(source, _)| !source.ids.is_empty()) {
        let fake = Symbol::parse("NOPE-USD").unwrap();
        assert!(!extractor.spelling().covers(&fake, Class::Crypto) && source.ids.len() >= 40, "{}", source.name);
        let ids: std::collections::BTreeSet<_> = source.ids.values().collect();
        assert_eq!(ids.len(), source.ids.len(), "{}: two coins have one id", source.name);
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
    ] {
        assert_eq!(url(name, asked).as_deref(), Some(expected));
    }
    // a price without a stated currency would never be folded, and calls are few
    for name in ["eodhd", "fmp", "marketstack"] {
        assert_eq!(url(name, &["VOD.L"]), None, "{name}");
    }
    // the name of an index at a source is never guessed
    for name in ["cboe", "cnbc"] {
        assert_eq!(url(name, &["^FTSE"]), None, "{name}");
    }
}

#[test]
fn a_refusal_that_the_filter_does_not_know_means_what_its_status_says() {
    let mut wrong = Vec::new();
    for (source, extractor) in providers() {
        let example = source.examples.iter().find(|example| !example.expect.is_empty()).unwrap();
        let asked: Vec<Symbol> = example.asked.iter().map(|text| Symbol::parse(text).unwrap()).collect();
        for body in ["", "Go away", "<html><body>Go away</body></html>", "{}", "[]", "null"] {
            for (status, reason) in [(401, "unauthorized"), (429, "rate_limited"), (503, "unavailable")] {
                let reply = RawReply::bare(status, body, jiff::Timestamp::UNIX_EPOCH);
                let read = extractor.read(&reply, &asked, cpu::timer).map(|_| ());
                let said = read.as_ref().map_err(quotefold::failure::SourceError::reason);
                if said != Err(reason) {
                    wrong.push(format!("{}: {status} {body:?}: {read:?}", source.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

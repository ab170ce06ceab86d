//! Holds the built-in providers: one file each in `config/sources`, compiled into the program.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use reqwest::Url;

use super::description::SourceTable;

macro_rules! embedded {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../config/sources/", $name, ".toml")))),*]
    };
}

/// Every provider's name, and its file.
pub(crate) const FILES: &[(&str, &str)] = &embedded!(
    "alpaca" "alpaca-crypto" "alphavantage" "alphavantage-fx" "bank-of-canada" "binance" "bitfinex" "bitget"
    "bithumb" "bitso" "bitstamp" "bitvavo" "blockchain_info" "btcturk" "bybit" "cboe" "cnb" "cnbc" "coinbase"
    "coinbase-rates" "coincap" "coingecko" "coinmarketcap" "coinmarketcap-keyless" "coinpaprika" "cryptocom"
    "cryptocompare" "currency-api" "currencyapi" "defillama" "ecb" "eodhd" "exchangerate_host" "finnhub" "fmp"
    "frankfurter" "frankfurter-v2" "gate" "geckoterminal" "gemini" "htx" "justetf" "kraken" "kucoin" "luno"
    "marketstack" "mercadobitcoin" "mexc" "nasdaq" "nbp" "okx" "open-er-api" "openexchangerates" "polygon"
    "polygon-fx" "pyth" "swissquote" "tiingo" "tiingo-crypto" "tiingo-fx" "twelvedata" "upbit" "yadio" "yahoo"
    "yahoo-spark"
);

/// The providers by name. They are parsed once, on first use.
pub fn catalogue() -> &'static BTreeMap<String, SourceTable> {
    static PARSED: LazyLock<BTreeMap<String, SourceTable>> = LazyLock::new(|| {
        // a file that does not parse would be missing here; the test below fails then
        let parsed = FILES.iter().filter_map(|(name, text)| Some(((*name).to_owned(), toml::from_str(text).ok()?)));
        parsed.collect()
    });
    &PARSED
}

/// Whether a filter of prices is one of the catalogue's, character for character.
pub(crate) fn has_filter(code: &str) -> bool {
    catalogue().values().any(|table| table.settings().jq == code)
}

/// Whether a host is one of those at which the catalogue asks vendors.
pub(crate) fn has_host(host: &str) -> bool {
    static HOSTS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let resolved = catalogue().iter().filter_map(|(name, table)| table.clone().resolve(name).ok());
        let urls = resolved.flat_map(|source| source.urls().map(str::to_owned).collect::<Vec<_>>());
        urls.filter_map(|url| host_of(&url)).collect()
    });
    HOSTS.contains(host)
}

/// The host of a URL with placeholders.
pub(crate) fn host_of(url: &str) -> Option<String> {
    // braces are not allowed in a host, letters are
    Url::parse(&url.replace(['{', '}'], "x")).ok()?.host_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_catalogue_describes_a_source() {
        for (name, text) in FILES {
            let table: SourceTable = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!["key", "secret", "like"].iter().any(|key| table.states(key)), "{name}");
            let source = table.resolve(name).unwrap_or_else(|(key, error)| panic!("{name}: {key}: {error}"));
            assert!(!source.about.is_empty(), "{name}");
            assert!(source.key_from.is_empty() || source.get_a_key.is_some(), "{name} does not say where to get a key");
        }
        assert_eq!(catalogue().len(), FILES.len());
    }
}

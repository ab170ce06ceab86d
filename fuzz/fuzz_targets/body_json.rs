//! Bodies in JSON, as sources of the catalogue read them.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quotefold_fuzz::{Provider, catalogue, read};

const NAMES: [&str; 16] = [
    "kraken",
    "twelvedata",
    "binance",
    "yahoo",
    "coinbase",
    "bitfinex",
    "tiingo",
    "finnhub",
    "alphavantage",
    "coingecko",
    "coinmarketcap",
    "nasdaq",
    "cnbc",
    "gate",
    "frankfurter",
    "blockchain_info",
];

static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| catalogue(&NAMES));

fuzz_target!(|data: &[u8]| read(&PROVIDERS, data));

//! Coins by the ids and names that people paste in place of a pair, and other tickers of the same coin.

/// The ids of the coins that are asked for most, as CoinGecko lists them (`/api/v3/coins/list`), and other names of theirs, each
/// with the coin's ticker.
const IDS: &[(&str, &str)] = &[
    ("AVALANCHE", "AVAX"),
    ("AVALANCHE-2", "AVAX"),
    ("BINANCECOIN", "BNB"),
    ("BITCOIN", "BTC"),
    ("BITCOIN-CASH", "BCH"),
    ("CARDANO", "ADA"),
    ("CHAINLINK", "LINK"),
    ("COSMOS", "ATOM"),
    ("DOGECOIN", "DOGE"),
    ("ETHEREUM", "ETH"),
    ("ETHEREUM-CLASSIC", "ETC"),
    ("LITECOIN", "LTC"),
    ("MONERO", "XMR"),
    ("PAX-GOLD", "PAXG"),
    ("PEPE", "PEPE"),
    ("POLKADOT", "DOT"),
    ("POLYGON", "POL"),
    ("POLYGON-ECOSYSTEM-TOKEN", "POL"),
    ("RIPPLE", "XRP"),
    ("SHIBA-INU", "SHIB"),
    ("SOLANA", "SOL"),
    ("STELLAR", "XLM"),
    ("SUI", "SUI"),
    ("TETHER", "USDT"),
    ("THE-OPEN-NETWORK", "TON"),
    ("TONCOIN", "TON"),
    ("TRON", "TRX"),
    ("UNISWAP", "UNI"),
    ("USD-COIN", "USDC"),
    ("ZCASH", "ZEC"),
];

/// Tickers that Kraken has by the rules of ISO 4217 (X for what belongs to no country), and what all others call these coins:
/// <https://support.kraken.com/articles/360001185506>.
const OTHER_TICKERS: &[(&str, &str)] = &[("XBT", "BTC"), ("XDG", "DOGE")];

/// The ticker of the coin with this id, in capitals.
pub(in crate::symbol) fn coin_of_id(id: &str) -> Option<&'static str> {
    IDS.iter().find(|(known, _)| *known == id).map(|(_, ticker)| *ticker)
}

/// Whether this is the ticker of one of the coins that are asked for most.
pub(in crate::symbol) fn is_ticker_of_coin(ticker: &str) -> bool {
    IDS.iter().any(|(_, known)| *known == ticker)
}

/// The usual ticker of a coin, by one that a few use.
pub(in crate::symbol) fn usual_ticker(ticker: &str) -> &str {
    OTHER_TICKERS.iter().find(|(other, _)| *other == ticker).map_or(ticker, |(_, usual)| usual)
}

/// The ids, each with its coin's ticker.
pub(in crate::symbol) fn ids() -> impl Iterator<Item = (&'static str, &'static str)> {
    IDS.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ticker_is_its_own() {
        assert_eq!((usual_ticker("XBT"), usual_ticker("BTC"), usual_ticker("PEPE")), ("BTC", "BTC", "PEPE"));
        assert!(IDS.iter().all(|(_, ticker)| usual_ticker(ticker) == *ticker));
        assert_eq!((coin_of_id("BITCOIN"), coin_of_id("BTC")), (Some("BTC"), None));
    }
}

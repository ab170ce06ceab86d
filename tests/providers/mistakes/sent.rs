//! Mistakes in what providers send to descriptions that are right. No example can notice those.

use super::Kind::{self, Currency, Inverted, Rate, Scaled, Sign, Swapped, Symbol, Time};
use super::{Changes, OVERRULED, SLIPS_THROUGH};

/// A mistake in what a provider sends.
pub(super) struct Sent {
    /// The source that sends it.
    pub(super) file: &'static str,
    /// The symbol that is priced. The reply comes from the first example that quotes it, or the pair from which it is
    /// derived.
    pub(super) symbol: &'static str,
    pub(super) kind: Kind,
    pub(super) mistake: &'static str,
    /// Where the mistake is noticed.
    pub(super) noticed: &'static str,
    /// What is wrong in the reply; nothing if only a rate is wrong.
    pub(super) changes: Changes,
    /// The rate with which the symbol's quote is derived, if it is: what it is, and what all its sources say.
    pub(super) rate: Rates,
    /// How long after its quote was observed the reply arrives.
    pub(super) hours_later: i64,
}

/// The true rate, and the rate that the sources state.
pub(super) struct Rates {
    pub(super) right: &'static str,
    pub(super) said: &'static str,
}

const fn sent(
    (file, symbol, kind): (&'static str, &'static str, Kind),
    mistake: &'static str,
    noticed: &'static str,
    changes: Changes,
) -> Sent {
    Sent { file, symbol, kind, mistake, noticed, changes, rate: Rates { right: "1", said: "1" }, hours_later: 0 }
}

impl Sent {
    const fn through(self, right: &'static str) -> Self {
        Sent { rate: Rates { right, said: right }, ..self }
    }

    const fn taken_for(self, said: &'static str) -> Self {
        Sent { rate: Rates { said, ..self.rate }, ..self }
    }

    const fn hours_later(self, hours_later: i64) -> Self {
        Sent { hours_later, ..self }
    }
}

// the mistakes that go unnoticed, in the words of docs/limitations.md
const OTHER_PRICE: &str = "another price of the market within `outlier_beyond`: the bid, the open, the close before";
const OTHER_SYMBOL: &str = "something else that costs nearly as much: tethers for dollars, one share class for another";
const OLD_PRICE: &str = "an old price within `outlier_beyond`, from a source that states neither a time nor a book";
const TIME: &str = "a time that is wrong by less than `usable_for` and the source's `lag`";
const TIME_AT_NIGHT: &str =
    "a time that is wrong by less than 12 hours, while a market is closed whose hours are not known";
const SESSION: &str = "a wrong session";
const BOOK: &str = "a wrong bid or ask beside a price that is right";
const VOLUME: &str = "a wrong volume";
const RATE: &str = "a rate near 1 that is the wrong way round";

/// All of these mistakes, by kind.
#[rustfmt::skip]
pub(super) const SENT: &[Sent] = &[
    sent(("binance", "BTC-USDT", Swapped), "the average of the day for the price", OVERRULED, &[
        (r#"lastPrice":"6705.92000000"#, r#"lastPrice":"6786.67321489"#),
    ]),
    sent(("bitstamp", "BTC-USD", Swapped), OTHER_PRICE, SLIPS_THROUGH, &[(r#"last":"38505.12"#, r#"last":"38498.97"#)]),
    sent(("finnhub", "AAPL", Swapped), OTHER_PRICE, SLIPS_THROUGH, &[(r#""c":"#, r#""pc":"#), (r#""pc":"#, r#""c":"#)]),
    sent(("polygon-fx", "NZD-GBP", Swapped), OTHER_PRICE, SLIPS_THROUGH, &[(r#""b":0.49788"#, r#""b":0.4968"#)]),
    sent(("bitfinex", "BTC-USD", Swapped), BOOK, SLIPS_THROUGH, &[
        ("7381.6,38.644979070000005", "38.644979070000005,7381.6"),
    ]),
    sent(("gate", "BTC-USDT", Swapped), BOOK, SLIPS_THROUGH, &[
        ("lowest_ask", "highest_bid"), ("highest_bid", "lowest_ask"),
    ]),
    sent(("kraken", "ETH-USD", Time), BOOK, SLIPS_THROUGH, &[
        (r#""a":["3338.95000""#, r#""a":["3310.13000""#), (r#""b":["3338.94000""#, r#""b":["3310.12000""#),
    ]),
    sent(("okx", "NEAR-USDT", Swapped), VOLUME, SLIPS_THROUGH, &[("volCcy24h", "vol24h"), ("vol24h", "volCcy24h")]),
    sent(("nasdaq", "ADBE", Swapped), SESSION, SLIPS_THROUGH, &[("Pre-Market", "Open")]),
    sent(("alpaca-crypto", "BTC-USD", Swapped), "bid and ask of a bare book", "admission / invalid_price", &[
        (r#""bp":"#, r#""ap":"#), (r#""ap":"#, r#""bp":"#),
    ]),
    sent(("bybit", "BTC-USDT", Swapped), "the size of the bid for the price", OVERRULED, &[
        (r#""lastPrice":"25838""#, r#""lastPrice":"3.826184""#),
    ]),
    sent(("cryptocom", "BTC-USDT", Swapped), "the volume for the price", OVERRULED, &[
        (r#""a":"#, r#""v":"#), (r#""v":"#, r#""a":"#),
    ]),
    sent(("marketstack", "AAPL", Swapped), "the dividend for the close", "admission / invalid_price", &[
        (r#""close":271.49"#, r#""close":0.0"#),
    ]),
    sent(("swissquote", "XAU-USD", Scaled), "a gram for an ounce", "outlier", &[
        ("4389.128", "141.1132"), ("4389.632", "141.1294"),
    ]),
    sent(("upbit", "BTC-KRW", Currency), "dollars for won", "outlier", &[
        (r#""trade_price":159315000"#, r#""trade_price":111604"#),
    ]),
    sent(("nbp", "USD-PLN", Inverted), "dollars per zloty", "outlier", &[(r#""USD","mid":3.6056"#, r#""USD","mid":0.277346"#)]),
    sent(("nasdaq", "ADBE", Swapped), "the close before for the price", "outlier", &[("$336.06", "$347.02")]),

    sent(("currencyapi", "USD-EUR", Inverted), "dollars per euro", "outlier", &[("0.91234", "1.096083")]),
    sent(("ecb", "EUR-JPY", Inverted), "euros per yen", "outlier", &[("127.26", "0.0078579")]),
    sent(("kucoin", "AMPL-BTC", Inverted), "coins per bitcoin", OVERRULED, &[
        (r#""last":"0.00018416""#, r#""last":"5430.06""#),
    ]),
    sent(("openexchangerates", "USD-GBP", Inverted), "dollars per pound", "outlier", &[("0.743923", "1.344225")]),
    sent(("yadio", "BTC-USD", Inverted), "bitcoins per dollar", "outlier", &[
        (r#"75899.55,"EUR"#, r#"0.00001317530868,"EUR"#),
    ]),

    sent(("bitstamp", "BTC-USD", Scaled), "cents for dollars", "outlier", &[
        ("38505.12", "3850512"), ("38498.97", "3849897"), ("38512.00", "3851200"),
    ]),
    sent(("blockchain_info", "BTC-AUD", Scaled), "thousands", "outlier", &[
        (r#""last":90098.69,"buy""#, r#""last":90.09869,"buy""#),
    ]),
    sent(("htx", "BTC-USDT", Scaled), "hundred millionths", OVERRULED, &[
        (r#""close":9468.9"#, r#""close":946890000000.0"#),
    ]),
    sent(("nasdaq", "BKNG", Scaled), "a point for the comma of the thousands", "outlier", &[("$2,431.18", "$2.43118")]),
    sent(("polygon", "BCAT", Scaled), "a price from before a split", "outlier", &[(r#""p":20.506"#, r#""p":41.012"#)]),
    sent(("twelvedata", "VOD.L", Scaled), "pence said to be pounds", "outlier", &[(r#""GBp""#, r#""GBP""#)]),
    sent(("yahoo", "VOD.L", Scaled), "pence said to be pounds", "outlier", &[(r#""GBp""#, r#""GBP""#)]),
    sent(("yahoo", "VOD.L", Scaled), "pounds said to be pence", "outlier", &[(r#"Price":75.86"#, r#"Price":0.7586"#)]),
    sent(("bitget", "NEAR-USDT", Scaled), "more than a price can be", "admission / invalid_price", &[
        (r#"lastPr":"1.848"#, r#"lastPr":"1848000000000000000"#),
    ]),
    sent(("cnbc", "^GSPC", Scaled), "a comma for the point", "admission / invalid_price", &[("4,098.12", "4.098,12")]),

    sent(("finnhub", "AAPL", Time), TIME, SLIPS_THROUGH, &[("1636322400", "1636321500")]),
    sent(("ecb", "EUR-USD", Time), TIME, SLIPS_THROUGH, &[("2021-01-08", "2021-01-07")]),
    sent(("yahoo", "TSLA", Time), TIME_AT_NIGHT, SLIPS_THROUGH, &[("1726257600", "1726243200")]).hours_later(40),
    sent(("blockchain_info", "BTC-AUD", Time), OLD_PRICE, SLIPS_THROUGH, &[
        (r#""last":90098.69,"buy""#, r#""last":89544.02,"buy""#),
    ]),
    sent(("kraken", "ETH-USD", Time), "an old price beside a book of now", OVERRULED, &[
        (r#""c":["3338.08000""#, r#""c":["3310.12909""#),
    ]),
    sent(("kraken", "ETH-USD", Time), "an old price, and no time", OVERRULED, &[
        (r#""c":["3338.08000""#, r#""c":["3518.43000""#),
    ]),
    sent(("binance", "BTC-USDT", Time), "seconds for milliseconds", "reading / malformed", &[
        (r#"closeTime":1586991278494"#, r#"closeTime":1586991278"#),
    ]),
    sent(("binance", "BTC-USDT", Time), "nanoseconds for milliseconds", "reading / malformed", &[
        (r#"closeTime":1586991278494"#, r#"closeTime":1586991278494000000"#),
    ]),
    sent(("bitstamp", "BTC-USD", Time), "milliseconds for seconds", "reading / malformed", &[
        ("1643640186", "1643640186000"),
    ]),
    sent(("cnbc", "^GSPC", Time), "no offset", "reading / malformed", &[("15:39:45.000-0500", "15:39:45.000")]),
    sent(("coinbase", "BTC-USD", Time), "the time in New York", "admission / stale", &[("T11:10:41", "T07:10:41")]),
    sent(("coinbase", "BTC-USD", Time), "the time in Berlin", "admission / future", &[("T11:10:41", "T12:10:41")]),
    sent(("eodhd", "EUR-USD", Time), "a feed that has stood still for a day", "admission / stale", &[
        ("1637858040", "1637771640"),
    ]),
    sent(("cboe", "AAPL", Time), "the time in Chicago", "admission / stale", &[("T12:36:56", "T11:36:56")]),
    sent(("tiingo", "USD", Time), "no offset for that of New York", "admission / stale", &[
        ("T11:54:23.055122029-04:00", "T11:54:23.055122029Z"),
    ]),

    sent(("coingecko", "BTC-EUR", Currency), "dollars for euros", "outlier", &[(r#""eur":54815,"#, r#""eur":63410,"#)]),
    sent(("cryptocompare", "ETH-USD", Currency), "euros for dollars", "outlier", &[
        (r#""PRICE":1276.75"#, r#""PRICE":1306.42"#),
    ]),
    sent(("coinmarketcap", "BTC-USD", Currency), "euros, and called so", "admission / invalid_price", &[
        (r#""USD":{"#, r#""EUR":{"#),
    ]),
    sent(("marketstack", "AAPL", Currency), "pesos stated", "admission / currency_mismatch", &[
        (r#""price_currency":"USD""#, r#""price_currency":"ARS""#),
    ]),
    sent(("twelvedata", "VOD.L", Currency), "dollars stated for pence", "admission / currency_mismatch", &[
        (r#""GBp""#, r#""USD""#),
    ]),
    sent(("yahoo", "TSLA", Currency), "euros stated", "admission / currency_mismatch", &[
        (r#""currency":"USD""#, r#""currency":"EUR""#),
    ]),
    sent(("yahoo", "USD-INR", Currency), "dollars stated for rupees", "admission / currency_mismatch", &[
        (r#""currency":"INR""#, r#""currency":"USD""#),
    ]),
    sent(("yahoo", "VOD.L", Currency), "none stated", "admission / currency_unknown", &[
        (r#""currency":"GBp""#, r#""currency":null"#),
    ]),

    sent(("coinbase", "BTC-USD", Symbol), OTHER_SYMBOL, SLIPS_THROUGH, &[
        ("73367.8", "73350.1"), ("73360.34", "73344.02"), ("73369.19", "73352.9"),
    ]),
    sent(("alphavantage", "IBM", Symbol), "another listing's price under the right name", "outlier", &[
        (r#"price":"150.00""#, r#"price":"334.69""#),
    ]),
    sent(("finnhub", "AAPL", Symbol), "another listing's price, and no name", "outlier", &[
        (r#""c":175.43"#, r#""c":334.69"#),
    ]),
    sent(("binance", "BTC-USDT", Symbol), "two rows under each other's name", "outlier", &[
        (r#"[{"symbol":"BTCUSDT""#, r#"[{"symbol":"ETHBTC""#),
        ("\n{\"symbol\":\"ETHBTC\"", "\n{\"symbol\":\"BTCUSDT\""),
    ]),
    sent(("bitfinex", "ETH-USD", Symbol), "another pair's row", "reading / unknown_symbol", &[("tETHUSD", "tETHUST")]),
    sent(("coinpaprika", "ETH-USD", Symbol), "another coin of that ticker", "reading / missing", &[
        ("eth-ethereum", "eth-ethereum-wormhole"),
    ]),
    sent(("yahoo", "TSLA", Symbol), "another listing's row", "reading / missing", &[
        (r#""symbol":"TSLA""#, r#""symbol":"TSLL""#),
    ]),

    sent(("mexc", "BTC-USDT", Sign), BOOK, SLIPS_THROUGH, &[(r#""46260.38""#, r#""-46260.38""#)]),
    sent(("bitfinex", "SHIB-USD", Sign), "an exponent without its minus", OVERRULED, &[("7.31e-06", "7.31e06")]),
    sent(("blockchain_info", "BTC-ARS", Sign), "an exponent with a minus", "outlier", &[
        (r#""last":9.083198811E7"#, r#""last":9.083198811E-7"#),
    ]),
    sent(("htx", "HBC-BTC", Sign), "an exponent without its minus", OVERRULED, &[
        (r#""close":5.175E-5"#, r#""close":5.175E5"#),
    ]),
    sent(("bitstamp", "BTC-USD", Sign), "a minus before the price", "admission / invalid_price", &[
        ("38505.12", "-38505.12"),
    ]),
    sent(("eodhd", "^FTSE", Sign), "a minus before the price", "admission / invalid_price", &[
        (r#""close":7310.3701"#, r#""close":-7310.3701"#),
    ]),
    sent(("polygon-fx", "NZD-GBP", Sign), "a minus before the bid of a bare book", "admission / invalid_price", &[
        (r#""b":0.49788"#, r#""b":-0.49788"#),
    ]),
    sent(("cnbc", "^GSPC", Sign), "an offset without its minus", "admission / stale", &[
        ("15:39:45.000-0500", "15:39:45.000+0500"),
    ]),

    sent(("gemini", "USDC-USD", Rate), RATE, SLIPS_THROUGH, &[(r#""last":"0.99990""#, r#""last":"1.0001""#)]),
    sent(("bybit", "BTC-USD", Rate), RATE, SLIPS_THROUGH, &[]).through("0.9996").taken_for("1.0004"),
    sent(("gate", "BTC-EUR", Rate), "tethers per euro", "outlier", &[]).through("0.8963").taken_for("1.1157"),
    sent(("bitstamp", "EUR-USD", Rate), "euros per dollar", "outlier", &[(r#""1.11561""#, r#""0.89637""#)]),
    sent(("exchangerate_host", "GBP-USD", Rate), "a pair that is turned anyway", "outlier", &[
        ("0.822435", "1.215902"),
    ]),
    sent(("ecb", "GBP-USD", Rate), "one side of a cross", "outlier", &[("0.90128", "1.10953")]).through("1.225"),
    sent(("frankfurter", "CAD-USD", Rate), "one side of a cross", "outlier", &[
        (r#""CAD":1.5931"#, r#""CAD":0.62771"#),
    ]).through("1.1177"),
    sent(("openexchangerates", "EUR-JPY", Rate), "one side of a cross", "outlier", &[
        ("0.867032", "1.153359"),
    ]).through("113.83"),
];

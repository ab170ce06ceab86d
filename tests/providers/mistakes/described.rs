//! Mistakes in descriptions: another field, unit, zone, currency or symbol than the provider means.

use super::Changes;
use super::Kind::{self, Currency, Inverted, Rate, Scaled, Sign, Swapped, Symbol, Time};

/// A file, the kind of the mistake, the mistake, and how it is made.
#[rustfmt::skip]
pub(super) const DESCRIBED: &[(&str, Kind, &str, Changes)] = &[
    ("binance", Swapped, "the open for the price", &[("price: .lastPrice", "price: .openPrice")]),
    ("bitfinex", Swapped, "the day's high for the price", &[("price: .[7]", "price: .[9]")]),
    ("bitfinex", Swapped, "the columns of the other layout", &[("{price: .[6], bid: .[0]", "{price: .[7], bid: .[1]")]),
    ("bitget", Swapped, "the volume in the other currency", &[(".baseVolume", ".quoteVolume")]),
    ("bitstamp", Swapped, "the bid for the price", &[("price: .last", "price: .bid")]),
    ("btcturk", Swapped, "the bid for the price", &[("price: .last", "price: .bid")]),
    ("cboe", Swapped, "the bid for the price", &[("price: .current_price", "price: .bid")]),
    ("coinbase", Swapped, "bid and ask", &[("bid, ask", "bid: .ask, ask: .bid")]),
    ("cryptocom", Swapped, "the ask for the price", &[("price: .a", "price: .k")]),
    ("cryptocompare", Swapped, "the volume in the other currency", &[(".VOLUME24HOUR", ".VOLUME24HOURTO")]),
    ("finnhub", Swapped, "the close before for the price", &[("price: .c", "price: .pc")]),
    ("gemini", Swapped, "the volume in the other currency", &[(r#"$bases[0] // """#, "$legs[1]")]),
    ("htx", Swapped, "the bid's size for the bid", &[(".tick.bid[0]", ".tick.bid[1]")]),
    ("kraken", Swapped, "the volume since midnight for that of a day", &[(".value.v[1]", ".value.v[0]")]),
    ("marketstack", Swapped, "the adjusted close for the close", &[("price: .close", "price: .adj_close")]),
    ("luno", Swapped, "bid and ask", &[("bid: (.bid", "bid: (.ask"), ("ask: (.ask", "ask: (.bid")]),
    ("mercadobitcoin", Swapped, "the buyer's side for the seller's", &[
        ("bid: (.buy", "bid: (.sell"), ("ask: (.sell", "ask: (.buy"),
    ]),
    ("nasdaq", Swapped, "the close before for the price", &[
        (".primaryData.lastSalePrice", "(.secondaryData // .primaryData).lastSalePrice"),
    ]),
    ("polygon", Swapped, "p for P", &[
        ("bid: .lastQuote.p, ask: .lastQuote.P", "bid: .lastQuote.P, ask: .lastQuote.p"),
    ]),
    ("swissquote", Swapped, "the widest book for the tightest", &[("min_by(", "max_by(")]),
    ("swissquote", Swapped, "the oldest platform for the newest", &[("max_by(.ts)", "min_by(.ts)")]),
    ("twelvedata", Swapped, "the close before for the price", &[("price: .close", "price: .previous_close")]),
    ("yahoo", Swapped, "the close before for the price", &[
        ("price: .regularMarketPrice", "price: .chartPreviousClose"),
    ]),

    ("bitstamp", Inverted, "turned for no reason", &[("bid, ask, volume,", "bid, ask, volume, inverse: true,")]),
    ("bank-of-canada", Inverted, "taken for units per dollar", &[(".v, at: $day.d}", ".v, at: $day.d, inverse: true}")]),
    ("currencyapi", Inverted, "taken for dollars per unit", &[(".value, $at}", ".value, $at, inverse: true}")]),
    ("ecb", Inverted, "taken for euros per unit", &[("$rates[$symbol],", "$rates[$symbol], inverse: true,")]),
    ("polygon-fx", Inverted, "a book turned for no reason", &[("symbol: .ticker,", "symbol: .ticker, inverse: true,")]),
    ("yadio", Inverted, "taken for bitcoins per unit", &[("$rates[$symbol],", "$rates[$symbol], inverse: true,")]),
    ("yahoo", Inverted, "rupees per dollar taken for dollars per rupee", &[
        ("        currency,\n", "        currency, inverse: (.symbol == \"INR=X\"),\n"),
    ]),

    ("cnb", Scaled, "a hundred units taken for one", &[("per: .amount, ", "")]),
    ("pyth", Scaled, "the power of ten left out", &[("scale: .price.expo, ", "")]),
    ("eodhd", Scaled, "euros taken for pence", &[(r#"DE = "EUR""#, r#"DE = "GBp""#)]),
    ("finnhub", Scaled, "dollars taken for pence", &[("{price: .c,", r#"{price: .c, currency: "GBp","#)]),
    ("finnhub", Scaled, "divided by the filter", &[("price: .c,", "price: (.c / 100),")]),
    ("kucoin", Scaled, "multiplied by the filter", &[("price: .last,", "price: (.last | tonumber * 100),")]),
    ("twelvedata", Scaled, "pence taken for pounds", &[
        ("      currency,\n", "      currency: (.currency // \"\" | ascii_upcase),\n"),
    ]),
    ("yahoo", Scaled, "pence taken for pounds", &[
        ("        currency,\n", "        currency: (.currency | ascii_upcase),\n"),
    ]),

    ("alphavantage-fx", Time, "every zone taken for UTC", &[(r#"zone: .["7. Time Zone"]"#, r#"zone: "UTC""#)]),
    ("alphavantage-fx", Time, "the zone left out", &[(r#"zone: .["7. Time Zone"]"#, "")]),
    ("binance", Time, "the day's beginning for its end", &[(".closeTime", ".openTime")]),
    ("bitstamp", Time, "seconds taken for milliseconds", &[("at: .timestamp", "at_ms: .timestamp")]),
    ("bybit", Time, "milliseconds taken for seconds", &[("at_ms: $time", "at: $time")]),
    ("cboe", Time, "New York taken for UTC", &[("America/New_York", "UTC")]),
    ("cnbc", Time, "the offset cut off", &[
        ("volume, at: .last_time,", r#"volume, at: (.last_time | .[:19]), zone: "UTC","#),
    ]),
    ("polygon", Time, "nanoseconds taken for microseconds", &[("at_ns: .lastTrade.t", "at_us: .lastTrade.t")]),
    ("polygon-fx", Time, "the row's time for the book's", &[("at_ms: .lastQuote.t", "at_ns: .updated")]),
    ("frankfurter-v2", Time, "the first row's day for every row's", &[("at: $rates[$symbol].date", "at: $rates.CAD.date")]),
    ("open-er-api", Time, "the next update's for the last one's", &[(".time_last_update_unix", ".time_next_update_unix")]),
    ("tiingo", Time, "the quote's time for the sale's", &[("then .lastSaleTimestamp", "then .quoteTimestamp")]),
    ("tiingo", Time, "the offset taken for none", &[
        ("then .lastSaleTimestamp", r#"then "\(.lastSaleTimestamp[:19])Z""#),
    ]),
    ("upbit", Time, "the reply's for the trade's", &[("at_ms: .trade_timestamp", "at_ms: .timestamp")]),
    ("yahoo", Time, "the first trade's for the last one's", &[("at: .regularMarketTime", "at: .firstTradeDate")]),

    ("blockchain_info", Currency, "Australia's dollars for every currency", &[
        ("$rates[$symbol].last", "$rates.AUD.last"),
    ]),
    ("coingecko", Currency, "dollars for every currency", &[("price: $coin[$quote]", "price: $coin.usd")]),
    ("cryptocompare", Currency, "dollars for every currency", &[("$raw[$base][$quote] as", "$raw[$base].USD as")]),
    ("currency-api", Currency, "euros for every currency", &[("price: $rates[$symbol]", "price: $rates.eur")]),
    ("eodhd", Currency, "francs for euros", &[(r#"DE = "EUR""#, r#"DE = "CHF""#)]),
    ("marketstack", Currency, "the currency left out", &[(", currency: .price_currency", "")]),
    ("twelvedata", Currency, "dollars for every currency", &[("      currency,\n", "      currency: \"USD\",\n")]),

    ("alpaca", Symbol, "the first for every symbol", &[("$known[$symbol]\n", "$known[$asked[0]]\n")]),
    ("coinmarketcap", Symbol, "bitcoin for every coin", &[("$coins[$symbol].quote", r#"$coins["1"].quote"#)]),
    ("defillama", Symbol, "the first contract for every other", &[
        ("price: $coins[$symbol]", "price: $coins[$asked[0]]"),
    ]),
    ("frankfurter", Symbol, "one rate for every other", &[("price: $rates[$symbol]", "price: $rates.CAD")]),
    ("gate", Symbol, "every row for one pair", &[("symbol: .currency_pair", r#"symbol: "ETH_USDT""#)]),
    ("kraken", Symbol, "the old coin of that name", &[(r#"LUNA = "LUNA2", LUNC = "LUNA", "#, "")]),
    ("openexchangerates", Symbol, "the first rate for every other", &[
        ("price: $rates[$symbol]", "price: ($rates | to_entries[0].value)"),
    ]),

    ("bitfinex", Sign, "an exponent without its minus", &[
        ("price: .[7]", r#"price: (.[7] | tostring | split("e-") | join("e"))"#),
    ]),
    ("bitstamp", Sign, "a minus before the price", &[("price: .last", r#"price: "-\(.last)""#)]),
    ("cnbc", Sign, "an offset without its minus", &[
        ("          at: .last_time,\n", "          at: (.last_time // \"\" | split(\"-05\") | join(\"+05\")),\n"),
    ]),

    ("alphavantage-fx", Rate, "from and to", &[
        (
            r#"\(.["1. From_Currency Code"])-\(.["3. To_Currency Code"])"#,
            r#"\(.["3. To_Currency Code"])-\(.["1. From_Currency Code"])"#,
        ),
    ]),
    ("cnbc", Rate, "dollars per Canadian dollar", &[(r#""USD-CAD" = "CAD=""#, r#""CAD-USD" = "CAD=""#)]),
    ("ecb", Rate, "euros per unit", &[
        (r#"symbols = ["EUR-*"]"#, r#"symbols = ["*-EUR"]"#), (r#"format = "{quote}""#, r#"format = "{base}""#),
    ]),
    ("exchangerate_host", Rate, "the pair under the other's name", &[
        (r#"format = "{base}{quote}""#, r#"format = "{quote}{base}""#),
    ]),
    ("nbp", Rate, "units per zloty", &[
        (r#"symbols = ["*-PLN"]"#, r#"symbols = ["PLN-*"]"#), (r#"format = "{base}""#, r#"format = "{quote}""#),
    ]),
    ("upbit", Rate, "what it is quoted in, last", &[
        (r#"format = "{quote}-{base}""#, r#"format = "{base}-{quote}""#),
    ]),
    ("frankfurter", Rate, "every base taken for the euro", &[(r#".base != "EUR""#, ".base == null")]),
    ("openexchangerates", Rate, "dollars per unit", &[
        (r#"symbols = ["USD-*"]"#, r#"symbols = ["*-USD"]"#), (r#"format = "{quote}""#, r#"format = "{base}""#),
    ]),
];

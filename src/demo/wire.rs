//! Writes replies in the formats of the providers that the demo's venues imitate.
//!
//! It builds the text by hand because several formats have prices as JSON numbers, and those must not become floats.

use std::fmt::Write;

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::market::Ticker;

/// A provider's wire format, under the provider's name in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// One product per call, times in microseconds.
    Coinbase,
    /// Several pairs per call, answered under other names; errors have status 200.
    Kraken,
    /// One pair per call, the time as text, in seconds.
    Bitstamp,
    /// A JSON array in the query; one unknown symbol fails the whole call.
    Binance,
    /// No symbol in the body; zeros for an unknown symbol.
    Finnhub,
    /// A format that depends on the number of symbols.
    Twelvedata,
    /// A chart, of which only the metadata matters; pence for London.
    Yahoo,
    /// Several tickers per call; unknown ones are left out.
    Tiingo,
}

/// A symbol that was asked for, in the venue's spelling, and its ticker, if the venue has it.
pub type Asked = (String, Option<Ticker>);

/// A venue's reply: status, content type, body.
pub type Reply = (StatusCode, &'static str, String);

const JSON: &str = "application/json";

impl Wire {
    /// Whether it states the currency of its prices.
    pub(crate) fn states_currencies(self) -> bool {
        matches!(self, Wire::Twelvedata | Wire::Yahoo)
    }

    /// Whether it states bid and ask besides the last trade.
    pub(crate) fn has_a_book(self) -> bool {
        !matches!(self, Wire::Finnhub | Wire::Twelvedata | Wire::Yahoo)
    }

    /// The names that a request asks for, in the venue's spelling.
    pub fn names(self, path: &str, query: &str) -> Vec<String> {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let parameter = |name: &str| {
            let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
            value.map(|(_, value)| decode(value)).unwrap_or_default()
        };
        let list = match self {
            Wire::Coinbase => path.trim_end_matches("/ticker").rsplit('/').next().map(decode).unwrap_or_default(),
            Wire::Bitstamp | Wire::Yahoo => {
                path.trim_end_matches('/').rsplit('/').next().map(decode).unwrap_or_default()
            }
            Wire::Kraken => parameter("pair"),
            Wire::Binance => parameter("symbols").trim_matches(['[', ']']).replace('"', ""),
            Wire::Finnhub | Wire::Twelvedata => parameter("symbol"),
            Wire::Tiingo => parameter("tickers"),
        };
        list.split(',').map(str::to_owned).collect()
    }

    /// The reply to what was asked.
    pub fn reply(self, asked: &[Asked], now: Timestamp) -> Reply {
        let first = asked.first().and_then(|(_, ticker)| ticker.as_ref());
        let known = || asked.iter().filter_map(|(name, ticker)| Some((name.as_str(), ticker.as_ref()?)));
        let any_unknown = asked.iter().any(|(_, ticker)| ticker.is_none());
        match (self, first) {
            (Wire::Coinbase, Some(ticker)) => ok(coinbase(ticker, now)),
            (Wire::Coinbase, None) => (StatusCode::NOT_FOUND, JSON, r#"{"message":"NotFound"}"#.to_owned()),
            (Wire::Kraken, _) if any_unknown => ok(r#"{"error":["EQuery:Unknown asset pair"]}"#.to_owned()),
            (Wire::Kraken, _) => ok(format!(r#"{{"error":[],"result":{{{}}}}}"#, joined(known(), kraken))),
            (Wire::Bitstamp, Some(ticker)) => ok(bitstamp(ticker, now)),
            (Wire::Bitstamp, None) => (StatusCode::NOT_FOUND, "text/html", "<h1>Page not found</h1>".to_owned()),
            (Wire::Binance, _) if any_unknown => {
                (StatusCode::BAD_REQUEST, JSON, r#"{"code":-1121,"msg":"Invalid symbol."}"#.to_owned())
            }
            (Wire::Binance, _) => ok(format!("[{}]", joined(known(), |name, t| binance(name, t, now)))),
            (Wire::Finnhub, Some(ticker)) => ok(finnhub(ticker, now)),
            (Wire::Finnhub, None) => ok(r#"{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}"#.to_owned()),
            (Wire::Twelvedata, _) => ok(twelvedata(asked, now)),
            (Wire::Yahoo, Some(ticker)) => ok(yahoo(&asked[0].0, ticker, now)),
            (Wire::Yahoo, None) => {
                let body = r#"{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found"}}}"#;
                (StatusCode::NOT_FOUND, JSON, body.to_owned())
            }
            (Wire::Tiingo, _) => ok(format!("[{}]", joined(known(), |name, t| tiingo(name, t, now)))),
        }
    }

    /// The provider's reply when it rate-limits.
    pub(crate) fn too_often(self) -> Reply {
        let (kind, body) = match self {
            Wire::Yahoo => ("text/plain", "Too Many Requests"),
            Wire::Coinbase => (JSON, r#"{"message":"Public rate limit exceeded"}"#),
            Wire::Kraken => (JSON, r#"{"error":["EGeneral:Too many requests"]}"#),
            Wire::Twelvedata => (
                JSON,
                r#"{"code":429,"message":"You have run out of API credits for the current minute.","status":"error"}"#,
            ),
            Wire::Binance => (JSON, r#"{"code":-1003,"msg":"Too many requests."}"#),
            Wire::Finnhub => (JSON, r#"{"error":"API limit reached. Please try again later."}"#),
            Wire::Bitstamp | Wire::Tiingo => (JSON, r#"{"detail":"Too many requests."}"#),
        };
        (StatusCode::TOO_MANY_REQUESTS, kind, body.to_owned())
    }
}

fn ok(body: String) -> Reply {
    (StatusCode::OK, JSON, body)
}

fn joined<'a>(known: impl Iterator<Item = (&'a str, &'a Ticker)>, write: impl Fn(&str, &Ticker) -> String) -> String {
    known.map(|(name, ticker)| write(name, ticker)).collect::<Vec<_>>().join(",")
}

/// When the last trade was.
fn traded(now: Timestamp, ago: SignedDuration) -> Timestamp {
    now.checked_sub(ago).unwrap_or(now)
}

fn coinbase(ticker: &Ticker, now: Timestamp) -> String {
    let Ticker { price, bid, ask, volume, traded_ago, .. } = ticker;
    let now = traded(now, *traded_ago);
    format!(
        r#"{{"trade_id":18502105,"price":"{price}","size":"0.01","time":"{now:.6}","bid":"{bid}","ask":"{ask}","volume":"{volume}"}}"#
    )
}

fn kraken(name: &str, ticker: &Ticker) -> String {
    // the old pairs are answered under the names of the old assets
    let answered = match name {
        "XBTUSD" => "XXBTZUSD",
        "XBTEUR" => "XXBTZEUR",
        "ETHUSD" => "XETHZUSD",
        "ETHEUR" => "XETHZEUR",
        "XRPUSD" => "XXRPZUSD",
        "LTCUSD" => "XLTCZUSD",
        "EURUSD" => "ZEURZUSD",
        "GBPUSD" => "ZGBPZUSD",
        "USDJPY" => "ZUSDZJPY",
        "USDTUSD" => "USDTZUSD",
        same => same,
    };
    let Ticker { price, bid, ask, volume, .. } = ticker;
    format!(
        r#""{answered}":{{"a":["{ask}","1","1.000"],"b":["{bid}","1","1.000"],"c":["{price}","0.01"],"v":["{volume}","{volume}"]}}"#
    )
}

fn bitstamp(ticker: &Ticker, now: Timestamp) -> String {
    let (Ticker { price, bid, ask, volume, .. }, seconds) = (ticker, now.as_second());
    format!(
        r#"{{"timestamp":"{seconds}","last":"{price}","bid":"{bid}","ask":"{ask}","volume":"{volume}","side":"0"}}"#
    )
}

fn binance(name: &str, ticker: &Ticker, now: Timestamp) -> String {
    let (Ticker { price, bid, ask, volume, .. }, close) = (ticker, now.as_millisecond());
    let open = close - 86_400_000;
    format!(
        r#"{{"symbol":"{name}","lastPrice":"{price}","bidPrice":"{bid}","askPrice":"{ask}","volume":"{volume}","openTime":{open},"closeTime":{close}}}"#
    )
}

fn finnhub(ticker: &Ticker, now: Timestamp) -> String {
    let (price, seconds) = (ticker.price, now.as_second());
    format!(r#"{{"c":{price},"d":0.1,"dp":0.04,"h":{price},"l":{price},"o":{price},"pc":{price},"t":{seconds}}}"#)
}

fn twelvedata(asked: &[Asked], now: Timestamp) -> String {
    let one = |(name, ticker): &Asked| match ticker {
        Some(ticker) => {
            // this venue quotes London in pounds
            let currency = if ticker.unit == "GBp" { "GBP" } else { ticker.unit };
            let (Ticker { price, volume, .. }, seconds) = (ticker, now.as_second());
            format!(
                r#"{{"symbol":"{name}","currency":"{currency}","timestamp":{seconds},"last_quote_at":{seconds},"close":"{price}","volume":"{volume}","is_market_open":true}}"#
            )
        }
        None => format!(r#"{{"code":404,"message":"**symbol** {name} not found","status":"error"}}"#),
    };
    if let [only] = asked {
        return one(only);
    }
    let mut body = String::from("{");
    for asked in asked {
        let comma = if body.len() > 1 { "," } else { "" };
        // writing to a string cannot fail
        let _ = write!(body, "{comma}\"{}\":{}", asked.0, one(asked));
    }
    body + "}"
}

fn yahoo(name: &str, ticker: &Ticker, now: Timestamp) -> String {
    let hundredths = ticker.unit == "GBp";
    let price = if hundredths { ticker.price.saturating_mul(Decimal::ONE_HUNDRED).normalize() } else { ticker.price };
    let (unit, seconds, volume) = (ticker.unit, now.as_second(), ticker.volume.trunc());
    format!(
        r#"{{"chart":{{"result":[{{"meta":{{"currency":"{unit}","symbol":"{name}","regularMarketTime":{seconds},"regularMarketPrice":{price},"regularMarketVolume":{volume}}},"timestamp":[{seconds}],"indicators":{{"quote":[{{"close":[null]}}]}}}}],"error":null}}}}"#
    )
}

fn tiingo(name: &str, ticker: &Ticker, now: Timestamp) -> String {
    let (Ticker { price, bid, ask, traded_ago, .. }, volume) = (ticker, ticker.volume.trunc());
    let traded = traded(now, *traded_ago);
    format!(
        r#"{{"ticker":"{name}","last":{price},"tngoLast":{price},"bidPrice":{bid},"askPrice":{ask},"mid":null,"volume":{volume},"timestamp":"{now:.9}","lastSaleTimestamp":"{traded:.9}","quoteTimestamp":"{now:.9}"}}"#
    )
}

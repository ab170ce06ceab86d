//! Real input: each of fourteen providers played back in the shape it was recorded in, with the present time, and asked
//! by the real program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]
#![allow(clippy::disallowed_methods, reason = "a test may block its thread")]

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use quotefold::server::drain::Drain;
use quotefold::server::listen;
use serde_json::Value;
use tokio::net::TcpListener;

/// A provider: what it is asked, where, and what it replies. `{s}`, `{ms}` and `{iso}` are the present.
struct Provider {
    name: &'static str,
    settings: &'static str,
    symbols: &'static [&'static str],
    /// The path and query it must be asked with, and a header it must be asked with.
    asked: &'static str,
    header: Option<(&'static str, &'static str)>,
    body: &'static str,
    expected: &'static [Expected],
}

/// Symbol, price, bid, ask, whether a time is stated.
type Expected = (&'static str, &'static str, Option<&'static str>, Option<&'static str>, bool);

const PROVIDERS: [Provider; 14] = [
    Provider {
        name: "coinbase",
        settings: "",
        symbols: &["BTC-USD"],
        asked: "/products/BTC-USD/ticker",
        header: None,
        body: r#"{"ask":"73369.19","bid":"73360.34","volume":"1207.50668151","trade_id":18502105,"price":"73367.8","size":"0.00730812","time":"{iso}","rfq_volume":"7.669923"}"#,
        expected: &[("BTC-USD", "73367.8", Some("73360.34"), Some("73369.19"), true)],
    },
    Provider {
        name: "kraken",
        settings: "",
        symbols: &["BTC-USD"],
        asked: "/0/public/Ticker?pair=XBTUSD",
        header: None,
        body: r#"{"error":[],"result":{"XXBTZUSD":{"a":["64587.50000","2","2.000"],"b":["64587.40000","11","11.000"],"c":["64587.40000","0.01026127"],"v":["5866.14264484","6251.33408493"],"p":["64487.45123","64670.54770"],"t":[56819,62596],"l":["62356.50000","62356.50000"],"h":["68075.00000","68075.00000"],"o":"67600.00000"}}}"#,
        expected: &[("BTC-USD", "64587.4", Some("64587.4"), Some("64587.5"), false)],
    },
    Provider {
        name: "bitstamp",
        settings: "",
        symbols: &["BTC-USD"],
        asked: "/api/v2/ticker/btcusd/",
        header: None,
        body: r#"{"ask":"2211.02","bid":"2208.97","high":"2811.00","last":"2211.00","low":"2188.97","open":"2211.00","open_24":"2211.00","percent_change_24":"13.57","side":"0","timestamp":"{s}","volume":"213.26801100","vwap":"2189.80"}"#,
        expected: &[("BTC-USD", "2211", Some("2208.97"), Some("2211.02"), true)],
    },
    Provider {
        name: "binance",
        settings: "",
        symbols: &["BTC-USDT"],
        asked: "/api/v3/ticker/24hr?symbols=%5B%22BTCUSDT%22%5D",
        header: None,
        body: r#"[{"askPrice":"6706.21000000","askQty":"0.19518800","bidPrice":"6705.88000000","bidQty":"0.18401100","closeTime":{ms},"count":554428,"firstId":294247387,"highPrice":"6933.00000000","lastId":294801814,"lastPrice":"6705.92000000","lastQty":"0.01000000","lowPrice":"6680.10000000","openPrice":"6872.64000000","openTime":1586904878494,"prevClosePrice":"6872.37000000","priceChange":"-166.82000000","priceChangePercent":"-2.427","quoteVolume":"392659910.62660750","symbol":"BTCUSDT","volume":"57857.49485700","weightedAvgPrice":"6786.67321489"}]"#,
        expected: &[("BTC-USDT", "6705.92", Some("6705.88"), Some("6706.21"), true)],
    },
    Provider {
        name: "finnhub",
        settings: "key = \"replayed\"",
        symbols: &["AAPL"],
        asked: "/api/v1/quote?symbol=AAPL",
        header: Some(("x-finnhub-token", "replayed")),
        body: r#"{"c":175.43,"d":2.44,"dp":1.4105,"h":175.77,"l":173.11,"o":173.32,"pc":172.99,"t":{s}}"#,
        expected: &[("AAPL", "175.43", None, None, true)],
    },
    Provider {
        name: "twelvedata",
        settings: "key = \"replayed\"",
        symbols: &["AAPL", "NOSUCQ"],
        asked: "/quote?symbol=AAPL,NOSUCQ",
        header: Some(("authorization", "apikey replayed")),
        body: r#"{"AAPL":{"symbol":"AAPL","name":"Apple Inc","exchange":"NASDAQ","mic_code":"XNAS","currency":"USD","datetime":"2021-09-16","timestamp":1631772000,"last_quote_at":{s},"open":"148.44000","high":"148.96840","low":"147.22099","close":"148.85001","volume":"67903927","previous_close":"149.09000","is_market_open":true},"NOSUCQ":{"code":404,"message":"**symbol** not found: NOSUCQ. Please specify it correctly according to API Documentation.","status":"error"}}"#,
        expected: &[("AAPL", "148.85001", None, None, true)],
    },
    Provider {
        name: "yahoo",
        settings: "",
        symbols: &["VOD.L"],
        asked: "/v8/finance/chart/VOD.L?interval=1d&range=1d",
        header: None,
        body: r#"{"chart":{"result":[{"meta":{"currency":"GBp","symbol":"VOD.L","exchangeName":"LSE","instrumentType":"EQUITY","regularMarketTime":{s},"gmtoffset":0,"regularMarketPrice":91.84,"regularMarketVolume":59096538,"chartPreviousClose":91.5},"timestamp":[1609770600],"indicators":{"quote":[{"close":[null]}]}}],"error":null}}"#,
        expected: &[("VOD.L", "0.9184", None, None, true)],
    },
    Provider {
        name: "tiingo",
        settings: "key = \"replayed\"",
        symbols: &["AAPL", "BRK.B"],
        asked: "/iex/?tickers=AAPL,BRK-B",
        header: Some(("authorization", "Token replayed")),
        body: r#"[{"prevClose":48.77,"last":51.27,"lastSaleTimestamp":"{iso}","low":49.68,"bidSize":0,"askPrice":0.0,"open":49.68,"mid":null,"volume":680,"lastSize":80,"tngoLast":51.27,"ticker":"BRK-B","askSize":0,"quoteTimestamp":"{iso}","bidPrice":0.0,"timestamp":"{iso}","high":51.345},{"ticker":"AAPL","last":231.4400000000000001,"tngoLast":231.44,"bidPrice":231.43,"askPrice":231.45,"mid":231.44,"volume":12,"timestamp":"{iso}"}]"#,
        expected: &[
            ("AAPL", "231.4400000000000001", Some("231.43"), Some("231.45"), true),
            ("BRK.B", "51.27", None, None, true),
        ],
    },
    Provider {
        name: "upbit",
        settings: "",
        symbols: &["BTC-KRW"],
        asked: "/v1/ticker?markets=KRW-BTC",
        header: None,
        body: r#"[{"market":"KRW-BTC","trade_date":"20260911","trade_time":"014543","trade_timestamp":{ms},"opening_price":158920000,"high_price":160110000,"low_price":157804000,"trade_price":159315000,"prev_closing_price":158921000,"acc_trade_volume_24h":1204.77120113,"timestamp":{ms}}]"#,
        expected: &[("BTC-KRW", "159315000", None, None, true)],
    },
    Provider {
        name: "bitvavo",
        settings: "",
        symbols: &["BTC-EUR"],
        asked: "/v2/ticker/24h?market=BTC-EUR",
        header: None,
        body: r#"{"market":"BTC-EUR","open":"54112","high":"55023","low":"53890","last":"54815.31","volume":"25.16366324","volumeQuote":"1379354.1","bid":"54815.3","bidSize":"0.53500578","ask":"54817","askSize":"0.47859202","timestamp":{ms}}"#,
        expected: &[("BTC-EUR", "54815.31", Some("54815.3"), Some("54817"), true)],
    },
    Provider {
        name: "bitso",
        settings: "",
        symbols: &["BTC-MXN"],
        asked: "/v3/ticker/?book=btc_mxn",
        header: None,
        body: r#"{"success":true,"payload":{"high":"1214880.00","last":"1203910.50","created_at":"{iso}","book":"btc_mxn","volume":"41.20117740","vwap":"1201077.3310","low":"1188020.00","ask":"1204010.00","bid":"1203720.00","change_24":"4120.50"}}"#,
        expected: &[("BTC-MXN", "1203910.5", Some("1203720"), Some("1204010"), true)],
    },
    Provider {
        name: "mercadobitcoin",
        settings: "",
        symbols: &["BTC-BRL"],
        asked: "/api/v4/tickers?symbols=BTC-BRL",
        header: None,
        body: r#"[{"pair":"BTC-BRL","high":"361004.00000000","low":"352110.00000000","vol":"31.77806598","last":"355915.91000000","buy":"355872.76000000","sell":"355990.14000000","open":"354799.55000000","date":{s}}]"#,
        expected: &[("BTC-BRL", "355915.91", Some("355872.76"), Some("355990.14"), true)],
    },
    Provider {
        name: "luno",
        settings: "",
        symbols: &["BTC-ZAR"],
        asked: "/api/1/ticker?pair=XBTZAR",
        header: None,
        body: r#"{"pair":"XBTZAR","timestamp":{ms},"bid":"1120410.00000000","ask":"1120988.00000000","last_trade":"1120702.00000000","rolling_24_hour_volume":"71.20440000","status":"ACTIVE"}"#,
        expected: &[("BTC-ZAR", "1120702", Some("1120410"), Some("1120988"), true)],
    },
    Provider {
        name: "btcturk",
        settings: "",
        symbols: &["BTC-TRY"],
        asked: "/api/v2/ticker?pairSymbol=BTC_TRY",
        header: None,
        body: r#"{"data":[{"pair":"BTCTRY","pairNormalized":"BTC_TRY","timestamp":{ms},"last":462485,"high":473976,"low":444201,"bid":461928,"ask":462485,"open":456915,"volume":917.41368645}],"success":true,"message":null,"code":0}"#,
        expected: &[("BTC-TRY", "462485", Some("461928"), Some("462485"), true)],
    },
];

/// What a provider was asked that it would not have understood.
type Complaints = Arc<Mutex<Vec<String>>>;

async fn replay(State(complaints): State<Complaints>, request: Request) -> Response {
    let asked = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let name = asked.split('/').nth(1).unwrap_or_default();
    let provider = PROVIDERS.iter().find(|provider| provider.name == name).unwrap();
    let header =
        provider.header.is_none_or(|(name, value)| request.headers().get(name).is_some_and(|sent| sent == value));
    if asked != format!("/{name}{}", provider.asked) || !header {
        complaints.lock().unwrap().push(format!("{asked} {:?}", request.headers()));
        return StatusCode::BAD_REQUEST.into_response();
    }
    let now = Timestamp::now();
    let body = provider.body.replace("{iso}", &format!("{now:.6}"));
    let body = body.replace("{ms}", &now.as_millisecond().to_string()).replace("{s}", &now.as_second().to_string());
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn get(provider: &Provider, server: SocketAddr) -> Output {
    let name = provider.name;
    let directory = std::env::temp_dir().join(format!("quotefold-replay-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("quotefold.toml");
    // a port that nobody listens on, so that the program asks the provider itself
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:1\"\n\n[fold]\nrequired = 1\n\n[sources.{name}]\nbase_url = \"http://{server}/{name}\"\n{}\n",
        provider.settings
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quotefold"));
    let output = command.arg("get").args(provider.symbols).arg("--json").arg("--config").arg(&file).output().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn every_provider_gives_the_expected_prices_to_the_last_digit_with_bid_ask_and_time() {
    let complaints = Complaints::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let app = Router::new().fallback(replay).with_state(Arc::clone(&complaints));
    tokio::spawn(listen::run(listener, app, listen::Limits::default(), Drain::new()));

    for provider in &PROVIDERS {
        let before = Timestamp::now().as_second();
        let output = tokio::task::spawn_blocking(move || get(provider, server)).await.unwrap();
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        let complained = complaints.lock().unwrap().clone();
        assert!(complained.is_empty(), "{}: {complained:?}", provider.name);
        let answer: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout} {stderr}"));
        for (symbol, price, bid, ask, timed) in provider.expected {
            let entry = answer["prices"].as_array().unwrap().iter().find(|entry| entry["symbol"] == *symbol).unwrap();
            assert_eq!(entry["price"], *price, "{}: {entry:#}", provider.name);
            assert_eq!(entry["status"], "ok", "{}: {entry:#}", provider.name);
            let quote = &entry["quotes"][0];
            assert_eq!(
                (quote["price"].as_str(), quote["bid"].as_str(), quote["ask"].as_str()),
                (Some(*price), *bid, *ask)
            );
            let observed_at = quote["observed_at"].as_str().map(|at| at.parse::<Timestamp>().unwrap().as_second());
            assert_eq!(observed_at.is_some(), *timed, "{}: {quote:#}", provider.name);
            assert!(observed_at.is_none_or(|at| (before..=before + 60).contains(&at)), "{}: {quote:#}", provider.name);
        }
        assert!(stderr.contains("asked directly"), "{stderr}");
    }
}

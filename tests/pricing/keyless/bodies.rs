//! What the stand-ins reply: bodies of the catalogue's examples, brought up to the day of the test.

use quotefold::provider::catalogue::catalogue;
use quotefold::provider::description::Example;
use serde_json::Value;

use crate::support::Upstream;

/// A reply: the address that is asked, which example of the source it is, and what is written there instead of what.
struct Reply {
    target: &'static str,
    about: &'static str,
    changes: &'static [(&'static str, &'static str)],
}

/// Three seconds before the time of the test, in the units that vendors use.
const SECONDS: &str = "1795188597";
const MILLISECONDS: &str = "1795188597123";

/// A second before that.
const EARLIER: &str = "1795188596";

const REPLIES: &[Reply] = &[
    // Apple
    Reply {
        target: "/cboe/api/global/delayed_quotes/quotes/AAPL.json",
        about: "a price, in summer time",
        changes: &[("2026-10-07T12:36:56", "2026-11-20T10:14:08")],
    },
    Reply {
        target: "/cnbc/quote-html-webservice/restQuote/symbolType/symbol?symbols=AAPL&requestMethod=itv&noform=1\
                 &partnerId=2&fund=1&exthrs=1&output=json",
        about: "an index, as the only row of the list",
        changes: &[(".SPX", "AAPL"), ("4,098.12", "335.41"), ("2023-02-16T15:39:45", "2026-11-20T10:29:57")],
    },
    Reply {
        target: "/nasdaq/api/quote/AAPL/info?assetclass=stocks",
        about: "a price of more than a thousand dollars while the market is open, without a book",
        changes: &[("BKNG", "AAPL"), ("$2,431.18", "$335.43")],
    },
    Reply {
        target: "/yahoo/v8/finance/chart/AAPL?interval=1d&range=1d",
        about: "a price",
        changes: &[("TSLA", "AAPL"), ("1726257600", SECONDS), ("230.29,", "335.42,")],
    },
    Reply {
        target: "/yahoo-spark/v7/finance/spark?symbols=AAPL&range=1d&interval=1d",
        about: "a price",
        changes: &[("MSFT", "AAPL"), ("1785182401", EARLIER), ("389.1,", "335.38,")],
    },
    // a fund
    Reply {
        target: "/justetf/api/etfs/IE00BK5BQT80/quote?locale=en&currency=EUR",
        about: "a closing price, in summer time",
        changes: &[("59.00", "138.90"), ("2026-07-03", "2026-11-19")],
    },
    Reply {
        target: "/yahoo/v8/finance/chart/VWCE.DE?interval=1d&range=1d",
        about: "a listing in pence",
        changes: &[("VOD.L", "VWCE.DE"), ("GBp", "EUR"), ("75.86,", "138.96,"), ("1726241738", SECONDS)],
    },
    // euros
    Reply {
        target: "/kraken/0/public/Ticker?pair=EURUSD",
        about: "three prices, two of them under older names",
        changes: &[("1.08521", "1.16099"), ("1.08519", "1.16091"), ("1.08520", "1.16094")],
    },
    Reply {
        target: "/bitstamp/api/v2/ticker/eurusd/",
        about: "a pair of moneys",
        changes: &[("1.11582", "1.16112"), ("1.11529", "1.16078"), ("1.11561", "1.16103"), ("1643640201", SECONDS)],
    },
    Reply {
        target: "/cnbc/quote-html-webservice/restQuote/symbolType/symbol?symbols=EUR%3D&requestMethod=itv&noform=1\
                 &partnerId=2&fund=1&exthrs=1&output=json",
        about: "a pair, as a row without a list",
        changes: &[("2026-09-11T20:41:00.000-0400", "2026-11-20T10:29:00.000-0500")],
    },
    Reply {
        target: "/swissquote/public-quotes/bboquotes/instrument/EUR/USD",
        about: "two platforms, of which the newer one counts; its numbers are invented",
        changes: &[("1787059781193", MILLISECONDS)],
    },
    Reply {
        target: "/yahoo/v8/finance/chart/EURUSD%3DX?interval=1d&range=1d",
        about: "dollars on the left, answered under a shorter name",
        changes: &[
            ("\"INR=X\"", "\"EURUSD=X\""),
            ("\"INR\"", "\"USD\""),
            ("83.865,", "1.1612,"),
            ("1726261200", SECONDS),
        ],
    },
    // gold
    Reply {
        target: "/swissquote/public-quotes/bboquotes/instrument/XAU/USD",
        about: "an ounce of gold: the tightest of three books",
        changes: &[("1787059781075", MILLISECONDS)],
    },
    Reply {
        target: "/currency-api/v1/currencies/usd.json",
        about: "two rates, and a currency that is not among them",
        changes: &[("2026-09-05", "2026-11-20"), ("\"aed\":3.6725", "\"xau\":0.0002278")],
    },
    // bitcoin
    Reply {
        target: "/upbit/v1/ticker?markets=KRW-BTC",
        about: "two prices in won, and a pair that is left out; the numbers are invented",
        changes: &[("1789091143096", MILLISECONDS)],
    },
    Reply {
        target: "/bithumb/v1/ticker?markets=KRW-BTC",
        about: "two prices in won, and a pair that is left out",
        changes: &[("1789091143096", MILLISECONDS)],
    },
    Reply {
        target: "/mercadobitcoin/api/v4/tickers?symbols=BTC-BRL",
        about: "two prices, and a pair that is left out; the numbers are invented",
        changes: &[
            ("355915.91", "587815.91"),
            ("355872.76", "587772.76"),
            ("355990.14", "587890.14"),
            ("1789091166", SECONDS),
        ],
    },
    Reply {
        target: "/bitso/v3/ticker/?book=btc_brl",
        about: "a price in pesos; its numbers are invented",
        changes: &[
            ("btc_mxn", "btc_brl"),
            ("1203910.50", "587910.50"),
            ("1204010.00", "588010.00"),
            ("1203720.00", "587720.00"),
            ("2026-09-11T12:06:14", "2026-11-20T15:29:57"),
        ],
    },
    Reply {
        target: "/binance/api/v3/ticker/24hr?symbols=%5B%22BTCBRL%22%5D",
        about: "one price is a list of one",
        changes: &[
            ("BTCUSDT", "BTCBRL"),
            ("6705.82", "587805.82"),
            ("6705.79", "587800.79"),
            ("6706.21", "587806.21"),
            ("1586991278494", MILLISECONDS),
        ],
    },
    Reply {
        target: "/binance/api/v3/ticker/24hr?symbols=%5B%22BTCTRY%22%5D",
        about: "one price is a list of one",
        changes: &[
            ("BTCUSDT", "BTCTRY"),
            ("6705.82", "4647105.82"),
            ("6705.79", "4647105.79"),
            ("6706.21", "4647106.21"),
            ("1586991278494", MILLISECONDS),
        ],
    },
    Reply {
        target: "/btcturk/api/v2/ticker?pairSymbol=BTC_TRY",
        about: "a price, last bought at the ask",
        changes: &[("462485", "4647485"), ("461928", "4646928"), ("1618826361234", MILLISECONDS)],
    },
    Reply {
        target: "/luno/api/1/ticker?pair=XBTZAR",
        about: "a price, last bought at the ask",
        changes: &[
            ("XBTAUD", "XBTZAR"),
            ("59972.3", "1889972.3"),
            ("59997.99", "1889997.99"),
            ("1642201439301", MILLISECONDS),
        ],
    },
    Reply {
        target: "/coingecko/api/v3/simple/price?ids=tether,bitcoin&vs_currencies=usd,zar&include_last_updated_at=true\
                 &precision=full",
        about: "a price",
        changes: &[("\"usd\":63410", "\"usd\":109870,\"zar\":1889500.25"), ("1783526345", SECONDS)],
    },
    Reply {
        target: "/coinbase/products/BTC-USD/ticker",
        about: "a price",
        changes: &[
            ("73367.8", "109867.8"),
            ("73360.34", "109860.34"),
            ("73369.19", "109869.19"),
            ("2024-03-13T11:10:41", "2026-11-20T15:29:57"),
        ],
    },
    // rand
    Reply {
        target: "/swissquote/public-quotes/bboquotes/instrument/USD/ZAR",
        about: "an ounce of gold: the tightest of three books",
        changes: &[("4389.128", "17.2009"), ("4389.632", "17.2013"), ("1787059781075", MILLISECONDS)],
    },
    Reply {
        target: "/yahoo/v8/finance/chart/USDZAR%3DX?interval=1d&range=1d",
        about: "dollars on the left, answered under a shorter name",
        changes: &[
            ("\"INR=X\"", "\"ZAR=X\""),
            ("\"INR\"", "\"ZAR\""),
            ("83.865,", "17.2013,"),
            ("1726261200", SECONDS),
        ],
    },
];

/// All vendors at one address, each under its name. They do not know what is not listed above, nor what is `unknown`.
pub(super) fn vendors(unknown: &'static [&'static str]) -> Upstream {
    Upstream::new(move |call| {
        let target = call.target().to_owned();
        let is_known = |reply: &&Reply| reply.target == target && !unknown.contains(&reply.target);
        if let Some(reply) = REPLIES.iter().find(is_known) {
            return call.json(&reply.body());
        }
        let is_denial = |example: &&Example| example.error.as_deref() == Some("unknown_symbol");
        match examples(&target).iter().find(is_denial) {
            Some(denial) => call.reply(denial.status, "", &denial.body),
            None => call.reply(404, "", "there is no such page"),
        }
    })
}

/// The five vendors of US shares, which know every symbol at the price of Apple's, and all others, which know none.
pub(super) fn vendors_of_shares() -> Upstream {
    Upstream::new(|call| {
        let target = call.target().to_owned();
        let symbols = listed(&target);
        match source(&target) {
            "cboe" | "nasdaq" | "yahoo" => call.json(&of_apple(source(&target)).replace("AAPL", symbols[0])),
            "yahoo-spark" => call.json(&with_rows("yahoo-spark", "/spark/result", &symbols)),
            "cnbc" => call.json(&with_rows("cnbc", "/FormattedQuoteResult/FormattedQuote", &symbols)),
            _ => call.reply(404, "", "there is no such page"),
        }
    })
}

/// The source that is asked at an address.
fn source(target: &str) -> &str {
    target.split('/').nth(1).unwrap_or_default()
}

fn examples(target: &str) -> &'static [Example] {
    &catalogue()[source(target)].settings().examples
}

/// The symbols in the address of a call for US shares.
fn listed(target: &str) -> Vec<&str> {
    let after = ["?symbols=", "/quotes/", "/quote/", "/chart/"].iter().find_map(|before| target.split_once(before));
    let list = after.map_or("", |(_, list)| list).split(['&', '?', '.', '/']).next().unwrap_or_default();
    list.split(',').flat_map(|part| part.split("%7C")).collect()
}

/// A source's body about Apple.
fn of_apple(source: &str) -> String {
    let begins = format!("/{source}/");
    REPLIES.iter().find(|reply| reply.target.starts_with(&begins)).unwrap().body()
}

/// A source's body about Apple, with one row for each of these symbols in its list.
fn with_rows(source: &str, list: &str, symbols: &[&str]) -> String {
    let mut body: Value = serde_json::from_str(&of_apple(source)).unwrap();
    let rows = body.pointer_mut(list).unwrap();
    let of_apple = rows[0].to_string();
    *rows = symbols
        .iter()
        .map(|symbol| -> Value { serde_json::from_str(&of_apple.replace("AAPL", symbol)).unwrap() })
        .collect();
    body.to_string()
}

impl Reply {
    fn body(&self) -> String {
        let example = examples(self.target).iter().find(|example| example.about == self.about);
        let example = example.unwrap_or_else(|| panic!("{}: no example is about {:?}", self.target, self.about));
        self.changes.iter().fold(example.body.clone(), |body, (from, to)| {
            assert!(body.contains(from), "{}: {from:?} is not in {body}", self.target);
            body.replace(from, to)
        })
    }
}

//! The first answers after a start, from vendors of the catalogue at the limits of their free plans.

use std::collections::BTreeMap;
use std::time::Duration;

use quotefold::answer::Answer;
use quotefold::clock::Clock;
use quotefold::quote::Quote;
use quotefold::source::batch::Reply;
use quotefold::symbol::{Class, Currency, Symbol};
use rust_decimal::Decimal;
use tokio::time::{Instant, sleep};

use crate::vendors::{Replies, ScriptedService};

/// Forty symbols, as in a portfolio.
const PORTFOLIO: [(&str, &[&str]); 6] = [
    ("US", &["AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "JPM", "KO", "PEP", "V", "BRK.B", "XOM", "HD"]),
    ("London", &["VOD.L", "HSBA.L", "BP.L", "AZN.L", "SHEL.L"]),
    ("Xetra", &["SAP.DE", "SIE.DE", "ALV.DE", "BMW.DE", "BAS.DE"]),
    ("funds", &["VTSAX", "VFIAX", "FXAIX"]),
    ("coins", &["BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD", "DOGE-USD", "LTC-USD"]),
    ("fx", &["EUR-USD", "GBP-USD", "USD-JPY", "USD-CHF", "AUD-USD", "EUR-GBP"]),
];

const FUNDS: &str = "
[symbols.VTSAX]
class = \"fund\"
[symbols.VFIAX]
class = \"fund\"
[symbols.FXAIX]
class = \"fund\"
";

/// The value of a currency, in millionths of a dollar.
fn worth(money: &str) -> i64 {
    match money {
        "EUR" => 1_100_000,
        "GBP" => 1_300_000,
        "CHF" => 1_120_000,
        "AUD" => 650_000,
        "JPY" => 6_500,
        _ => 1_000_000,
    }
}

fn quote(symbol: &Symbol, clock: &Clock) -> Quote {
    let now = clock.now().wall;
    let (price, currency) = match (symbol.class(), symbol.legs()) {
        (Class::Fx, Some((base, quote))) => (Decimal::new(worth(base) * 1_000_000 / worth(quote), 6), None),
        (_, Some(_)) => (Decimal::new(123_456, 3), None),
        (_, None) => (Decimal::new(9_876, 2), symbol.usual_currency()),
    };
    Quote { observed_at: Some(now), currency: currency.map(|code: Currency| code), ..Quote::bare(price, now) }
}

/// Every vendor has every symbol that it covers, and replies after 150 ms.
fn replying(_: &str, symbols: Vec<Symbol>, clock: Clock) -> Replies {
    Box::pin(async move {
        sleep(Duration::from_millis(150)).await;
        Ok(Reply { rows: symbols.into_iter().map(|symbol| (symbol.clone(), Ok(quote(&symbol, &clock)))).collect() })
    })
}

fn scripted(vendors: &[&str]) -> ScriptedService {
    let keyed = ["finnhub", "tiingo", "twelvedata"];
    let section = |name: &&str| {
        let key = if keyed.contains(name) { "key = \"k\"\n" } else { "" };
        format!("[sources.{name}]\n{key}")
    };
    let sources: String = vendors.iter().map(section).collect();
    ScriptedService::new(
        &format!("{FUNDS}{sources}"),
        &Clock::starting_at("2026-11-19T15:00:00Z".parse().unwrap()),
        replying,
    )
}

/// How many symbols of each kind have a price.
fn priced(answer: &Answer) -> BTreeMap<&'static str, usize> {
    let has_price =
        |name: &&&str| answer.prices().iter().any(|price| price.symbol.as_str() == **name && price.folded.is_some());
    PORTFOLIO.iter().map(|(kind, names)| (*kind, names.iter().filter(has_price).count())).collect()
}

/// Asks for the portfolio, as a client does that polls without a pause.
async fn ask(scripted: &ScriptedService) -> (usize, BTreeMap<&'static str, usize>) {
    let names: Vec<&str> = PORTFOLIO.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    assert_eq!(names.len(), 40);
    let start = Instant::now();
    let answer = scripted.ask(&format!("symbols={}&currency=EUR&timeout=10s", names.join(","))).await;
    assert!(start.elapsed() <= Duration::from_secs(10));
    let of_each = priced(&answer);
    let all = of_each.values().sum();
    println!("{all} of 40 after {:?}: {of_each:?}", start.elapsed());
    (all, of_each)
}

#[tokio::test(start_paused = true)]
async fn six_free_vendors_price_forty_symbols_in_euros_at_once() {
    let scripted = scripted(&["coingecko", "finnhub", "frankfurter", "kraken", "twelvedata", "yahoo"]);
    // finnhub serves the American shares, yahoo the funds, and yahoo and twelvedata the listings abroad, within ten
    // seconds
    let (all, of_each) = ask(&scripted).await;
    assert_eq!(all, 40, "{of_each:?}");
}

#[tokio::test(start_paused = true)]
async fn without_an_unofficial_vendor_eight_units_a_minute_decide_what_is_priced() {
    let scripted = scripted(&["coingecko", "finnhub", "frankfurter", "kraken", "tiingo", "twelvedata"]);
    // no source has the funds; only twelvedata has the ten listings abroad, and its limit a minute allows eight
    let (all, of_each) = ask(&scripted).await;
    assert_eq!(all, 35, "{of_each:?}");
    let (second, of_each) = ask(&scripted).await;
    assert!(second >= 35, "{of_each:?}");
    sleep(Duration::from_secs(60)).await;
    let (third, of_each) = ask(&scripted).await;
    assert_eq!(third, 37, "all but the funds: {of_each:?}");
}

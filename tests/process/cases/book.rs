//! Which price of a quote counts: an old trade beside a live book, a book that does not count, a dead market.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;

use super::{Case, assert_priced, verdict};

/// The quote of a source in an entry.
fn quote<'e>(entry: &'e Value, source: &str) -> &'e Value {
    let quotes = entry["quotes"].as_array().unwrap();
    quotes.iter().find(|quote| quote["source"] == source).unwrap_or_else(|| panic!("no quote of {source}: {entry:#}"))
}

/// Some fields of a quote, as text.
fn fields<'e, const N: usize>(quote: &'e Value, names: [&str; N]) -> [Option<&'e str>; N] {
    names.map(|name| quote[name].as_str())
}

#[test]
fn an_old_trade_far_from_its_book_is_no_disagreement() {
    let case = Case::of_own(
        "crypto",
        &[("a", r#"{"p":"105","b":"99.99","a":"100.01"}"#), ("b", r#"{"p":"100","b":"99.99","a":"100.01"}"#)],
    );
    let entry = case.entry("BTC-USD");
    assert_priced(&entry, Some("100"), Some("USD"), "ok");
    assert_eq!(
        fields(quote(&entry, "a"), ["price", "basis", "last", "book"]).map(Option::unwrap),
        ["100", "middle", "105", "counts"]
    );
    assert_eq!(
        fields(quote(&entry, "b"), ["price", "basis", "last", "book"]).map(Option::unwrap),
        ["100", "last", "100", "counts"]
    );
    assert_eq!(entry["rule"]["book_within"], "2%");
}

#[test]
fn two_old_trades_that_agree_do_not_outweigh_the_live_book() {
    let case = Case::of_own(
        "crypto",
        &[("a", r#"{"p":"101.5","b":"99.99","a":"100.01"}"#), ("b", r#"{"p":"101.5","b":"99.99","a":"100.01"}"#)],
    );
    assert_priced(&case.entry("BTC-USD"), Some("100"), Some("USD"), "ok");
}

#[test]
fn a_majority_of_old_trades_does_not_make_an_outlier_of_the_honest_one() {
    let case = Case::of_own(
        "crypto",
        &[
            ("a", r#"{"p":"1.046","b":"0.9993","a":"0.9995"}"#),
            ("b", r#"{"p":"1.047","b":"0.9993","a":"0.9995"}"#),
            ("c", r#"{"p":"0.9994","b":"0.9993","a":"0.9995"}"#),
        ],
    );
    let entry = case.entry("USDT-USD");
    assert_priced(&entry, Some("0.9994"), Some("USD"), "ok");
    assert_eq!(["a", "b", "c"].map(|source| verdict(&entry, source)), ["used"; 3]);
}

#[test]
fn a_trade_just_outside_its_book_gives_way_to_the_nearer_side() {
    let case = Case::of_own(
        "crypto",
        &[
            ("a", r#"{"p":"0.004924","b":"0.00482","a":"0.004913"}"#),
            ("b", r#"{"p":"0.004913","b":"0.00482","a":"0.004913"}"#),
        ],
    );
    let entry = case.entry("HEMI-USD");
    assert_priced(&entry, Some("0.004913"), Some("USD"), "ok");
    assert_eq!(quote(&entry, "a")["basis"], "side");
}

#[test]
fn books_that_prove_nothing_are_shown_as_stated_with_the_reason() {
    let case = Case::of_own(
        "fx",
        &[
            ("a", r#"{"p":"1.336","b":"1.31418","a":"1.35792"}"#),
            ("b", r#"{"p":"1.336","b":"1.337","a":"1.335"}"#),
            ("c", r#"{"p":"1.3361","a":"1.3362"}"#),
            ("d", r#"{"p":"1.3361"}"#),
        ],
    );
    let entry = case.entry("GBP-USD");
    assert_priced(&entry, Some("1.33605"), Some("USD"), "ok");
    let shown = ["a", "b", "c", "d"].map(|source| fields(quote(&entry, source), ["bid", "ask", "book", "basis"]));
    let last = Some("last");
    assert_eq!(shown[0], [Some("1.31418"), Some("1.35792"), Some("wide"), last]);
    assert_eq!(shown[1], [Some("1.337"), Some("1.335"), Some("crossed"), last]);
    assert_eq!(shown[2], [None, Some("1.3362"), Some("one_sided"), last]);
    assert_eq!(shown[3], [None, None, None, last]);
    // nor do they count in `plus_minus`
    assert_eq!(entry["plus_minus"], "0.00005");
}

#[test]
fn the_book_before_hours_does_not_overrule_the_close() {
    let source = |name: &str| {
        format!(
            "[sources.{name}]\nclasses = [\"equity\"]\nurl = \"http://VENDORS/{name}/{{symbol}}\"\n\
             jq = \"{{price: .p, bid: .b, ask: .a, session: .s}}\"\n"
        )
    };
    let configuration = source("a") + &source("b");
    let says = |session: &'static str| {
        Case::new(&configuration, move |call| {
            call.json(&format!(r#"{{"p":"347.02","b":"335.80","a":"337.00","s":"{session}"}}"#))
        })
    };
    for session in ["closed", "pre", "post"] {
        let entry = says(session).entry("ADBE");
        assert_priced(&entry, Some("347.02"), Some("USD"), "ok");
        assert_eq!(fields(quote(&entry, "a"), ["book", "basis"]), [Some("other_session"), Some("last")]);
    }
    let entry = says("regular").entry("ADBE");
    assert_priced(&entry, Some("336.4"), Some("USD"), "ok");
    assert_eq!(entry["rule"]["book_within"], "1%");
}

/// The Unix time of this many seconds ago.
fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Sources that state the time of the trade and that of the book, both in seconds before now.
fn timed(says: &'static [(&'static str, &'static str, i64, i64)]) -> Case {
    let jq = "{price: .p, bid: .b, ask: .a, at: .t, book_at: .bt}";
    let sources = says.iter().map(|(name, ..)| {
        format!("[sources.{name}]\nclasses = [\"crypto\"]\nurl = \"http://VENDORS/{name}/{{symbol}}\"\njq = \"{jq}\"\n")
    });
    Case::new(&sources.collect::<String>(), |call| {
        let name = super::source_of(call);
        let (_, price, trade, book) = says.iter().find(|(source, ..)| *source == name).unwrap();
        let (trade, book) = (now() - trade, now() - book);
        call.json(&format!(r#"{{"p":"{price}","b":"99.99","a":"100.01","t":{trade},"bt":{book}}}"#))
    })
}

#[test]
fn a_price_of_the_book_is_as_old_as_the_book_and_an_older_book_gives_none() {
    const TEN_DAYS: i64 = 10 * 24 * 3600;
    // an hour is far older than `usable_for`
    let entry = timed(&[("a", "105", 3600, 1), ("b", "100", 3600, 1)]).entry("BTC-USD");
    assert_priced(&entry, Some("100"), Some("USD"), "ok");
    let a = quote(&entry, "a");
    assert_eq!(a["observed_at"], a["book_at"]);
    assert!(a["last_at"].as_str() < a["book_at"].as_str(), "{a:#}");
    let entry = timed(&[("a", "105", 1, TEN_DAYS), ("b", "105", 1, TEN_DAYS)]).entry("BTC-USD");
    assert_priced(&entry, Some("105"), Some("USD"), "ok");
    assert_eq!(quote(&entry, "a")["book"], "older");
    let entry = timed(&[("a", "105", TEN_DAYS, TEN_DAYS), ("b", "100", TEN_DAYS, TEN_DAYS)]).entry("BTC-USD");
    assert_priced(&entry, None, Some("USD"), "unavailable / all_stale");
}

#[test]
fn an_inverse_price_is_weighed_as_it_is_stated() {
    let sources = ["a", "b"].map(|name| {
        format!(
            "[sources.{name}]\nclasses = [\"crypto\"]\nurl = \"http://VENDORS/{name}/{{symbol}}\"\n\
             jq = \"{{price: .p, bid: .b, ask: .a, inverse: true}}\"\n"
        )
    });
    let case = Case::new(&sources.concat(), |call| call.json(r#"{"p":"105","b":"99","a":"101"}"#));
    let entry = case.entry("BTC-USD");
    assert_priced(&entry, Some("0.01"), Some("USD"), "ok");
    assert_eq!(quote(&entry, "a")["inverse"], true);
}

#[test]
fn a_quote_is_weighed_before_it_is_derived() {
    let source = |name: &str, currency: &str| {
        format!(
            "[sources.{name}]\nclasses = [\"crypto\"]\ncurrencies = [\"{currency}\"]\n\
             url = \"http://VENDORS/{name}/{{symbol}}\"\njq = \"{{price: .p, bid: .b, ask: .a}}\"\n"
        )
    };
    let all = [("a", "USDT"), ("b", "USDT"), ("c", "USD"), ("d", "USD")];
    let sources: String = all.iter().map(|(name, currency)| source(name, currency)).collect();
    let case = Case::new(&sources, |call| match call.target().rsplit('/').next() {
        Some("BTC-USDT") => call.json(r#"{"p":"63000","b":"59990","a":"60010"}"#),
        Some("USDT-USD") => call.json(r#"{"p":"1.05","b":"0.999","a":"1.001"}"#),
        _ => call.json(r#"{"p":"60000"}"#),
    });
    let entry = case.entry("BTC-USD");
    assert_priced(&entry, Some("60000"), Some("USD"), "ok");
    let a = quote(&entry, "a");
    let shown = fields(a, ["price", "last", "bid", "ask", "basis", "book"]).map(Option::unwrap);
    assert_eq!(shown, ["60000", "63000", "59990", "60010", "middle", "counts"], "{a:#}");
}

/// `bybit`, `htx` and `kucoin` as the catalogue describes them, with these replies about GLEEC-USDT.
fn exchanges(bybit: &'static str, htx: &'static str, kucoin: &'static str) -> Value {
    let sources =
        ["bybit", "htx", "kucoin"].map(|name| format!("[sources.{name}]\nbase_url = \"http://VENDORS/{name}\"\n"));
    let case = Case::new(&sources.concat(), move |call| {
        let body = match super::source_of(call) {
            "bybit" => bybit,
            "htx" => htx,
            _ => kucoin,
        };
        let milliseconds = (now() * 1000).to_string();
        call.json(&body.replace("NOW", &milliseconds))
    });
    case.entry("GLEEC-USDT")
}

const DEAD_BYBIT: &str = r#"{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[{"symbol":"GLEECUSDT","bid1Price":"","bid1Size":"","ask1Price":"","ask1Size":"","lastPrice":"7","prevPrice24h":"7","volume24h":"0","turnover24h":"0"}]},"retExtInfo":{},"time":NOW}"#;
const DEAD_HTX: &str = r#"{"status":"ok","ch":"market.gleecusdt.detail.merged","ts":NOW,"tick":{"amount":0.0,"open":7.01,"close":7.01,"high":7.01,"id":1,"count":0,"low":7.01,"version":1,"ask":[0.0,0.0],"vol":0.0,"bid":[0.0,0.0]}}"#;
const LIVE_KUCOIN: &str = r#"{"code":"200000","data":{"time":NOW,"symbol":"GLEEC-USDT","buy":"3.99","sell":"4.01","vol":"1204.5","volValue":"4818","last":"4"}}"#;

#[test]
fn dead_markets_do_not_outvote_a_live_one() {
    let entry = exchanges(DEAD_BYBIT, DEAD_HTX, LIVE_KUCOIN);
    // the other two no longer cover it
    assert_priced(&entry, Some("4"), Some("USDT"), "degraded / few_sources");
    let verdicts = ["bybit", "htx", "kucoin"].map(|source| verdict(&entry, source));
    assert_eq!(verdicts, ["excluded / no_market", "excluded / no_market", "used"], "{entry:#}");
    assert_eq!(entry["rule"]["covering"], 1);
    // the time of the reply is not that of a trade
    assert_eq!(fields(quote(&entry, "bybit"), ["observed_at", "last_at"]), [None, None]);
    let why = quote(&entry, "bybit")["detail"].as_str().unwrap();
    assert_eq!(why, "it has no bids, no asks and a volume of 0: nothing is traded there");
}

#[test]
fn if_every_market_is_dead_there_is_no_price() {
    const DEAD_KUCOIN: &str =
        r#"{"code":"200000","data":{"time":NOW,"symbol":"GLEEC-USDT","buy":null,"sell":null,"vol":"12.5","last":"7"}}"#;
    let entry = exchanges(DEAD_BYBIT, DEAD_HTX, DEAD_KUCOIN);
    assert_priced(&entry, None, Some("USDT"), "unavailable / no_quorum");
    assert_eq!(verdict(&entry, "kucoin"), "excluded / no_market");
    let detail = entry["detail"].as_str().unwrap();
    assert!(detail.starts_with("0 of 2 required sources gave a usable price; bybit: it has no bids"), "{detail}");
}

#[test]
fn a_market_that_says_it_is_halted_does_not_vote_in_any_class() {
    let sources = ["a", "b", "c"].map(|name| {
        format!(
            "[sources.{name}]\nclasses = [\"equity\"]\nurl = \"http://VENDORS/{name}/{{symbol}}\"\n\
             jq = \"{{price: .p, market: .m}}\"\n"
        )
    });
    for word in ["halted", "cancel_only", "delisted"] {
        let case = Case::new(&sources.concat(), move |call| match super::source_of(call) {
            "a" => call.json(&format!(r#"{{"p":"12.00","m":"{word}"}}"#)),
            _ => call.json(r#"{"p":"10.00","m":"open"}"#),
        });
        let entry = case.entry("ZZZ");
        assert_priced(&entry, Some("10"), Some("USD"), "ok");
        assert_eq!(verdict(&entry, "a"), "excluded / no_market");
    }
    let case = Case::new(&sources.concat(), |call| call.json(r#"{"p":"10.00","m":"TRADING"}"#));
    let quote = case.entry("ZZZ");
    assert_eq!(verdict(&quote, "a"), "failed / malformed");
}

#[test]
fn a_coin_whose_sources_have_no_book_is_not_taken_for_dead() {
    // the filter of these reads bid and ask, which are in none of their replies
    let case = Case::of_own("crypto", &[("a", r#"{"p":"40.1"}"#), ("b", r#"{"p":"40.2","v":"7"}"#)]);
    assert_priced(&case.entry("BTC-USD"), Some("40.15"), Some("USD"), "ok");
    // a market without orders and trades is dead
    let case = Case::of_own(
        "crypto",
        &[
            ("a", r#"{"p":"40.1","b":"","a":"","v":"7"}"#),
            ("b", r#"{"p":"40.2","b":0,"a":0,"v":0}"#),
            ("c", r#"{"p":"43","b":"42.9","a":"43.1"}"#),
            ("d", r#"{"p":"43"}"#),
        ],
    );
    let entry = case.entry("BTC-USD");
    assert_priced(&entry, Some("43"), Some("USD"), "ok");
    assert_eq!(["a", "b"].map(|source| verdict(&entry, source)), ["excluded / no_market"; 2]);
    // for shares, this is normal at night
    let case =
        Case::of_own("equity", &[("a", r#"{"p":"40.1","b":"","a":"","v":0}"#), ("b", r#"{"p":"40.2","b":0,"a":0}"#)]);
    assert_priced(&case.entry("AAPL"), Some("40.15"), Some("USD"), "ok");
}

/// A number of an entry or a quote.
fn number(of: &Value, field: &str) -> Option<Decimal> {
    of[field].as_str().map(|text| text.parse().unwrap_or_else(|_| panic!("{field}: {of:#}")))
}

/// The price of a quote, by what the quote itself shows and the rule.
fn recomputed(quote: &Value) -> Option<Decimal> {
    let (last, bid, ask) = (number(quote, "last"), number(quote, "bid"), number(quote, "ask"));
    let middle = bid.zip(ask).map(|(bid, ask)| (bid + ask) / Decimal::TWO);
    let Some(last) = last else { return middle };
    if quote["book"] != "counts" {
        return Some(last);
    }
    let (bid, ask) = bid.zip(ask)?;
    let nearest = last.clamp(bid, ask);
    if (last - nearest).abs() <= ask - bid { Some(nearest) } else { middle }
}

#[test]
fn the_price_can_be_recomputed_from_the_answer() {
    let case = Case::of_own(
        "crypto",
        &[
            ("a", r#"{"p":"105","b":"99.98","a":"100.06"}"#),
            ("b", r#"{"p":"100.1","b":"99.99","a":"100.05"}"#),
            ("c", r#"{"p":"100.02","b":"100.01","a":"100.03"}"#),
            ("d", r#"{"b":"99.97","a":"100.09"}"#),
            ("e", r#"{"p":"100.04","b":"95","a":"105"}"#),
        ],
    );
    let entry = case.entry("BTC-USD");
    let used: Vec<&Value> =
        entry["quotes"].as_array().unwrap().iter().filter(|quote| quote["status"] == "used").collect();
    assert_eq!(used.len(), 5, "{entry:#}");
    let mut prices: Vec<Decimal> = used.iter().map(|quote| recomputed(quote).unwrap()).collect();
    for (quote, price) in used.iter().zip(&prices) {
        assert_eq!(number(quote, "price"), Some(*price), "{quote:#}");
    }
    prices.sort_unstable();
    let price = prices[2];
    assert_eq!(number(&entry, "price"), Some(price));
    let mut votes: Vec<Decimal> = used
        .iter()
        .flat_map(|quote| {
            let price = number(quote, "price").unwrap();
            let book = number(quote, "bid").zip(number(quote, "ask")).filter(|_| quote["book"] == "counts");
            book.map_or([price; 3], |(bid, ask)| [bid, price, ask])
        })
        .collect();
    votes.sort_unstable();
    let quarter = votes.len() / 4;
    let ends = [votes[quarter], votes[votes.len() - 1 - quarter]];
    let plus_minus = ends.map(|vote| (vote - price).abs()).into_iter().max();
    assert_eq!(number(&entry, "plus_minus"), plus_minus);
}

//! What a query may contain, and how it is refused.

use super::*;
use crate::clock::Clock;

fn bounds() -> Bounds {
    Bounds {
        max_symbols: 3,
        timeout: Duration::from_secs(2),
        max_timeout: Duration::from_secs(10),
        sources: vec!["alpha".to_owned(), "beta".to_owned()],
    }
}

fn ask(query: &str) -> Result<Question, BadQuestion> {
    Question::parse(query, &bounds(), Clock::system().now())
}

#[tokio::test]
async fn symbols_are_answered_once_in_the_order_of_their_first_mention() {
    let question = ask("symbols=btc-usd,AAPL%2Caapl,BRK-B").unwrap();
    assert_eq!(question.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["BTC-USD", "AAPL", "BRK.B"]);
    assert_eq!(question.renamed["BRK-B"].as_str(), "BRK.B");
    assert_eq!(question.renamed.len(), 3);
}

#[tokio::test]
async fn a_query_is_refused_by_the_name_of_the_wrong_parameter() {
    let refused = [
        ("", "symbols"),
        ("symbols=", "symbols"),
        ("symbols=AAPL,,MSFT", "symbols"),
        ("symbols=A,B,C,D", "symbols"),
        ("symbols=%00", "symbols"),
        ("symbols=%FF", "symbols"),
        ("symbols=A+B", "symbols"),
        ("symbols=isin:US0378331005", "symbols"),
        ("symbols=A&symbols=B", "symbols"),
        ("symbols=A&timout=1s", "timout"),
        ("symbols=A&timeout=", "timeout"),
        ("symbols=A&timeout=49ms", "timeout"),
        ("symbols=A&timeout=11s", "timeout"),
        ("symbols=A&refresh_after=soon", "refresh_after"),
        ("symbols=A&max_age=-1s", "max_age"),
        ("symbols=A&require=maybe", "require"),
        ("symbols=A&sources=gamma", "sources"),
        ("symbols=A&sources=", "sources"),
        ("symbols=A&quotes=no", "quotes"),
        ("symbols=A&currency=DOLLARS", "currency"),
    ];
    for (query, field) in refused {
        assert_eq!(ask(query).unwrap_err().field, field, "{query}");
    }
    assert_eq!(ask(&format!("symbols=A&{}", "x".repeat(5000))).unwrap_err().field, "query");
}

#[tokio::test]
async fn a_form_is_read_like_a_query_and_may_be_as_long_as_its_symbols_need() {
    let read = |form: &str| Question::parse_form(form, &bounds(), Clock::system().now());
    let question = read("symbols=btc-usd%2CAAPL&timeout=600ms").unwrap();
    assert_eq!((question.symbols.len(), question.timeout), (2, Duration::from_millis(600)));
    assert_eq!(read("").unwrap_err().field, "symbols");
    assert_eq!(read("%FF=1").unwrap_err().field, "form");
    let longest = longest_form(bounds().max_symbols);
    assert_eq!(longest, 4396);
    let padded = |length: usize| format!("symbols=A{}", "&".repeat(length - "symbols=A".len()));
    assert!(read(&padded(longest)).is_ok());
    assert_eq!(read(&padded(longest + 1)).unwrap_err().field, "form");
    assert!(ask(&padded(LONGEST_QUERY)).is_ok());
    assert!(
        ask(&padded(LONGEST_QUERY + 1))
            .unwrap_err()
            .detail
            .ends_with("send a longer list as a form, with POST /prices")
    );
}

#[tokio::test]
async fn a_parameter_that_is_left_out_has_its_default() {
    let question = ask("symbols=AAPL").unwrap();
    assert_eq!((question.timeout, question.require, question.quotes), (Duration::from_secs(2), Require::Any, true));
    assert!(question.sources.is_none() && question.lets_in("beta") && question.renamed.is_empty());
    let question = ask("symbols=AAPL&sources=beta&refresh_after=0s&quotes=false&require=ok&timeout=600ms").unwrap();
    assert!(!question.lets_in("alpha") && question.refresh_after == Some(Duration::ZERO) && !question.quotes);
    assert_eq!(question.deadline() - question.arrived.monotonic, Duration::from_millis(600));
}

#[tokio::test]
async fn with_a_symbol_in_the_path_the_query_may_not_name_symbols() {
    let now = Clock::system().now();
    assert_eq!(Question::parse_one("btc-usd", "", &bounds(), now).unwrap().symbols[0].as_str(), "BTC-USD");
    assert_eq!(Question::parse_one("A", "symbols=B", &bounds(), now).unwrap_err().field, "symbols");
    assert_eq!(Question::parse_one("A,B", "", &bounds(), now).unwrap_err().field, "symbol");
    assert_eq!(Question::parse_one("-", "", &bounds(), now).unwrap_err().field, "symbol");
}

#[tokio::test]
async fn a_currency_is_one_of_iso_4217_or_a_coin_that_is_used_like_one() {
    for (text, code) in [("EUR", "EUR"), ("eur", "EUR"), ("usdt", "USDT"), ("BTC", "BTC")] {
        let question = ask(&format!("symbols=A&currency={text}")).unwrap();
        assert_eq!(question.currency.unwrap().as_str(), code);
    }
    for (wrong, says) in
        [("GBp", "ask for GBP"), ("GBX", "ask for GBP"), ("ILA", "ask for ILS"), ("PEPE", "EUR"), ("", "EUR")]
    {
        let error = ask(&format!("symbols=A&currency={wrong}")).unwrap_err();
        assert!(error.field == "currency" && error.detail.contains(says), "{wrong}: {}", error.detail);
    }
}

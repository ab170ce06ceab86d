//! What a query may contain, and how it is refused.

use super::*;
use crate::clock::Clock;

fn bounds() -> Bounds {
    Bounds { max_symbols: 3, sources: vec!["alpha".to_owned(), "beta".to_owned()], ..Bounds::default() }
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
async fn a_list_that_repeats_its_name_is_one_list() {
    let symbols = |query: &str| ask(query).unwrap().symbols;
    for query in ["symbols=AAPL&symbols=MSFT", "symbols=AAPL&timeout=1s&symbols=MSFT", "symbols=AAPL&symbols=MSFT,AAPL"]
    {
        assert_eq!(symbols(query), symbols("symbols=AAPL,MSFT"), "{query}");
    }
    assert_eq!(symbols("symbols=CCIV+&symbols=AAPL"), symbols("symbols=CCIV+,AAPL"));
    let sources = |query: &str| ask(&format!("symbols=AAPL&{query}")).unwrap().sources;
    assert_eq!(sources("sources=beta&sources=alpha"), sources("sources=beta,alpha"));
    assert_eq!(sources("sources=beta&quotes=false&sources=alpha,beta"), sources("sources=beta,alpha"));
    let in_path = Question::parse_one("AAPL", "sources=alpha&sources=beta", &bounds(), Clock::system().now()).unwrap();
    assert_eq!(in_path.sources, sources("sources=alpha,beta"));
    for (query, meant) in [
        ("symbols[]=AAPL&symbols[]=MSFT", "symbols=AAPL,MSFT, or symbols=AAPL&symbols=MSFT"),
        ("symbols=AAPL&sources[0]=beta", "sources=kraken,coinbase, or sources=kraken&sources=coinbase"),
    ] {
        let refused = ask(query).unwrap_err();
        assert!(refused.detail.ends_with(&format!("; write {meant}")), "{refused}");
    }
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
        ("symbols=A%0AB", "symbols"),
        ("symbols=AAPL,NOT%20A%1BSYMBOL", "symbols"),
        ("symbols=,", "symbols"),
        ("symbols=+", "symbols"),
        ("symbols=%20,AAPL", "symbols"),
        ("symbols=A,!,B,?", "symbols"),
        ("symbols=A&timeout=1s&timeout=1s", "timeout"),
        ("symbols[]=A&symbols[]=B", "symbols[]"),
        ("symbols=A&symbols=B,,C", "symbols"),
        ("symbols=A&format=xml", "format"),
        ("symbols=A&timout=1s", "timout"),
        ("symbols=A&timeout=", "timeout"),
        ("symbols=A&timeout=49ms", "timeout"),
        ("symbols=A&timeout=11s", "timeout"),
        ("symbols=A&wait=", "wait"),
        ("symbols=A&wait=0", "wait"),
        ("symbols=A&wait=fast", "wait"),
        ("symbols=A&wait=-1s", "wait"),
        ("symbols=A&wait=Quorum", "wait"),
        ("symbols=A&wait=150", "wait"),
        ("symbols=A&wait=11s", "wait"),
        ("symbols=A&refresh=", "refresh"),
        ("symbols=A&refresh=never", "refresh"),
        ("symbols=A&refresh=background&refresh_after=0s", "refresh"),
        ("symbols=A&refresh=background&refresh_after=0ms", "refresh"),
        ("symbols=A&max_age=1h&refresh=background", "refresh"),
        ("symbols=A&refresh_after=soon", "refresh_after"),
        ("symbols=A&max_age=-1s", "max_age"),
        ("symbols=A&require=maybe", "require"),
        ("symbols=A&sources=gamma", "sources"),
        ("symbols=A&sources=", "sources"),
        ("symbols=A&sources=&sources=alpha", "sources"),
        ("symbols=A&sources=alpha&sources=gamma", "sources"),
        ("symbols=A&currency=EUR&currency=EUR", "currency"),
        ("symbols=A&quotes=no", "quotes"),
        ("symbols=A&currency=DOLLARS", "currency"),
    ];
    for (query, field) in refused {
        assert_eq!(ask(query).unwrap_err().field, field, "{query}");
    }
    assert_eq!(ask(&format!("symbols=A&{}", "x".repeat(5000))).unwrap_err().field, "query");
}

#[tokio::test]
async fn what_is_not_understood_has_its_place_and_costs_the_others_nothing() {
    let question = ask("symbols=AAPL,not%20a%20symbol,btc-usd").unwrap();
    assert_eq!(question.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["AAPL", "BTC-USD"]);
    let [not] = question.not_symbols.as_slice() else { panic!("{question:?}") };
    assert_eq!((not.place, not.text.as_str()), (1, "not a symbol"));
    assert!(not.detail.starts_with("\"not a symbol\" is not spelled like a symbol"), "{}", not.detail);
    // each text once, and only its beginning; all of them count
    let question = ask("symbols=??,AAPL,??,aapl").unwrap();
    assert_eq!((question.symbols.len(), question.not_symbols.len()), (1, 1));
    let question = ask(&format!("symbols={}", "é".repeat(100))).unwrap();
    assert_eq!((question.symbols.len(), question.not_symbols[0].text.chars().count()), (0, 64));
    assert!(ask("symbols=!,?,AAPL,MSFT").unwrap_err().detail.contains("more than 3"));
}

#[tokio::test]
async fn white_space_around_a_symbol_is_no_part_of_it() {
    for query in ["symbols=AAPL,+MSFT", "symbols=%20AAPL%20,%09MSFT", "symbols=AAPL%2C+MSFT", "symbols=AAPL+%2C+MSFT"] {
        let question = ask(query).unwrap();
        assert_eq!(question.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["AAPL", "MSFT"], "{query}");
        assert!(question.renamed.is_empty(), "{query}");
    }
    assert_eq!(ask("symbols=A+B").unwrap().not_symbols[0].text, "A B");
}

#[tokio::test]
async fn a_plus_at_the_end_of_a_symbol_is_the_sign_of_a_warrant() {
    for query in ["symbols=CCIV+", "symbols=CCIV%2B", "symbols=CCIV+,AAPL", "symbols=AAPL,+CCIV+", "symbols=CCIV%2B+"] {
        let question = ask(query).unwrap();
        assert!(question.symbols.iter().any(|symbol| symbol.as_str() == "CCIV-WT"), "{query}: {question:?}");
        assert_eq!(question.renamed["CCIV+"].as_str(), "CCIV-WT", "{query}");
    }
    assert_eq!(ask("symbols=BAC+PR+L").unwrap().symbols[0].as_str(), "BAC-PL");
}

#[tokio::test]
async fn a_plus_is_a_space_in_a_list_whose_commas_are_escaped() {
    // as forms and libraries write what was typed with a space at its end
    for query in ["symbols=AAPL%2C+MSFT+", "symbols=AAPL+%2cMSFT++", "symbols=+AAPL%2CMSFT+&quotes=true"] {
        let question = ask(query).unwrap();
        assert_eq!(question.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["AAPL", "MSFT"], "{query}");
        assert!(question.renamed.is_empty(), "{query}");
    }
    assert_eq!(ask("symbols=AAPL%2CCCIV%2B+").unwrap().symbols[1].as_str(), "CCIV-WT");
}

#[tokio::test]
async fn an_ampersand_that_splits_a_symbol_says_how_to_write_it() {
    let bad = ask("symbols=M&M.NS").unwrap_err();
    assert!(bad.field == "M.NS" && bad.detail.contains("write %26"), "{}", bad.detail);
    assert!(!ask("symbols=M&timout=1s").unwrap_err().detail.contains("%26"));
    assert_eq!(ask("symbols=M%26M.NS").unwrap().symbols[0].as_str(), "M&M.NS");
}

#[tokio::test]
async fn a_name_that_the_user_defined_is_understood_and_no_other() {
    let own = Symbol::named("WORLD2").unwrap();
    let bounds = Bounds { names: Names::among([&own]), ..bounds() };
    let question = Question::parse("symbols=world2,WORLD3", &bounds, Clock::system().now()).unwrap();
    assert_eq!((question.symbols.as_slice(), question.renamed["world2"].as_str()), ([own].as_slice(), "WORLD2"));
    assert!(question.not_symbols[0].detail.ends_with("did you mean WORLD2?"), "{:?}", question.not_symbols);
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
    assert_eq!(question.wait, WaitFor::All);
    assert_eq!((question.timeout, question.require, question.quotes), (Duration::from_secs(2), Require::Any, true));
    assert!(question.sources.is_none() && question.lets_in("beta") && question.renamed.is_empty());
    let question = ask("symbols=AAPL&sources=beta&refresh_after=0s&quotes=false&require=ok&timeout=600ms").unwrap();
    assert!(!question.lets_in("alpha") && question.refresh_after == Some(Duration::ZERO) && !question.quotes);
    assert_eq!(question.deadline() - question.arrived.monotonic, Duration::from_millis(600));
}

#[tokio::test]
async fn how_long_to_wait_is_read_like_the_server_states_it() {
    let quorum = |after| WaitFor::Quorum(Duration::from_millis(after));
    for (text, wait) in [("all", WaitFor::All), ("quorum", quorum(0)), ("0s", quorum(0)), ("150ms", quorum(150))] {
        assert_eq!(ask(&format!("symbols=A&wait={text}")).unwrap().wait, wait, "{text}");
        assert_eq!(
            Question::parse_one("A", &format!("wait={text}"), &bounds(), Clock::system().now()).unwrap().wait,
            wait
        );
        assert_eq!(WaitFor::try_from(wait.to_string()), Ok(wait));
    }
    let impatient = Bounds { wait: quorum(0), ..bounds() };
    let read = |form| Question::parse_form(form, &impatient, Clock::system().now()).unwrap().wait;
    assert_eq!((read("symbols=A"), read("symbols=A&wait=all")), (quorum(0), WaitFor::All));
}

#[tokio::test]
async fn with_a_symbol_in_the_path_the_query_may_not_name_symbols() {
    let now = Clock::system().now();
    assert_eq!(Question::parse_one("btc-usd", "", &bounds(), now).unwrap().symbols[0].as_str(), "BTC-USD");
    assert_eq!(Question::parse_one("A", "symbols=B", &bounds(), now).unwrap_err().field, "symbols");
    assert_eq!(Question::parse_one("A,B", "", &bounds(), now).unwrap_err().field, "symbol");
    assert_eq!(Question::parse_one("-", "", &bounds(), now).unwrap().not_symbols[0].text, "-");
    assert_eq!(Question::parse_one("", "", &bounds(), now).unwrap_err().field, "symbol");
    assert_eq!(Question::parse_one("CCIV+", "", &bounds(), now).unwrap().symbols[0].as_str(), "CCIV-WT");
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

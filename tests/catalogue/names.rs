//! No source is asked for one thing by the name it has for another.

use quotefold::symbol::{Class, Symbol};

use crate::providers;

#[test]
fn no_two_pairs_have_one_name_at_a_source() {
    let quotes =
        "USD BUSD TUSD GUSD FDUSD USDT SUSDT EUR AEUR EURT BTC WBTC ETH STETH WETH GBP TRY KRW DAI JPY".split(' ');
    let quotes: Vec<&str> = quotes.collect();
    let endings = quotes.iter().flat_map(|long| quotes.iter().map(move |short| (*long, *short)));
    for (long, short) in endings {
        let Some(start) = long.strip_suffix(short).filter(|start| !start.is_empty()) else { continue };
        let pairs = [format!("AR-{long}"), format!("AR{start}-{short}")].map(|pair| Symbol::parse(&pair).unwrap());
        for (source, extractor) in providers() {
            let spelled = |pair: &Symbol| {
                let spelling = extractor.spelling();
                spelling.covers(pair, pair.class()).then(|| spelling.spell(pair, pair.class())).flatten()
            };
            let [one, other] = pairs.each_ref().map(spelled);
            assert!(one.is_none() || one != other, "{} calls {pairs:?} {one:?}", source.name);
        }
    }
}

#[test]
fn what_a_source_calls_a_coin_is_no_name_of_another() {
    let mut names = 0;
    for (source, extractor) in providers() {
        let taken = source.rename.values().filter(|theirs| !source.rename.contains_key(*theirs));
        for pair in taken.flat_map(|theirs| ["USD", "USDT", "EUR"].map(|quote| format!("{theirs}-{quote}"))) {
            let pair = Symbol::parse(&pair).unwrap();
            names += 1;
            assert!(!extractor.spelling().covers(&pair, pair.class()), "{} is asked for {pair}", source.name);
        }
    }
    assert!(names > 30, "{names}");
}

#[test]
fn a_ticker_is_not_asked_of_a_source_that_takes_it_for_a_pair() {
    let (_, fmp) = providers().into_iter().find(|(source, _)| source.name == "fmp").unwrap();
    let covers = |text: &str| fmp.spelling().covers(&Symbol::parse(text).unwrap(), Class::Equity);
    assert!(["AAPL", "USD", "MUSA"].into_iter().all(covers));
    assert!(!["EURUSD", "BTCUSD", "AUSD", "XEUR"].into_iter().any(covers));
}

//! No source is asked for one thing by its name for another.

use quotefold::profile::Profile;
use quotefold::route::Route;
use quotefold::settings::Settings;
use quotefold::settings::load::{LoadOptions, load};
use quotefold::symbol::{Class, Currency, Symbol};

use crate::providers;

/// Every code of ISO 4217.
fn moneys() -> Vec<String> {
    let letters = || b'A'..=b'Z';
    let words = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
    let codes = words.map(|word| String::from_utf8(word.to_vec()).unwrap());
    codes.filter(|code| Currency::new(code).is_fx()).collect()
}

/// Settings with every provider of the catalogue switched on.
fn everything() -> Settings {
    let keys = providers().into_iter().flat_map(|(source, _)| source.key_from);
    let environment = keys.map(|key| (key, "simulated".to_owned())).collect();
    load(&LoadOptions { environment, unofficial: true, ..LoadOptions::default() }).unwrap()
}

/// Whether a route asks its source for anything with this code as a leg.
fn asks_for(route: &Route, code: &str) -> bool {
    route.asked.legs().is_some_and(|(base, quote)| base == code || quote == code)
}

#[test]
fn a_coin_with_a_currencys_code_makes_no_rate_for_that_currency() {
    let settings = everything();
    let (mut coins, mut rates) = (0, 0);
    for (source, extractor) in providers().into_iter().filter(|(source, _)| source.classes.contains(&Class::Crypto)) {
        let fiat = source.fiat.clone().unwrap_or_else(|| panic!("{} does not state its fiat codes", source.name));
        let profile = Profile::new(source.clone(), extractor, &settings);
        for code in moneys().iter().filter(|code| !fiat.contains(code) && !fiat.contains(&"*".to_owned())) {
            let pair = |base: &str, quote: &str| Symbol::of_legs(base, quote).unwrap();
            for other in ["USDT", "USDC", "BTC", "ETH", "USD", "EUR"].into_iter().filter(|other| other != code) {
                for symbol in [pair(code, other), pair(other, code)] {
                    let name = &source.name;
                    assert!(Route::leg(&profile, &symbol, &settings).is_none(), "{name} makes a rate of {symbol}");
                    assert!(Route::inverted(&profile, &symbol, &settings).is_none(), "{name} inverts {symbol}");
                    let derived = Route::derived(&profile, &symbol, &settings);
                    assert!(!derived.is_some_and(|route| asks_for(&route, code)), "{name} derives {symbol}");
                    coins += 1;
                }
                // for an amount of it, an exchange is asked only for the coin of that name
                let found = Route::find(&profile, &pair(other, code), &settings);
                assert!(!found.is_some_and(|route| asks_for(&route, code)), "{} for {other}-{code}", source.name);
            }
        }
        rates += fiat.len();
    }
    assert!(coins > 10_000 && rates > 50, "{coins} {rates}");
}

#[test]
fn a_coin_with_a_currencys_code_is_asked_for_where_it_is_a_coin() {
    let settings = everything();
    let asked = |symbol: &str| {
        let symbol = Symbol::parse(symbol).unwrap();
        let asked = providers().into_iter().filter_map(|(source, extractor)| {
            let profile = Profile::new(source, extractor, &settings);
            Route::direct(&profile, &symbol, &settings).map(|_| profile.name().to_owned())
        });
        asked.collect::<Vec<_>>()
    };
    assert!(["bybit", "gate", "mexc"].iter().all(|name| asked("MNT-USDT").iter().any(|asked| asked == name)));
    // the lira of one exchange is not folded with a coin of another
    assert!(!asked("TRY-USDT").iter().any(|name| name == "gate"), "{:?}", asked("TRY-USDT"));
    assert!(!asked("EUR-USDT").iter().any(|name| name == "gate"));
    assert!(asked("EUR-USDT").iter().any(|name| name == "binance"));
}

#[test]
fn no_two_pairs_have_one_name_at_a_source() {
    let quotes =
        "USD BUSD TUSD GUSD FDUSD USDT SUSDT EUR AEUR EURT BTC WBTC ETH STETH WETH GBP TRY KRW DAI JPY".split(' ');
    let quotes: Vec<&str> = quotes.collect();
    let endings = quotes.iter().flat_map(|long| quotes.iter().map(move |short| (*long, *short)));
    for (long, short) in endings {
        let Some(start) = long.strip_suffix(short).filter(|start| !start.is_empty()) else { continue };
        let pairs = [("AR".to_owned(), long), (format!("AR{start}"), short)];
        let pairs = pairs.map(|(base, quote)| Symbol::of_legs(&base, quote).unwrap());
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
fn a_sources_name_for_a_coin_is_not_used_for_another() {
    let mut names = 0;
    for (source, extractor) in providers() {
        let taken = source.rename.values().filter(|theirs| !source.rename.contains_key(*theirs));
        // read as a symbol, some of them would be renamed: XBT is BTC
        for pair in taken.flat_map(|theirs| ["USD", "USDT", "EUR"].map(|quote| Symbol::of_legs(theirs, quote))) {
            let pair = pair.unwrap();
            names += 1;
            assert!(!extractor.spelling().covers(&pair, pair.class()), "{} is asked for {pair}", source.name);
        }
    }
    assert!(names > 30, "{names}");
}

#[test]
fn a_coin_is_not_asked_for_where_its_name_is_anothers() {
    let providers = providers();
    for (name, tickers) in [
        ("bitget", "APX DEGEN EVA JADE OMNI"),
        ("gate", "ASS AXIS BIFI BOX BYN EGG GTC HIT MM MPH ORT POINT RAI SBTC TNC TRAC VAI"),
        ("htx", "BIFI FUD GET GTC HIT NGL PNT SBTC SOUL"),
        ("kucoin", "BIFI FUD VAI"),
        ("mexc", "BIFI BYN COFI DFI DFT EGC FREE HERO MIMO PROS SIN SOUL"),
        ("upbit", "TON"),
    ] {
        let (_, extractor) = providers.iter().find(|(source, _)| source.name == name).unwrap();
        for ticker in tickers.split(' ') {
            let pair = Symbol::parse(&format!("{ticker}-USDT")).unwrap();
            assert!(!extractor.spelling().covers(&pair, Class::Crypto), "{name} is asked for {pair}");
        }
    }
}

#[test]
fn a_ticker_is_not_asked_of_a_source_that_takes_it_for_a_pair() {
    let (_, fmp) = providers().into_iter().find(|(source, _)| source.name == "fmp").unwrap();
    let covers = |text: &str| fmp.spelling().covers(&Symbol::parse(text).unwrap(), Class::Equity);
    assert!(["AAPL", "USD", "MUSA"].into_iter().all(covers));
    assert!(!["EURUSD", "BTCUSD", "AUSD", "XEUR"].into_iter().any(covers));
}

//! What people paste is understood, or answered by a sentence; and what is canonical stays as it is.

use proptest::prelude::*;

use super::*;
use crate::symbol::{Class, shown};

/// The spellings of the documentation: what is typed, what it becomes, where it is written so.
const SPELLINGS: &str = include_str!("../../../tests/docs/spellings.tsv");

#[test]
fn every_spelling_of_the_table_becomes_what_the_table_says() {
    let rows = SPELLINGS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in rows {
        let [typed, becomes, _] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row:?} has not three fields")
        };
        let (read, fits) = match (read(typed), becomes.strip_prefix("? ")) {
            (Ok(symbol), None) => (symbol.to_string(), symbol.as_str() == becomes),
            (Ok(symbol), Some(_)) => (symbol.to_string(), false),
            (Err(error), words) => (error.to_string(), words.is_some_and(|words| error.to_string().contains(words))),
        };
        count += 1;
        if !fits {
            wrong.push(format!("{typed:?} should become {becomes:?}, and becomes {read:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 200, "{count}");
}

/// Whatever a text is read as, its canonical spelling is read as the same, in capitals or not; and every sentence shows at most
/// the beginning of the text. Returns whether it is a symbol.
fn check(text: &str) -> bool {
    let reading = read(text);
    let is_symbol = reading.is_ok();
    match reading {
        Ok(symbol) => {
            let canonical = symbol.as_str();
            assert!(canonical.len() <= LONGEST && canonical.is_ascii(), "{text:?} {canonical}");
            assert_eq!(read(canonical).as_ref(), Ok(&symbol), "{text:?}");
            assert_eq!(read(&canonical.to_ascii_lowercase()).as_ref(), Ok(&symbol), "{text:?}");
            if let Some((base, quote)) = symbol.legs() {
                assert_eq!(Symbol::of_legs(base, quote).as_ref(), Some(&symbol));
            }
            assert_eq!(symbol.legs().is_some(), matches!(symbol.class(), Class::Fx | Class::Crypto));
            let _ = (symbol.usual_currency(), symbol.did_you_mean(), symbol.gone_money(), symbol.section());
        }
        Err(error) => {
            let sentence = error.to_string();
            assert!(!sentence.is_empty() && sentence.chars().count() < 1200, "{sentence}");
            if let Some((_, meant)) = sentence.rsplit_once("did you mean ") {
                let meant = meant.trim_end_matches('?');
                assert_eq!(read(meant).map(|symbol| symbol.to_string()).as_deref(), Ok(meant), "{text:?}: {sentence}");
            }
        }
    }
    is_symbol
}

/// Pieces of which people's spellings are made.
const PIECES: [&str; 70] = [
    "A",
    "B",
    "L",
    "T",
    "V",
    "F",
    "U",
    "P",
    "p",
    "PR",
    "PL",
    "UN",
    "WT",
    "WS",
    "RT",
    "WI",
    "CL",
    "BRK",
    "BAC",
    "USD",
    "EUR",
    "GBX",
    "BTC",
    "XBT",
    "USDT",
    "ETH",
    "HRK",
    "PERP",
    "240628",
    "7203",
    "00700",
    "80700",
    "1INCH",
    "VOD",
    "TO",
    "HK",
    "PA",
    "US",
    "LON",
    "XLON",
    "NASDAQ",
    "TSE",
    "CURRENCY",
    "BINANCE",
    "ISIN",
    "FIGI",
    "US0378331005",
    "BBG000B9XRY4",
    "bitcoin",
    "X",
    "RO",
    "apple",
    ".",
    "-",
    "/",
    "_",
    ":",
    "=",
    "^",
    "+",
    "&",
    "!",
    " ",
    "=X",
    "=F",
    "$",
    "é",
    "\u{0}",
    "\t",
    "💥",
];

/// A text of a few pieces, or of any characters.
fn random_text(chance: &mut fastrand::Rng) -> String {
    let marks = PIECES.len() - 18;
    match chance.u8(..10) {
        0 => (0..chance.usize(..70)).map(|_| chance.char(..)).collect(),
        1 => (0..chance.usize(..14)).map(|_| char::from(chance.u8(32..127))).collect(),
        _ => {
            let count = chance.usize(1..7);
            let piece = |place: usize| match chance.u8(..10) {
                0 => chance.alphanumeric().to_string(),
                // words and marks by turns, mostly
                9 => PIECES[chance.usize(..PIECES.len())].to_owned(),
                _ if place.is_multiple_of(2) => PIECES[chance.usize(..marks)].to_owned(),
                _ => PIECES[chance.usize(marks..PIECES.len())].to_owned(),
            };
            (0..count).map(piece).collect()
        }
    }
}

#[test]
fn two_hundred_thousand_texts_are_symbols_or_sentences() {
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                let mut chance = fastrand::Rng::with_seed(seed);
                let read = (0..50_000).map(|_| random_text(&mut chance)).filter(|text| check(text)).count();
                assert!((5_000..45_000).contains(&read), "{read} of 50,000 were symbols");
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_at_all_is_a_symbol_or_a_sentence(
        text in "[\\PC\\t]{0,70}|[A-Za-z0-9.^=:/_+& -]{0,14}|[A-Z]{1,7}[-./][A-Z]{1,5}(.[A-Z]{1,3})?"
    ) {
        check(&text);
    }
}

#[test]
fn of_two_places_beside_a_colon_the_order_alone_does_not_choose() {
    let understood = [
        ("NYSE:ICE", "ICE"),
        ("ICE:NYSE", "ICE"),
        ("BCS:NYSE", "BCS"),
        ("XLON:BATS", "BATS.L"),
        ("BATS:XLON", "BATS.L"),
        ("ASX:ASX", "ASX.AX"),
        ("JSE:JSE", "JSE.JO"),
        ("NYSE:C", "C"),
        ("X:NYSE", "X"),
        ("C:XNYS", "C"),
        ("AAPL:US", "AAPL"),
        ("BRK/B:US", "BRK.B"),
        ("VOD:LN", "VOD.L"),
        ("7203:JP", "7203.T"),
        ("C:US", "C"),
        ("NYSE:IT", "IT"),
        ("NYSE:BACpL", "BAC-PL"),
        ("BACpL:NYSE", "BAC-PL"),
        ("BACpL.US", "BAC-PL"),
        ("600519.SH", "600519.SS"),
        ("LON:VOD.L", "VOD.L"),
        ("ETR:SAP.DE", "SAP.DE"),
        ("NASDAQ:AAPL.US", "AAPL"),
    ];
    for (typed, symbol) in understood {
        assert_eq!(read(typed).map(|symbol| symbol.to_string()).as_deref(), Ok(symbol), "{typed}");
    }
    for typed in
        ["SSE:LON", "LON:SSE", "VIE:EPA", "STO:ASX", "BVB:TLV", "LON:BME", "BME:LON", "NEO:SET", "ICE:US", "LON:IT"]
    {
        assert!(read(typed).is_err(), "{typed}");
    }
    let sentence = read("BME:LON").unwrap_err().to_string();
    assert!(sentence.contains("could be LON.MC (LON at BME) or BME.L (BME at LON)"), "{sentence}");
    let sentence = read("EURONEXT:VIE").unwrap_err().to_string();
    assert!(sentence.contains("where on Euronext"), "{sentence}");
}

#[test]
fn a_part_of_a_currency_in_a_pair_is_never_taken_for_the_whole() {
    let parts = ["GBp", "USc", "EUc", "ZAr", "ZAc", "ILs", "KWd", "GBX", "GBx", "CHf"];
    for (part, other) in parts.into_iter().flat_map(|part| ["USD", "BTC", "EUR", "Usd"].map(|other| (part, other))) {
        for text in [
            format!("{part}-{other}"),
            format!("{other}-{part}"),
            format!("{other}/{part}"),
            format!("{part}{other}=X"),
            format!("{other}{part}=X"),
            format!("{part}=X"),
            format!("CURRENCY:{part}{other}"),
            format!("currency: {other}{part}"),
            format!("CURRENCY:{part}/{other}"),
        ] {
            if let Ok(symbol) = read(&text) {
                let capitals = part.to_ascii_uppercase();
                let is_kept = symbol.as_str().contains(&capitals) && crate::symbol::part::whole_of(&capitals).is_some();
                assert!(is_kept, "{text} is {symbol}");
            }
        }
    }
    let sentence = read("GBp-USD").unwrap_err().to_string();
    assert!(
        sentence.ends_with("names GBp, which is a part of GBP; a pair is of whole currencies; did you mean GBP-USD?")
    );
    assert_eq!(read("gbp-usd").unwrap().as_str(), "GBP-USD");
}

#[test]
fn an_isin_with_something_after_it_is_no_listing_and_no_pair() {
    for text in ["US0378331005.DE", "US0378331005-USD", "us0378331005/eur", "US0378331005 US"] {
        let sentence = read(text).unwrap_err().to_string();
        assert!(sentence.ends_with("did you mean US0378331005?"), "{sentence}");
    }
}

#[test]
fn marks_that_a_paste_brings_along_are_named_or_taken_off() {
    let meant = [("\u{feff}AAPL", "AAPL"), ("AAPL\u{200b}", "AAPL"), ("«AAPL»", "AAPL"), ("BTC / USD", "BTC-USD")];
    for (text, symbol) in meant {
        let sentence = read(text).unwrap_err().to_string();
        assert!(sentence.ends_with(&format!("did you mean {symbol}?")), "{sentence}");
    }
}

proptest! {
    /// Swapping the sides of a colon names the same listing, or one of the two is a sentence: never two different listings.
    #[test]
    fn the_order_of_place_and_ticker_never_makes_another_listing(
        place in "[A-Z]{1,6}|LON|ICE|STO|TSE|NYSE|XETRA|BME|SET|CSE",
        ticker in "[A-Z]{1,5}|[0-9]{4}|LON|ICE|BATS|ASX|SET|BME",
    ) {
        if let (Ok(one), Ok(other)) = (read(&format!("{place}:{ticker}")), read(&format!("{ticker}:{place}"))) {
            prop_assert_eq!(one, other);
        }
    }
}

/// A place's prefix or suffix hides from the earlier tests what the listing alone would be: `BRKBTC.P` is a perpetual contract.
#[test]
fn what_a_place_lists_is_read_alone_as_the_same() {
    let words = ["BAC", "BRKBTC", "BTCUSDT", "EUR", "BTC", "ES", "XBTUSD", "7203", "80700", "GC1", "BITCOIN"];
    let tails = [
        "", ".P", "-P", "/P", "_P", ".PL", "-P-L", "^L", ".L", ".B", "-V", ".U", "-USD", "/EUR", "-PERP", "-240628",
        "1!", "!", "+", "-WT", ".T", ".NYM", "=F", "=X",
    ];
    let places = ["US", "XNAS", "L", "LON", "TO", "HK", "PA", "XLON", "TRT"];
    let prefixes = ["NASDAQ", "NYSE", "LON", "TSE", "HKG", "EPA", "CURRENCY", "BINANCE"];
    for listed in words.iter().flat_map(|word| tails.iter().map(move |tail| format!("{word}{tail}"))) {
        check(&listed);
        places.iter().for_each(|place| _ = check(&format!("{listed}.{place}")));
        prefixes.iter().for_each(|prefix| _ = check(&format!("{prefix}:{listed}")));
    }
    let sentence = read("NASDAQ:BRKBTC-P").unwrap_err().to_string();
    let expected = "names BRKBTC.P, which is a perpetual contract; did you mean BRK-BTC?";
    assert_eq!(sentence, format!("\"NASDAQ:BRKBTC-P\" {expected}"));
}

#[test]
fn every_text_of_up_to_three_characters_is_a_symbol_or_a_sentence() {
    let characters = "AaFLTVPpUXR07.-/_:=^+&! é\0";
    let all = |beginnings: Vec<String>| -> Vec<String> {
        beginnings.iter().flat_map(|beginning| characters.chars().map(move |c| format!("{beginning}{c}"))).collect()
    };
    let mut texts = vec![String::new()];
    for _ in 0..3 {
        texts = all(texts);
        texts.iter().for_each(|text| {
            check(text);
        });
    }
}

#[test]
fn a_text_is_shown_only_by_its_beginning() {
    let long = "é".repeat(1000);
    let sentence = read(&long).unwrap_err().to_string();
    assert!(sentence.chars().count() < 200, "{sentence}");
    assert_eq!((shown(&long).chars().count(), shown("AAPL")), (64, "AAPL"));
}

#[test]
fn a_pair_without_its_separator_is_split_where_people_would() {
    let pairs = [
        ("BTCUSDT", "BTC-USDT"),
        ("USDTUSD", "USDT-USD"),
        ("BTCTUSD", "BTC-TUSD"),
        ("SHIBUSD", "SHIB-USD"),
        ("XBTUSD", "BTC-USD"),
        ("XXBTZUSD", "BTC-USD"),
        ("ZEURZUSD", "EUR-USD"),
        ("1000PEPEUSDT", "1000PEPE-USDT"),
        ("EURUSD", "EUR-USD"),
        ("SOLBTC", "SOL-BTC"),
    ];
    for (word, pair) in pairs {
        assert_eq!(pair_meant(word).as_deref(), Some(pair), "{word}");
    }
    assert_eq!((pair_meant("GOOGLE"), pair_meant("USD"), pair_meant("")), (None, None, None));
}

#[test]
fn a_known_suffix_after_no_ticker_of_its_place_is_not_a_place_of_its_own() {
    for text in ["0700.US", "AAPLXXX.US", "7203.OQ"] {
        assert!(read(text).is_err(), "{text}");
    }
    assert_eq!(read("0700.RO").unwrap().as_str(), "0700.RO");
}

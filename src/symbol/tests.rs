//! How symbols are read.

use super::*;

fn canonical(text: &str) -> String {
    Symbol::parse(text).unwrap().to_string()
}

#[test]
fn spellings_in_common_use_are_rewritten_to_one() {
    let spellings = [
        ("aapl", "AAPL"),
        ("BRK-B", "BRK.B"),
        ("brk/b", "BRK.B"),
        ("btc/usd", "BTC-USD"),
        ("BTC_USD", "BTC-USD"),
        ("EURUSD=X", "EUR-USD"),
        ("vod.l", "VOD.L"),
        ("7203.T", "7203.T"),
        ("^gspc", "^GSPC"),
    ];
    for (text, expected) in spellings {
        assert_eq!(canonical(text), expected, "{text}");
    }
}

#[test]
fn the_spelling_implies_the_class_and_the_currency() {
    let facts = [
        ("AAPL", Class::Equity, Some("USD")),
        ("BRK.B", Class::Equity, Some("USD")),
        ("VOD.L", Class::Equity, Some("GBP")),
        ("7203.T", Class::Equity, Some("JPY")),
        ("^GSPC", Class::Index, None),
        ("BTC-USD", Class::Crypto, Some("USD")),
        ("BTC-USDT", Class::Crypto, Some("USDT")),
        ("EUR-USD", Class::Fx, Some("USD")),
    ];
    for (text, class, currency) in facts {
        let symbol = Symbol::parse(text).unwrap();
        assert_eq!(symbol.class(), class, "{text}");
        assert_eq!(symbol.usual_currency().as_ref().map(Currency::as_str), currency, "{text}");
    }
}

#[test]
fn a_pair_run_together_is_asked_about_and_not_guessed_at() {
    let symbol = Symbol::parse("BTCUSD").unwrap();
    assert_eq!(symbol.class(), Class::Equity);
    assert_eq!(symbol.did_you_mean().unwrap(), "BTC-USD");
    assert_eq!(Symbol::parse("SOLANA").unwrap().did_you_mean().unwrap(), "SOL-USD");
    let longer = Symbol::parse("ETHUSDT").unwrap_err();
    assert!(longer.to_string().ends_with("did you mean ETH-USDT?"), "{longer}");
    assert_eq!(Symbol::parse("GOOGL").unwrap().did_you_mean(), None);
}

#[test]
fn a_text_that_is_no_symbol_is_refused_with_the_reason() {
    assert_eq!(Symbol::parse(""), Err(SymbolError::Empty));
    assert_eq!(Symbol::parse(&"A".repeat(33)), Err(SymbolError::TooLong(33)));
    assert!(matches!(Symbol::parse("ÄPFEL"), Err(SymbolError::Character(_, 'Ä'))));
    assert!(matches!(Symbol::parse("A\0B"), Err(SymbolError::Character(..))));
    for text in ["-", "A-", "-USD", "BTC-USD-X", "A..B", ".L", "VOD.L.L.L.L"] {
        assert!(matches!(Symbol::parse(text), Err(SymbolError::Form(_))), "{text}");
    }
    for text in ["^", "=X", "USDX=X", "USD-USD"] {
        assert!(matches!(Symbol::parse(text), Err(SymbolError::Other(..))), "{text}");
    }
    assert!(Symbol::parse("").unwrap_err().is_of_query() && Symbol::parse("A\0B").unwrap_err().is_of_query());
    assert!(!Symbol::parse("ÄPFEL").unwrap_err().is_of_query() && !Symbol::parse("A B").unwrap_err().is_of_query());
}

#[test]
fn a_share_class_abroad_is_spelled_with_a_hyphen() {
    let symbol = Symbol::parse("novo-b.co").unwrap();
    assert_eq!(symbol.as_str(), "NOVO-B.CO");
    assert_eq!(symbol.listing().map(|(ticker, exchange)| (ticker, exchange.suffix)), Some(("NOVO-B", "CO")));
    assert!(Symbol::parse("NOVO-BBBBB.CO").is_err() && Symbol::parse("NOVO-B.QQ").is_err());
}

#[test]
fn a_listing_knows_its_ticker_and_exchange() {
    let symbol = Symbol::parse("VOD.L").unwrap();
    let (ticker, exchange) = symbol.listing().unwrap();
    assert_eq!((ticker, exchange.suffix), ("VOD", "L"));
    assert_eq!(Symbol::parse("BRK.B").unwrap().listing(), None);
}

#[test]
fn sub_units_are_told_from_their_currency_by_case() {
    assert_eq!(Currency::of_unit("GBp"), (Currency::new("GBP"), 2));
    assert_eq!(Currency::of_unit("GBP"), (Currency::new("GBP"), 0));
    assert_eq!(Currency::of_unit("ZAc"), (Currency::new("ZAR"), 2));
    assert_eq!(Currency::of_unit("KWF"), (Currency::new("KWD"), 3));
    assert_eq!(Currency::of_unit("usd"), (Currency::new("USD"), 0));
}

#[test]
fn a_share_class_never_becomes_an_exchange() {
    for class in ["X_L", "X-T", "X-F"] {
        assert!(Symbol::parse(class).is_err(), "{class}");
    }
    assert_eq!(
        (canonical("MKC-V"), canonical("mkc/v"), canonical("MKC.V")),
        ("MKC-V".into(), "MKC-V".into(), "MKC.V".into())
    );
    assert!(Symbol::parse("MKC-V").unwrap().is_us_listing() && Symbol::parse("MKC.V").unwrap().listing().is_some());
    assert_eq!(Symbol::parse("BRK-B").unwrap().as_str(), "BRK.B");
}

#[test]
fn what_trades_in_another_currency_than_its_exchange_implies_none() {
    let implied = |text: &str| Symbol::parse(text).unwrap().usual_currency().map(|currency| currency.to_string());
    for text in ["DLR-U.TO", "DLR.U.TO", "80700.HK", "HSBK.IL", "QQQQ.RO", "GC=F", "US0378331005", "^GSPC"] {
        assert_eq!(implied(text), None, "{text}");
    }
    let known = [("DLR.TO", "CAD"), ("0700.HK", "HKD"), ("RCI-B.TO", "CAD"), ("BAC-PL", "USD"), ("CCIV-WT", "USD")];
    for (text, currency) in known {
        assert_eq!(implied(text).as_deref(), Some(currency), "{text}");
    }
    assert_eq!(implied("SILVER"), None, "six letters may be a pair");
}

#[test]
fn money_that_is_gone_or_not_in_iso_4217_is_money() {
    for pair in ["USD-CNH", "EUR-HRK", "USD-ZWL", "USD-SLL", "USD-VEF", "GGP-USD", "USD-XDR", "EUR-BGN"] {
        assert_eq!(Symbol::parse(pair).unwrap().class(), Class::Fx, "{pair}");
    }
    let gone = |text: &str| Symbol::parse(text).unwrap().gone_money();
    assert_eq!(gone("EUR-BGN").unwrap(), "BGN is gone since 2026-01, and EUR followed it");
    assert_eq!((gone("USD-CNH"), gone("BTC-USD"), gone("AAPL")), (None, None, None));
    assert_eq!(Symbol::parse("MTL-USD").unwrap().class(), Class::Crypto, "exchanges list a coin of that name");
}

//! Nothing nonsensical is accepted in silence: it is an error, or at least remarked upon.

use quotefold::settings::load::{LoadOptions, load};

use crate::{DESK, environment, errors, load_text};

fn own(line: &str) -> String {
    format!("{DESK}url = \"https://x.test/{{symbols}}\"\n{line}\n")
}

#[test]
fn what_has_no_effect_or_no_meaning_is_refused() {
    let jq = |jq: &str| {
        format!("[sources.desk]\nclasses = [\"equity\"]\nurl = \"https://x.test/{{symbols}}\"\njq = '{jq}'\n")
    };
    let cases = [
        (
            own("base_url = \"https://y.test/v1?token=abc\""),
            "base_url",
            "has a query; write only what comes before the ?",
        ),
        (own("base_url = \"https://y.test/#top\""), "base_url", "has a fragment"),
        (own("url = 5").replace("url = 5\n", "").replace("{symbols}", "{symbols}#top"), "url", "write %23"),
        (own("units = { L = \"BTC\" }"), "units.L", "neither a currency nor a part of one"),
        (own("currencies = [\"USD\"]"), "currencies", "only pairs have currencies"),
        (own("fiat = [\"USD\"]"), "fiat", "only pairs have currencies"),
        (own("symbols = [\"BTC-USD\"]"), "symbols", "its classes are equity"),
        (own("symbols = [\"AAPL\", \"ETH-*\"]"), "symbols", "\"ETH-*\" is nothing that this source quotes"),
        (own("spelled = { \"BTC-USD\" = \"x\" }"), "spelled.BTC-USD", "its classes are equity"),
        (own("key = \"abcdef\""), "key", "no call of desk carries a key"),
        (own("secret = \"abcdef\""), "secret", "no call of desk carries a secret"),
        (own("limits_without_key = [\"1/s\"]"), "limits_without_key", "add key_optional = true"),
        (own("limits = [\"5/s\", \"10/s\"]"), "limits", "10/s has no effect beside 5/s"),
        (own("limits = [\"5/s\", \"5/s\"]"), "limits", "5/s is listed twice"),
        (own("headers = { Content-Length = \"5\" }"), "headers.Content-Length", "quotefold writes this header itself"),
        (jq(".[] | {symbol: .s, prize: .p}"), "jq", "no row has a field `prize`; did you mean `price`?"),
        (jq(".[] | {symbol: .s, price: .p, timestamp: .t}"), "jq", "no row has a field `timestamp`"),
        (
            own("instruments = { url = \"https://x.test/\", filter = \".[] | {name: .n}\" }"),
            "instruments.filter",
            "`name`",
        ),
    ];
    for (text, key, words) in cases {
        let found = errors(&text, &[]);
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
        assert_eq!(found[0].key, format!("sources.desk.{key}"), "{}", found[0]);
        assert!(found[0].message.contains(words), "{text}\n{}", found[0]);
    }
    let found = errors(&own("key_from = [\"DESK_KEY\"]"), &[("DESK_KEY", "planted-key")]);
    assert_eq!((found.len(), found[0].key.as_str()), (1, "sources.desk.key_from"), "{found:#?}");
    assert!(found[0].message.contains("no call of desk carries a key"), "{}", found[0]);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let cases = [
        (
            "[fold]\noutlier_beyond = \"4%\"",
            "fold.outlier_beyond",
            "outlier_beyond = 4% is more than disagree_beyond = 3%",
        ),
        ("[class.fx]\noutlier_beyond = \"2%\"", "class.fx.outlier_beyond", "disagree_beyond = 1%"),
        ("[symbols.AAPL]\ncurrency = \"ZZZ\"", "symbols.AAPL.currency", "\"ZZZ\" is not a currency"),
        ("[symbols.AAPL]\ncurrency = \"DOLLAR\"", "symbols.AAPL.currency", "is not a currency"),
        ("[class.equity]\nbare_currency = \"XAU\"", "class.equity.bare_currency", "is not a currency"),
        ("[sources.kraken]\nkey = \"abcdef\"", "sources.kraken.key", "no call of kraken carries a key"),
        ("[sources.kraken]\nsymbols = [\"AAPL\"]", "sources.kraken.symbols", "its classes are"),
        ("[access]\nrate = [\"5/s\", \"9/s\"]", "access.rate", "9/s has no effect beside 5/s"),
        (
            "[access]\nkeys = [\"0123456789abcdef\", \"0123456789abcdef\"]",
            "access.keys",
            "key 2 is the same as one before it",
        ),
        ("[server]\nmax_timeout = \"2h\"", "server.max_timeout", "write 1h or less"),
        ("[server]\ndrain_delay = \"1d\"", "server.drain_delay", "write 1h or less"),
    ];
    for (text, key, words) in cases {
        let found = errors(text, &[]);
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
        assert_eq!((found[0].key.as_str(), found[0].line), (key, Some(2)), "{}", found[0]);
        assert!(found[0].message.contains(words), "{text}\n{}", found[0]);
    }
}

#[test]
fn what_makes_sense_is_not_refused() {
    let of = |classes: &str, line: &str| own(line).replace("[\"equity\"]", classes);
    for text in [
        own("key = \"abcdef\"\nheaders = { x = \"{key}\" }"),
        own("symbols = [\"*\"]"),
        own("symbols = [\"*.L\", \"!VOD.L\"]"),
        of("[\"crypto\"]", "symbols = [\"*\"]"),
        of("[\"crypto\"]", "symbols = [\"ETH-*\", \"*-USDT\", \"B*-*D\", \"XRP*\"]"),
        of("[\"fx\"]", "symbols = [\"EUR-*\"]\nfiat = [\"*\"]"),
        of("[\"fund\"]", "symbols = [\"IE00*\", \"VTSAX\"]"),
        of("[\"index\"]", "symbols = [\"^*\", \"^GSPC\"]"),
        of("[\"crypto\", \"fx\"]", "currencies = [\"USD\", \"USDT\", \"BTC\"]"),
        own("limits = [\"5/s\", \"100/min\", \"1000/day\"]"),
        own("limits_without_key = [\"1/s\"]\nkey_optional = true"),
        "[fold]\noutlier_beyond = \"3%\"".to_owned(),
        "[symbols.AAPL]\ncurrency = \"USDC\"\n[symbols.\"*.L\"]\ncurrency = \"gbp\"".to_owned(),
    ] {
        load_text(&text, &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    }
}

#[test]
fn every_filter_of_the_catalogue_makes_rows_with_known_fields() {
    let text: String = quotefold::provider::catalogue::catalogue()
        .iter()
        .map(|(name, table)| {
            let jq = toml::Value::from(format!("({})", table.settings().jq));
            format!("[sources.own-{name}]\nclasses = [\"equity\"]\nurl = \"https://x.test/{{symbols}}\"\njq = {jq}\n")
        })
        .collect();
    load_text(&text, &[]).unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn a_variable_that_looks_like_ours_and_means_a_key_is_refused() {
    let cases = [
        ("QUOTEFOLD_SERVER_LISTEN", "write QUOTEFOLD_SERVER__LISTEN"),
        ("QUOTEFOLD_LISTEN", "write QUOTEFOLD_SERVER__LISTEN"),
        ("QUOTEFOLD_SOURCES_FINNHUB_KEY", "write QUOTEFOLD_SOURCES__FINNHUB__KEY"),
        ("QUOTEFOLD_CONFG", "write QUOTEFOLD_CONFIG"),
        ("quotefold_server__listen", "write QUOTEFOLD_SERVER__LISTEN"),
    ];
    for (name, words) in cases {
        let found = errors("[sources.kraken]\n", &[(name, "planted-value")]);
        assert_eq!((found.len(), found[0].file.as_str()), (1, name), "{found:#?}");
        assert!(found[0].message.contains(words), "{}", found[0]);
        assert!(!found[0].to_string().contains("planted"), "{}", found[0]);
    }
    // what a file or a key of a source names is not meant to be a key of ours
    let named = [("QUOTEFOLD_LISTEN", "127.0.0.1:1")];
    load_text("[server]\nlisten = \"${QUOTEFOLD_LISTEN}\"\n", &named).unwrap();
    let kubernetes = [("QUOTEFOLD_PORT", "tcp://10.0.0.1:80"), ("QUOTEFOLD_SERVICE_HOST", "10.0.0.1")];
    assert!(load_text("", &kubernetes).unwrap().remarks.is_empty());
    let other = load_text("", &[("QUOTEFOLD_VERSION", "1.2")]).unwrap();
    assert_eq!((other.remarks.len(), other.remarks[0].file.as_str()), (1, "QUOTEFOLD_VERSION"), "{:?}", other.remarks);
}

#[test]
fn two_sets_of_limits_for_one_account_are_remarked_upon_with_those_that_hold() {
    let text = "[sources.a]\nlike = \"kraken\"\naccount = \"one\"\nlimits = [\"5/s\", \"100/min\"]\n\
                [sources.b]\nlike = \"kraken\"\naccount = \"one\"\nlimits = \"2/s\"\n";
    let remarks = load_text(text, &[]).unwrap().remarks;
    assert_eq!(
        (remarks.len(), remarks[0].line, remarks[0].key.as_str()),
        (1, Some(4), "sources.a.limits"),
        "{remarks:?}"
    );
    assert!(
        remarks[0].message.ends_with("all of its calls together keep 2/s and 100/min")
            || remarks[0].message.ends_with("all of its calls together keep 100/min and 2/s"),
        "{}",
        remarks[0]
    );
    let same = text.replace("\"2/s\"", "[\"5/s\", \"100/min\"]");
    assert!(load_text(&same, &[]).unwrap().remarks.is_empty());
}

#[test]
fn a_watched_symbol_that_no_source_quotes_is_remarked_upon() {
    let remarks = load_text("[sources.kraken]\n[watch]\nsymbols = [\"AAPL\", \"BTC-USD\"]\n", &[]).unwrap().remarks;
    assert!(remarks.len() == 1 && remarks[0].message.contains("no source that is on quotes AAPL;"), "{remarks:?}");
}

#[test]
fn a_pair_without_its_hyphen_is_remarked_upon() {
    for text in ["[server]\nsymbols = [\"BTCUSD\"]\n", "[sources.kraken]\nsymbols = [\"BTC-USD\", \"!BTCUSD\"]\n"] {
        load_text(text, &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    }
    let remarks = load_text("[server]\nsymbols = [\"BTCUSD\", \"AAPL\"]\n", &[]).unwrap().remarks;
    assert!(remarks.len() == 1 && remarks[0].message.contains("write BTC-USD if you mean the pair"), "{remarks:?}");
}

#[test]
fn no_remark_shows_an_inserted_value() {
    let options = LoadOptions {
        text: Some((
            "x.toml".to_owned(),
            "[sources.a]\nlike = \"kraken\"\naccount = \"${PUT}\"\nlimits = \"2/s\"\n\
            [sources.b]\nlike = \"kraken\"\naccount = \"${PUT}\"\n"
                .to_owned(),
        )),
        environment: environment(&[("PUT", "planted-account")]),
        ..LoadOptions::default()
    };
    let settings = load(&options).unwrap();
    assert!(
        settings.remarks.len() == 1 && !format!("{:?}", settings.remarks).contains("planted"),
        "{:?}",
        settings.remarks
    );
}

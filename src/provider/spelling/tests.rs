//! Spellings of every kind of symbol, and requests in which every value is escaped for its place.

use secrecy::ExposeSecret;

use super::*;
use crate::provider::description::{Method, SourceTable};

fn described(toml: &str) -> Result<Spelling, DescriptionError> {
    let base =
        "classes = [\"crypto\", \"fx\", \"equity\", \"index\"]\nurl = \"https://x.test/q?s={symbols}\"\njq = \".\"";
    let table: SourceTable = toml::from_str(toml).unwrap();
    let source = table.over(toml::from_str(base).unwrap()).unwrap().resolve("x").unwrap();
    Spelling::new(&source)
}

fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

fn spelled(toml: &str, text: &str) -> Option<String> {
    let symbol = symbol(text);
    described(toml).unwrap_or_else(|error| panic!("{error}")).spell(&symbol, symbol.class())
}

fn request(toml: &str, asked: &[&str]) -> HttpRequest {
    let asked: Vec<Symbol> = asked.iter().map(|text| symbol(text)).collect();
    described(toml).unwrap_or_else(|error| panic!("{error}")).request(&asked)
}

#[test]
fn every_kind_of_symbol_follows_its_template() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(spelled("", "BTC-USD"), some("BTC-USD"));
    assert_eq!(spelled("", "^GSPC"), some("^GSPC"));
    assert_eq!(spelled("format = \"{base:lower}{quote:lower}\"", "BTC-USD"), some("btcusd"));
    assert_eq!(spelled("format = \"{base}{quote}\"", "AAPL"), None);
    let classes =
        "format = { index = \"$IX.{symbol}\", fx = \"{base}{quote}=X\", dot = \"-\", suffix = { L = \":LSE\" } }";
    assert_eq!(spelled(classes, "EUR-USD"), some("EURUSD=X"));
    assert_eq!(spelled(classes, "^GSPC"), some("$IX.GSPC"));
    assert_eq!(spelled(classes, "BRK.B"), some("BRK-B"));
    assert_eq!(spelled(classes, "VOD.L"), some("VOD:LSE"));
    assert_eq!(spelled(classes, "SAP.DE"), None);
    assert_eq!(spelled("format = { dot = \"-\" }", "SAP.DE"), some("SAP.DE"));
    let units = |symbol| spelled("format = { dot = \"-\", unit = \"-UN\" }", symbol);
    assert_eq!((units("CCIV.U"), units("BRK.B"), units("U")), (some("CCIV-UN"), some("BRK-B"), some("U")));
    assert_eq!((units("AP-UN.TO"), spelled("format = { dot = \"-\" }", "CCIV.U")), (some("AP-UN.TO"), some("CCIV-U")));
    let everywhere = "format = { dot = \"-\", equity = \"{symbol:lower}\", suffix = { US = \".US\", DE = \".DE\" } }";
    assert_eq!(spelled(everywhere, "BRK.B"), some("brk-b.us"));
    assert_eq!(spelled(everywhere, "SAP.DE"), some("sap.de"));
    assert_eq!((spelled(everywhere, "VOD.L"), spelled(everywhere, "^GSPC")), (None, some("^GSPC")));
}

#[test]
fn parts_are_renamed_and_whole_symbols_spelled() {
    let kraken = "format = \"{base}{quote}\"\nrename = { BTC = \"XBT\" }\nspelled = { \"btc/eur\" = \"bitcoin\" }";
    assert_eq!(spelled(kraken, "BTC-USD").unwrap(), "XBTUSD");
    assert_eq!(spelled(kraken, "ETH-BTC").unwrap(), "ETHXBT");
    assert_eq!(spelled(kraken, "BTC-EUR").unwrap(), "bitcoin");
    assert_eq!(described("spelled = { \"a b\" = \"x\" }").err().unwrap().key, "spelled.\"a b\"");
}

#[test]
fn a_symbol_that_is_spelled_by_itself_is_told_from_those_that_follow_a_template() {
    let spelling = described("spelled = { \"BTC-EUR\" = \"bitcoin\" }").unwrap();
    assert!(spelling.is_exception(&symbol("BTC-EUR")) && !spelling.is_exception(&symbol("BTC-USD")));
}

#[test]
fn the_code_of_a_currency_is_a_coin_where_only_coins_are_traded() {
    let source = |more: &str| asked_with("s={symbols}", more);
    let there = |more: &str, code: &str| source(more).is_currency_there(&crate::symbol::Currency::new(code));
    let (bank, exchange) = ("classes = [\"fx\"]", "classes = [\"crypto\"]");
    assert!(there(bank, "MNT") && !there(exchange, "MNT"));
    assert!(there(bank, "USD") && there(exchange, "USD"));
    let lists = "classes = [\"crypto\"]\nfiat = [\"MNT\"]";
    assert!(there(lists, "MNT") && !there(lists, "USD"));
}

#[test]
fn a_source_lacks_only_a_name_for_what_it_could_otherwise_be_asked_for() {
    let lacks = |more: &str, pair: &str, class: Class| {
        let spelling = described(&format!("ids = {{ BTC = \"bitcoin\" }}\n{more}")).unwrap();
        spelling.lacks_only_a_name(&symbol(pair), class).is_some()
    };
    assert!(lacks("", "DOGE-USD", Class::Crypto) && !lacks("", "BTC-USD", Class::Crypto));
    assert!(!lacks("symbols = [\"ETH-*\"]", "DOGE-USD", Class::Crypto));
    assert!(!lacks("", "DOGE-USD", Class::Fund));
    assert!(!lacks("spelled = { \"DOGE-USD\" = \"doge\" }", "DOGE-USD", Class::Crypto));
}

#[test]
fn the_list_of_a_vendor_is_asked_for_at_its_own_address_with_the_headers_of_the_source() {
    let list = "method = \"POST\"\nbody = \"{symbols}\"\nheaders = { \"x-key\" = \"{key}\" }\nkey = \"abcd\"\n\
        instruments = { url = \"https://x.test/list?k={key}\", filter = \".\" }";
    let call = described(list).unwrap().list_request().unwrap();
    assert_eq!((call.method, call.url.as_str(), call.body), (Method::Get, "https://x.test/list?k=abcd", None));
    assert_eq!(call.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x-key"]);
    assert!(described("").unwrap().list_request().is_none());
}

#[test]
fn a_class_that_is_set_decides_the_template() {
    let funds = described("classes = [\"equity\", \"fund\"]\nformat = { fund = \"F:{symbol}\" }").unwrap();
    let funds = funds.with_classes(BTreeMap::from([(symbol("VFIAX"), Class::Fund)]));
    let asked = [symbol("AAPL"), symbol("VFIAX")];
    assert_eq!(funds.request(&asked).url, "https://x.test/q?s=AAPL,F%3AVFIAX");
}

#[test]
fn which_symbols_are_covered_follows_from_the_description() {
    let covers = |toml: &str, text: &str| described(toml).unwrap().covers(&symbol(text), symbol(text).class());
    assert!(covers("currencies = [\"usdt\"]", "BTC-USDT") && !covers("currencies = [\"USDT\"]", "BTC-USD"));
    assert!(covers("currencies = [\"USDT\"]", "AAPL"));
    assert!(covers("symbols = [\"ETH-*\"]", "ETH-USD") && !covers("symbols = [\"ETH-*\"]", "BTC-USD"));
    assert!(!covers("classes = [\"equity\"]", "BTC-USD"));
    assert!(!covers("format = { suffix = {} }", "VOD.L") && covers("format = { suffix = {} }", "AAPL"));
}

#[test]
fn values_in_a_url_are_escaped() {
    assert_eq!(request("", &["^GSPC", "BTC-USD"]).url, "https://x.test/q?s=%5EGSPC,BTC-USD");
    assert_eq!(request("join = \"|\"", &["AAPL", "MSFT"]).url, "https://x.test/q?s=AAPL%7CMSFT");
    assert_eq!(request("join = \"%2C\"", &["AAPL", "MSFT"]).url, "https://x.test/q?s=AAPL%2CMSFT");
    assert_eq!(request("join = \"json\"", &["AAPL", "MSFT"]).url, "https://x.test/q?s=%5B%22AAPL%22%2C%22MSFT%22%5D");
    let slash = request("format = \"{base}/{quote}\"\nurl = \"https://x.test/p/{symbol}\"", &["BTC-USD"]);
    assert_eq!(slash.url, "https://x.test/p/BTC%2FUSD");
    let key = request("url = \"https://x.test/?k={key}&s={secret}\"\nkey = \"a&b=#\"\nsecret = \"ü%\"", &[]);
    assert_eq!(key.url, "https://x.test/?k=a%26b%3D%23&s=%C3%BC%25");
}

#[test]
fn values_in_a_body_are_escaped_and_a_header_without_its_key_is_left_out() {
    let body = "method = \"POST\"\nbody = '{\"key\": \"{key}\", \"ids\": {symbols}, \"of\": {}}'\njoin = \"json\"\nkey = 'a\"b'";
    let post = request(body, &["AAPL", "BRK.B"]);
    assert_eq!(post.body.unwrap(), r#"{"key": "a\"b", "ids": ["AAPL","BRK.B"], "of": {}}"#);
    assert_eq!(post.method, crate::provider::description::Method::Post);
    let form = "method = \"POST\"\nbody = 'k={key}&s={symbols}'\nkey = 'a&b'\n\
        headers = { Content-Type = \"application/x-www-form-urlencoded\" }";
    assert_eq!(request(form, &["AAPL"]).body.unwrap(), "k=a%26b&s=AAPL");
    let header = request("headers = { Authorization = \"Token {key}\", a = \"b\" }\nkey = \"s3cret\"", &["AAPL"]);
    assert_eq!(header.headers[0].1.expose_secret(), "Token s3cret");
    assert!(!format!("{header:?}").contains("s3cret"));
    // a key is optional in a header
    assert_eq!(request("headers = { Authorization = \"Token {key}\", a = \"b\" }", &[]).headers.len(), 1);
}

#[test]
fn a_key_that_makes_calls_impossible_is_named() {
    let wrong = |toml: &str| described(toml).err().unwrap_or_else(|| panic!("{toml}"));
    let error = wrong("url = \"https://x.test/{tickers}\"");
    assert_eq!((error.key.as_str(), error.message.contains("{tickers}")), ("url", true));
    assert_eq!(wrong("format = \"{symbols}\"").key, "format");
    assert_eq!(wrong("format = { fx = \"{a:lower}\" }").key, "format.fx");
    assert_eq!(wrong("url = \"x.test/{symbols}\"").key, "url");
    assert_eq!(wrong("url = \"ftp://x.test/{symbols}\"").key, "url");
    assert_eq!(wrong("batch = 2\nurl = \"https://x.test/{symbol}\"").key, "batch");
    assert_eq!(wrong("method = \"GET\"\nbody = \"{symbols}\"").key, "body");
    assert_eq!(wrong("headers = { \"a b\" = \"c\" }").key, "headers.a b");
    let error = wrong("headers = { authorization = \"Token {key}\" }\nkey = \"s3c\\nret\"");
    assert_eq!((error.key.as_str(), error.message.contains("s3c")), ("headers.authorization", false));
}

#[test]
fn a_list_may_be_split_into_parts_with_each_part_named_once() {
    let ids = "classes = [\"crypto\"]\nformat = \"{id}/{quote:lower}\"\nids = { BTC = \"bitcoin\", ETH = \"ethereum\" }\n\
        url = \"https://x.test/q?ids={ids}&vs={quotes:lower}\"\nbatch = 9";
    assert_eq!(
        request(ids, &["BTC-USD", "ETH-USD", "BTC-EUR"]).url,
        "https://x.test/q?ids=bitcoin,ethereum&vs=usd,eur"
    );
    let spelling = described(ids).unwrap();
    let spell = |text: &str| spelling.spell(&symbol(text), Class::Crypto);
    assert_eq!(spell("BTC-USD").as_deref(), Some("bitcoin/usd"));
    // many coins may be called PEPE: without an id it is not asked for
    assert_eq!(spell("PEPE-USD"), None);
    let pair = "url = \"https://x.test/q?from={base}&to={quote:lower}\"";
    assert_eq!(request(pair, &["BTC-USD"]).url, "https://x.test/q?from=BTC&to=usd");
    let rest = "url = \"https://x.test/{first}?s={others}\"\nbatch = 9";
    assert_eq!(request(rest, &["AAPL", "MSFT", "VOD.L"]).url, "https://x.test/AAPL?s=MSFT,VOD.L");
    assert_eq!(request(rest, &["AAPL"]).url, "https://x.test/AAPL?s=");
    let one = "ids = { BTC = \"bitcoin\" }\nurl = \"https://x.test/{id}/{base}-{quote}\"";
    assert_eq!(request(one, &["BTC-USD"]).url, "https://x.test/bitcoin/BTC-USD");
    assert_eq!(described("batch = 2\nurl = \"https://x.test/{quote}\"").err().unwrap().key, "batch");
}

/// A source whose URL has `query` in its query.
fn asked_with(query: &str, more: &str) -> SourceSettings {
    let base = "classes = [\"equity\", \"fund\", \"crypto\"]\njq = \".\"\nurl = \"\"";
    let table: SourceTable = toml::from_str(&format!("url = \"https://x.test/q?{query}\"\n{more}")).unwrap();
    table.over(toml::from_str(base).unwrap()).unwrap().resolve("x").unwrap()
}

/// The same, where the user has given VWCE.DE its ISIN.
fn by_isin(query: &str, more: &str) -> Spelling {
    let mut source = asked_with(query, more);
    source.isins.insert(symbol("VWCE.DE"), "IE00BK5BQT80".to_owned());
    Spelling::new(&source).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_source_that_speaks_isin_is_asked_for_what_has_one() {
    let covers = |spelling: &Spelling, text: &str| spelling.covers(&symbol(text), symbol(text).class());
    let url = |spelling: &Spelling, asked: &[&str]| {
        spelling.request(&asked.iter().map(|text| symbol(text)).collect::<Vec<_>>()).url
    };
    for (in_url, more) in
        [("i={isin}", ""), ("i={isin}", "format = { suffix = {} }"), ("i={symbol}", "format = \"{isin}\"")]
    {
        let spelling = by_isin(in_url, more);
        for text in ["US0378331005", "VWCE.DE"] {
            assert!(covers(&spelling, text), "{text} {more}");
        }
        for text in ["AAPL", "SAP.DE", "BTC-USD"] {
            assert!(!covers(&spelling, text), "{text} {more}");
        }
        assert_eq!(url(&spelling, &["VWCE.DE"]), "https://x.test/q?i=IE00BK5BQT80");
        assert_eq!(spelling.spell(&symbol("VWCE.DE"), Class::Equity).as_deref(), Some("IE00BK5BQT80"), "{more}");
    }
    let by_name = by_isin("i={symbol}", "format = { suffix = { DE = \".DE\" } }");
    assert!(by_name.names(&symbol("VWCE.DE")) && !by_name.names(&symbol("SAP.DE")));
    let many = by_isin("i={isins}", "batch = 9");
    assert_eq!(url(&many, &["US0378331005", "VWCE.DE"]), "https://x.test/q?i=US0378331005,IE00BK5BQT80");
    let both = by_isin("t={symbol}&i={isin}", "format = { suffix = { DE = \":XETR\" } }");
    assert_eq!(url(&both, &["VWCE.DE"]), "https://x.test/q?t=VWCE%3AXETR&i=IE00BK5BQT80");
    assert!(!covers(&both, "US0378331005") && !covers(&both, "SAP.DE"));
    let lower = by_isin("i={symbol}", "format = { equity = \"{isin:lower}\" }");
    assert_eq!(url(&lower, &["VWCE.DE"]), "https://x.test/q?i=ie00bk5bqt80");
    assert!(covers(&lower, "BTC-USD"), "its format states nothing about pairs");
}

#[test]
fn a_source_is_not_asked_for_an_isin_in_place_of_a_ticker() {
    let isin = symbol("US0378331005");
    for format in ["{ suffix = {} }", "{ dot = \"-\" }", "\"{symbol:lower}\"", "{ equity = \"{symbol}\" }"] {
        assert_eq!(spelled(&format!("format = {format}"), "US0378331005"), None, "{format}");
    }
    // unless it spells everything as we do, or the user says what it calls this one
    assert_eq!(spelled("", "US0378331005").as_deref(), Some("US0378331005"));
    let told = described("format = { dot = \"-\" }\nspelled = { US0378331005 = \"AAPL\" }").unwrap();
    assert!(told.covers(&isin, Class::Equity) && told.names(&isin));
    let told = by_isin("i={isin}", "spelled = { \"VWCE.DE\" = \"A2PKXG\" }");
    assert_eq!(told.request(&[symbol("VWCE.DE")]).url, "https://x.test/q?i=A2PKXG");
}

#[test]
fn a_source_of_funds_is_asked_for_isins_that_may_be_funds() {
    let funds = by_isin("i={isin}", "classes = [\"fund\"]");
    for text in ["IE00BK5BQT80", "VWCE.DE"] {
        assert!(funds.covers(&symbol(text), Class::Equity) && funds.covers(&symbol(text), Class::Fund), "{text}");
    }
    let of_funds = by_isin("i={symbol}", "classes = [\"fund\"]\nformat = { fund = \"{isin}\" }");
    assert_eq!(of_funds.spell(&symbol("IE00BK5BQT80"), Class::Equity).as_deref(), Some("IE00BK5BQT80"));
    assert!(!by_isin("i={isin}", "classes = [\"crypto\"]").covers(&symbol("IE00BK5BQT80"), Class::Equity));
    let tickers = described("classes = [\"fund\"]").unwrap();
    assert!(!tickers.covers(&symbol("AAPL"), Class::Equity));
}

#[test]
fn what_is_selected_is_selected_by_its_isin_too() {
    let covers =
        |symbols: &str| by_isin("i={isin}", &format!("symbols = {symbols}")).covers(&symbol("VWCE.DE"), Class::Equity);
    assert!(covers("[\"IE00*\"]") && covers("[\"*.DE\"]") && !covers("[\"LU0*\"]"));
    assert!(!covers("[\"*\", \"!VWCE.DE\"]") && !covers("[\"*\", \"!IE00BK5BQT80\"]"));
}

#[test]
fn a_call_for_one_isin_cannot_name_several() {
    let error = described("batch = 2\nurl = \"https://x.test/{isin}\"").err().unwrap();
    assert_eq!((error.key.as_str(), error.message.contains("write {isins}")), ("batch", true));
}

/// The ISIN that begins so.
fn isin(beginning: &str) -> Symbol {
    let digits = (0..10).map(|digit| Symbol::of_isin(&format!("{beginning}{digit}")));
    digits.flatten().next().unwrap_or_else(|| panic!("{beginning}"))
}

proptest::proptest! {
    #[test]
    fn two_symbols_have_two_names_at_a_source_that_speaks_isin(
        given in proptest::collection::btree_map("(IE00|USAB|LU00)[A-F0-9]{7}", "Q[A-Z]{2}[.](DE|L|PA)", 1..6),
        others in proptest::collection::vec("DE000[A-F0-9]{6}", 0..4),
    ) {
        let mut isins: BTreeMap<Symbol, Symbol> = BTreeMap::new();
        for (beginning, ticker) in &given {
            // as the configuration requires, no two symbols are given one ISIN, and none is given two
            let (isin, ticker) = (isin(beginning), symbol(ticker));
            if isins.values().all(|known| *known != ticker) {
                isins.insert(isin, ticker);
            }
        }
        let mut source = asked_with("i={isin}", "");
        source.isins = isins.iter().map(|(isin, ticker)| (ticker.clone(), isin.to_string())).collect();
        let spelling = Spelling::new(&source).unwrap();
        let names = crate::symbol::Names::default().with_isins(isins.clone());
        let asked: BTreeSet<Symbol> = isins.iter().flat_map(|(isin, ticker)| [isin.to_string(), ticker.to_string()])
            .chain(others.iter().map(|beginning| isin(beginning).to_string()))
            .map(|text| names.read(&text).unwrap()).collect();
        let theirs: Vec<String> = asked.iter().filter_map(|symbol| spelling.spell(symbol, symbol.class())).collect();
        proptest::prop_assert_eq!(theirs.len(), asked.len());
        proptest::prop_assert_eq!(theirs.iter().collect::<BTreeSet<_>>().len(), theirs.len());
        proptest::prop_assert!(theirs.iter().all(|name| Symbol::of_isin(name).is_ok()));
    }
}

//! Finds symbols by what was typed, among the names that are known without a call, the best first.
//!
//! A symbol need not be known to be priced: what it is follows from its spelling. So a text that is spelled like a symbol is
//! found too, if a source covers it.

mod known;
pub mod rank;

use serde::Serialize;

use crate::pace::Pace;
use crate::question::{BadQuestion, LONGEST_QUERY, bad, split, too_long};
use crate::settings::Settings;
use crate::symbol::{Class, LONGEST_SHOWN, Symbol};
use rank::{Fit, Named, Ranked, Ranking};

/// The most symbols in one reply.
pub const MOST: usize = 100;

/// How many symbols a reply has if the caller does not say.
pub const USUAL: usize = 20;

/// The most symbols of which it is looked up which sources cover them.
const MOST_LOOKED_UP: usize = 1_000;

/// The parameters of a search.
const PARAMETERS: [&str; 2] = ["q", "limit"];

/// A search, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// What was typed: 1 to [`LONGEST_SHOWN`] characters without white space around them.
    typed: String,
    /// The most symbols in the reply: 1 to [`MOST`].
    limit: usize,
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Whether the prices of these symbols would be simulated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
    /// What was typed.
    pub q: String,
    /// The symbols, the best first.
    pub symbols: Vec<FoundSymbol>,
    /// Whether more symbols fit than the reply has.
    pub more: bool,
    /// If what was typed is a symbol that cannot be had here, or if none fits, one sentence that says why.
    pub detail: Option<String>,
}

/// One symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundSymbol {
    /// Its canonical spelling.
    pub symbol: String,
    /// Its class.
    pub class: Class,
    /// How it fits.
    #[serde(rename = "match")]
    pub fit: Fit,
    /// The name by which it fits, if that is not its spelling: a coin's id, an ISIN, what a source calls it.
    pub called: Option<String>,
    /// Whether it is known to a table, the configuration or a source. If not, only the text says that there is such a symbol.
    pub known: bool,
    /// The sources that are on and cover it, according to their descriptions.
    pub sources: Vec<String>,
}

impl Search {
    /// A search for what was typed, with at most `limit` symbols in the reply.
    ///
    /// # Errors
    /// The text is empty, longer than [`LONGEST_SHOWN`] characters, or holds a control character; the limit is not in 1 to
    /// [`MOST`].
    pub fn new(typed: &str, limit: usize) -> Result<Self, BadQuestion> {
        let typed = typed.trim();
        let length = typed.chars().count();
        let why = match typed.chars().find(|c| c.is_control()) {
            _ if typed.is_empty() => "q is empty; write a part of a symbol or of a coin's name, such as app".to_owned(),
            _ if length > LONGEST_SHOWN => format!("q has {length} characters; at most {LONGEST_SHOWN} are allowed"),
            Some(control) => format!("q contains {control:?}; control characters are not allowed"),
            None if (1..=MOST).contains(&limit) => return Ok(Search { typed: typed.to_owned(), limit }),
            None => return Err(bad("limit", format!("limit is {limit}; 1 to {MOST} are allowed"))),
        };
        Err(bad("q", why))
    }

    /// Reads the query of `GET /symbols`.
    ///
    /// # Errors
    /// As [`Search::new`]; and the query is longer than [`LONGEST_QUERY`], or has a parameter that is unknown or given twice.
    pub fn parse(query: &str) -> Result<Self, BadQuestion> {
        if query.len() > LONGEST_QUERY {
            return Err(too_long("query", query, LONGEST_QUERY));
        }
        let parameters = split("query", query, &PARAMETERS)?;
        let Some(typed) = parameters.get("q") else {
            return Err(bad("q", "q is missing; write a part of a symbol, such as ?q=app".to_owned()));
        };
        let limit = parameters.get("limit").map_or(Ok(USUAL), |text| {
            let whole = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
            whole.ok_or_else(|| bad("limit", format!("limit is {text:?}; whole numbers from 1 to {MOST} are allowed")))
        })?;
        Search::new(typed, limit)
    }

    /// Finds what fits among the names in the settings and the symbols that sources have `quoted` or list. What clients may not ask for, and
    /// what no source covers, is left out.
    pub async fn find<'s>(&self, settings: &'s Settings, quoted: impl IntoIterator<Item = (Symbol, &'s str)>) -> Found {
        let names = settings.names();
        let read = names.read(&self.typed);
        let mut ranking =
            Ranking::new(&self.typed, read.as_ref().ok().filter(|symbol| settings.allows(symbol)).cloned());
        let mut pace = Pace::default();
        let known: Vec<Named<'s>> = known::names(settings).chain(quoted.into_iter().map(Named::from)).collect();
        for named in known {
            let named = Named { symbol: names.meant_by(named.symbol), ..named };
            if settings.allows(&named.symbol) {
                ranking.add(named);
            }
            pace.step(1).await;
        }
        let mut symbols = Vec::new();
        for Ranked { symbol, fit, called, is_known } in ranking.sorted(MOST_LOOKED_UP) {
            let sources = settings.covering(&symbol);
            if !sources.is_empty() {
                let (class, sources) = (settings.class(&symbol), sources.into_iter().map(str::to_owned).collect());
                symbols.push(FoundSymbol { symbol: symbol.to_string(), class, fit, called, known: is_known, sources });
            }
            if symbols.len() > self.limit {
                break;
            }
            pace.step(settings.sources.len()).await;
        }
        let more = symbols.len() > self.limit;
        symbols.truncate(self.limit);
        let detail = match read {
            Ok(symbol) => settings.would_allow(&symbol),
            Err(error) => symbols.is_empty().then(|| error.to_string()),
        };
        Found { simulated: false, q: self.typed.clone(), symbols, more, detail }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::load::{LoadOptions, load};

    fn settings(text: &str) -> Settings {
        let text = Some(("test.toml".to_owned(), text.to_owned()));
        load(&LoadOptions { text, ..LoadOptions::default() }).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn found(settings: &Settings, typed: &str, quoted: &[(&str, &'static str)]) -> Found {
        let quoted = quoted.iter().map(|(text, source)| (Symbol::parse(text).unwrap(), *source));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Search::new(typed, 5).unwrap().find(settings, quoted))
    }

    fn symbols(found: &Found) -> Vec<&str> {
        found.symbols.iter().map(|found| found.symbol.as_str()).collect()
    }

    const DESK: &str =
        "[sources.desk]\nclasses = [\"equity\", \"crypto\", \"fx\"]\nurl = \"http://x.test/{symbol}\"\njq = \".\"\n";

    #[test]
    fn ids_tables_sections_and_quotes_are_known() {
        let text = format!(
            "{DESK}currencies = [\"USD\"]\n[sources.desk.ids]\nBTC = \"bitcoin\"\nETH = \"ethereum\"\nUSDT = \"tether\"\n\
             [symbols.MYFUND2]\ncurrency = \"EUR\"\nspelled = {{ desk = \"0P00X.F\" }}\n\
             [symbols.\"VWCE.DE\"]\nisin = \"IE00BK5BQT80\"\n[watch]\nsymbols = [\"NVDA\"]\n"
        );
        let settings = settings(&text);
        for (typed, first) in [
            ("bitcoin", "BTC-USD"),
            ("ethereu", "ETH-USD"),
            ("fund2", "MYFUND2"),
            ("0p00", "MYFUND2"),
            ("ie00bk5", "VWCE.DE"),
            ("isin:IE00BK5BQT80", "VWCE.DE"),
            ("nvd", "NVD"),
            ("tether", "USDT-USD"),
            ("quoted", "QUOTED"),
        ] {
            let found = found(&settings, typed, &[("QUOTED", "desk")]);
            assert_eq!(symbols(&found).first(), Some(&first), "{typed}: {found:?}");
            assert_eq!((found.symbols[0].sources.join(" ").as_str(), &found.detail), ("desk", &None), "{typed}");
        }
        let nvidia = found(&settings, "nvd", &[]);
        let said = |found: &FoundSymbol| (found.symbol.clone(), found.fit, found.known);
        assert_eq!(said(&nvidia.symbols[1]), ("NVDA".to_owned(), Fit::Prefix, true));
        assert_eq!(said(&nvidia.symbols[0]), ("NVD".to_owned(), Fit::Exact, false));
    }

    #[test]
    fn a_secret_is_not_found_letter_by_letter() {
        let text = format!("{DESK}key = \"s3cretkey\"\nspelled = {{ AAPL = \"x-s3cretkey\", MSFT = \"y-public\" }}\n")
            .replace("{symbol}", "{symbol}?k={key}");
        let settings = settings(&text);
        assert_eq!(symbols(&found(&settings, "y-pub", &[])), ["MSFT"]);
        for typed in ["x-s3", "s3cretkey", "3cretke"] {
            let found = found(&settings, typed, &[]);
            assert!(!symbols(&found).contains(&"AAPL"), "{typed}: {found:?}");
        }
        assert_eq!(found(&settings, "aapl", &[]).symbols[0].called, None);
    }

    #[test]
    fn what_a_client_may_not_ask_for_and_what_no_source_covers_is_not_found() {
        let text = format!(
            "[server]\nsymbols = [\"*\", \"!DOGE-*\"]\n{DESK}ids = {{ DOGE = \"dogecoin\", BTC = \"bitcoin\" }}\n"
        );
        let settings = settings(&text);
        assert_eq!(symbols(&found(&settings, "bitcoin", &[])), ["BTC-USD"]);
        for typed in ["dogecoin", "DOGE-USD"] {
            let found = found(&settings, typed, &[("DOGE-USD", "desk")]);
            assert!(found.symbols.iter().all(|found| !found.symbol.starts_with("DOGE-")), "{typed}: {found:?}");
        }
        let denied = found(&settings, "DOGE-USD", &[]);
        assert!(denied.detail.unwrap().contains("server.symbols"));
        let index = found(&settings, "^GSPC", &[("^GSPC", "desk")]);
        assert_eq!((symbols(&index).len(), index.detail.unwrap().contains("covers indices")), (0, true));
        let words = found(&settings, "no such thing", &[]);
        assert!(words.detail.unwrap().contains("is not spelled like a symbol"));
    }

    #[test]
    fn a_reply_has_as_many_symbols_as_asked_for_and_says_that_there_are_more() {
        let settings = settings(DESK);
        let many: Vec<(String, &'static str)> = ('A'..='Z').map(|c| (format!("QQ{c}"), "desk")).collect();
        let many: Vec<(&str, &'static str)> = many.iter().map(|(text, source)| (text.as_str(), *source)).collect();
        let found_many = found(&settings, "qq", &many);
        assert_eq!((found_many.symbols.len(), found_many.more), (5, true));
        let few = found(&settings, "qqa", &many[..1]);
        assert_eq!((few.symbols.len(), few.more), (1, false));
    }

    #[test]
    fn a_wrong_search_is_refused_by_name() {
        let field = |query: &str| Search::parse(query).err().map(|error| (error.field, error.detail));
        for (query, name, words) in [
            ("", "q", "missing"),
            ("q=", "q", "empty"),
            ("q=%20", "q", "empty"),
            ("q=a%0Ab", "q", "control"),
            ("q=a&limit=0", "limit", "1 to 100"),
            ("q=a&limit=101", "limit", "1 to 100"),
            ("q=a&limit=-1", "limit", "1 to 100"),
            ("q=a&limit=x", "limit", "whole numbers"),
            ("q=a&q=b", "q", "twice"),
            ("q=a&page=2", "page", "expected one of q, limit"),
            ("q=%ff", "q", "UTF-8"),
        ] {
            let (found, detail) = field(query).unwrap_or_else(|| panic!("{query}"));
            assert!(found == name && detail.contains(words), "{query}: {found}: {detail}");
        }
        assert!(field(&format!("q={}", "a".repeat(65))).unwrap().1.contains("65 characters"));
        assert!(field(&format!("q={}", "a".repeat(5000))).unwrap().0 == "query");
        assert_eq!(Search::parse("q=+app+&limit=100").unwrap(), Search::new("app", 100).unwrap());
    }

    proptest! {
        #[test]
        fn no_text_makes_a_search_fail(typed in "\\PC{1,64}", query in "[a-z=&%0-9+]{0,40}") {
            let settings = settings(DESK);
            if let Ok(search) = Search::new(&typed, 3) {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let found = runtime.block_on(search.find(&settings, [(Symbol::parse("AAPL").unwrap(), "desk")]));
                prop_assert!(found.symbols.len() <= 3 && (!found.symbols.is_empty() || found.detail.is_some()));
            }
            let _ = Search::parse(&query);
        }
    }
}

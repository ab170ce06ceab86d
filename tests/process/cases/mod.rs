//! Cases from practice: wrong currencies, old trades, dead markets, misread refusals. Each runs through the real program against
//! a vendor on loopback, and ends in the right price or an honest refusal.

mod bodies;
mod book;
mod clock;
mod currency;
mod failures;
mod first_answers;
mod hours;
mod isins;
mod numbers;
mod refusals;
mod search;
mod spellings;

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{After, Call, Configuration, Program, Reply, Upstream, get};

/// The program over vendors whose replies come from one script.
pub(crate) struct Case {
    /// The vendors, and the requests that they got.
    pub(crate) vendors: Upstream,
    /// Where the program listens.
    pub(crate) address: SocketAddr,
    /// The program itself.
    pub(crate) program: Program,
}

impl Case {
    /// The program with this configuration, in which `VENDORS` stands for the address of the vendors, as in
    /// `base_url = "http://VENDORS/kraken"`. The script is called for each request that a vendor gets.
    pub(crate) fn new(configuration: &str, script: impl Fn(&mut Call<'_>) -> After + Send + Sync + 'static) -> Self {
        let vendors = Upstream::new(script);
        let configuration = configuration.replace("VENDORS", &vendors.address.to_string());
        let (program, address) = Program::serve(&Configuration::new(&configuration), &[]);
        Case { vendors, address, program }
    }

    /// Own sources of a class with replies from a table, each described as in [`own`]. Without a reply in the table, a source
    /// replies with an empty object.
    pub(crate) fn of_own(class: &str, says: &'static [(&'static str, &'static str)]) -> Self {
        let sources: String = says.iter().map(|(name, _)| own(name, class)).collect();
        Case::new(&sources, |call| {
            let source = source_of(call);
            let body = says.iter().find(|(name, _)| *name == source).map_or("{}", |(_, body)| body);
            call.json(body)
        })
    }

    /// Asks for a path.
    pub(crate) fn get(&self, target: &str) -> Reply {
        get(self.address, target)
    }

    /// The entry of one symbol.
    pub(crate) fn entry(&self, symbol: &str) -> Value {
        self.get(&format!("/prices?symbols={}", symbol.replace('^', "%5E"))).entry(symbol)
    }
}

/// An own source, one symbol per call, that replies with
/// `{p: price, b: bid, a: ask, c: currency, v: volume, t: unix seconds}`.
pub(crate) fn own(name: &str, class: &str) -> String {
    let jq = "{price: .p, bid: .b, ask: .a, currency: .c, volume: .v, at: .t}";
    format!("\n[sources.{name}]\nclasses = [\"{class}\"]\nurl = \"http://VENDORS/{name}/{{symbol}}\"\njq = \"{jq}\"\n")
}

/// The first part of the requested path: the name of the source.
pub(crate) fn source_of<'c>(call: &'c Call<'_>) -> &'c str {
    call.target().split(['/', '?']).nth(1).unwrap_or_default()
}

/// Asserts price, currency and status of an entry; `None`: there must be no price.
pub(crate) fn assert_priced(entry: &Value, price: Option<&str>, currency: Option<&str>, status: &str) {
    let text = |field: &str| entry[field].as_str();
    let reason = text("reason").map_or_else(String::new, |reason| format!(" / {reason}"));
    let said = format!("{}{reason}", text("status").unwrap_or_default());
    assert_eq!((text("price"), text("currency"), said.as_str()), (price, currency, status), "{entry:#}");
}

/// Status and reason of a source's quote in an entry, as in "excluded / outlier".
pub(crate) fn verdict(entry: &Value, source: &str) -> String {
    let quote = entry["quotes"].as_array().into_iter().flatten().find(|quote| quote["source"] == source);
    let quote = quote.unwrap_or_else(|| panic!("no quote of {source}: {entry:#}"));
    match quote["reason"].as_str() {
        Some(reason) => format!("{} / {reason}", quote["status"].as_str().unwrap_or_default()),
        None => quote["status"].as_str().unwrap_or_default().to_owned(),
    }
}

#[test]
fn two_sources_that_agree_make_a_price() {
    let case = Case::of_own("equity", &[("a", r#"{"p":"40.1"}"#), ("b", r#"{"p":"40.2"}"#)]);
    let entry = case.entry("AAPL");
    assert_priced(&entry, Some("40.15"), Some("USD"), "ok");
    assert_eq!(verdict(&entry, "a"), "used");
    assert!(case.vendors.calls() >= 2);
}

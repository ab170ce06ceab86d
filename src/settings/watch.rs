//! `[watch]`: the symbols that are kept fresh without a request.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Settings;
use super::error::Report;
use crate::symbol::{Names, Symbol};
use crate::units::{Span, as_text};

/// The section `[watch]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchSettings {
    /// The symbols, each once; up to 1000.
    #[serde(serialize_with = "write_symbols", deserialize_with = "read_symbols")]
    pub symbols: Vec<Symbol>,
    /// How often they are refreshed; a second to a day.
    #[serde(with = "as_text::span")]
    pub every: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        WatchSettings { symbols: Vec::new(), every: Duration::from_secs(30) }
    }
}

/// The shortest `every`. Prices that are needed more often need a stream.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest `every`. A symbol that is refreshed less than once a day is not kept fresh.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The most symbols: the board has room for the quotes of some forty sources about this many.
const MOST: usize = 1_000;

impl WatchSettings {
    /// Replaces every ISIN that a symbol has been given by that symbol, which is what clients get when they ask for the ISIN.
    pub(super) fn resolve(&mut self, names: &Names) {
        let mut symbols = Vec::new();
        for symbol in self.symbols.drain(..).map(|symbol| names.meant_by(symbol)) {
            if !symbols.contains(&symbol) {
                symbols.push(symbol);
            }
        }
        self.symbols = symbols;
    }

    /// Checks the section; `settings` knows which symbols are allowed.
    pub(super) fn check(&self, settings: &Settings, report: &mut Report<'_>) {
        report.unless(
            (SHORTEST..=LONGEST).contains(&self.every),
            &["watch", "every"],
            format!("{} is out of range; write {} to {}", Span(self.every), Span(SHORTEST), Span(LONGEST)),
        );
        let count = self.symbols.len();
        report.unless(
            count <= MOST,
            &["watch", "symbols"],
            format!("{count} symbols are too many to watch; write {MOST} or fewer"),
        );
        let names = settings.names();
        for symbol in self.symbols.iter().filter(|symbol| symbol.is_only_a_name() && !names.contains(symbol)) {
            if let Err(error) = Symbol::parse(symbol.as_str()) {
                report.at(&["watch", "symbols"], error.to_string());
            }
        }
        let refused: Vec<&str> =
            self.symbols.iter().filter(|symbol| !settings.allows(symbol)).map(Symbol::as_str).collect();
        report.unless(
            refused.is_empty(),
            &["watch", "symbols"],
            format!("server.symbols does not allow {}; add a pattern there, or remove it here", refused.join(", ")),
        );
    }
}

fn write_symbols<S: Serializer>(symbols: &[Symbol], into: S) -> Result<S::Ok, S::Error> {
    into.collect_seq(symbols.iter().map(Symbol::as_str))
}

/// The symbols, each once.
fn read_symbols<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Symbol>, D::Error> {
    let mut symbols = Vec::new();
    for text in Vec::<String>::deserialize(from)? {
        // whether a name is defined, the check knows
        let symbol = Symbol::named(&text).map_err(D::Error::custom)?;
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    Ok(symbols)
}

//! `[watch]`: the symbols that are kept fresh without a request.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Settings;
use super::effects::remark_on_names;
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
        remark_on_names(self.symbols.iter().map(Symbol::as_str), &["watch", "symbols"], report);
        let refused: Vec<&str> =
            self.symbols.iter().filter(|symbol| !settings.allows(symbol)).map(Symbol::as_str).collect();
        let uncovered: Vec<&str> =
            self.symbols.iter().filter(|symbol| settings.covering(symbol).is_empty()).map(Symbol::as_str).collect();
        if !uncovered.is_empty() && report.is_fine() {
            let message =
                format!("no source that is on quotes {}; `quotefold sources` says what does", uncovered.join(", "));
            report.remark(&["watch", "symbols"], message);
        }
        report.unless(
            refused.is_empty() || !report.was_read(&["server", "symbols"]),
            &["watch", "symbols"],
            format!("server.symbols does not allow {}; add a pattern there, or remove it here", refused.join(", ")),
        );
    }
}

fn write_symbols<S: Serializer>(symbols: &[Symbol], into: S) -> Result<S::Ok, S::Error> {
    into.collect_seq(symbols.iter().map(Symbol::as_str))
}

/// A symbol as the list names it. Whether a name is defined, the check knows.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Named(Symbol);

impl TryFrom<String> for Named {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Symbol::named(&text).map(Named).map_err(|error| error.to_string())
    }
}

/// The symbols, each once.
fn read_symbols<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Symbol>, D::Error> {
    let mut symbols = Vec::new();
    for Named(symbol) in Vec::<Named>::deserialize(from)? {
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    Ok(symbols)
}

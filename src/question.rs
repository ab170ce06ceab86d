//! Reads what a caller wants to know: every bound on a query, and every reason to refuse one, lives here.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::clock::Moment;
use crate::source::share::Patience;
use crate::symbol::{Currency, Symbol};
use crate::units::Span;

/// The longest query that is read, in bytes.
pub const LONGEST_QUERY: usize = 4096;

/// What one symbol may take of a form, in bytes: 32 characters behind percent signs, and a comma.
const LONGEST_IN_FORM: usize = 100;

/// The longest form that is read, in bytes: room for the longest query and for as many symbols as one request may ask for.
pub const fn longest_form(max_symbols: usize) -> usize {
    LONGEST_QUERY + LONGEST_IN_FORM.saturating_mul(max_symbols)
}

/// The shortest time a client may wait.
pub const SHORTEST_TIMEOUT: Duration = Duration::from_millis(50);

/// A query, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The symbols, each once, in the order of their first mention.
    pub symbols: Vec<Symbol>,
    /// What was rewritten: as it was asked, and as it is spelled.
    pub renamed: BTreeMap<String, Symbol>,
    /// The currency prices are wanted in, if not in their own.
    pub currency: Option<Currency>,
    /// When the question was asked.
    pub arrived: Moment,
    /// How long the caller waits.
    pub timeout: Duration,
    /// The age from which on a quote is fetched anew, if the caller says so.
    pub refresh_after: Option<Duration>,
    /// The age beyond which no quote may be used, if the caller says so.
    pub max_age: Option<Duration>,
    /// What the caller calls a success.
    pub require: Require,
    /// Only these sources, if the caller says so.
    pub sources: Option<Vec<String>>,
    /// Whether the caller wants the proof.
    pub quotes: bool,
    /// Whether the caller waits for its turn at a scarce source.
    pub patience: Patience,
    /// Who asks; `None` if it is the service itself.
    pub caller: Option<Caller>,
}

/// What a caller calls a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Require {
    /// At least one symbol is priced.
    #[default]
    Any,
    /// Every symbol is.
    All,
    /// Every symbol is, and nothing is degraded.
    Ok,
}

/// What a question is checked against.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Symbols in one request.
    pub max_symbols: usize,
    /// How long a client waits unless it says otherwise.
    pub timeout: Duration,
    /// The longest it may ask to wait.
    pub max_timeout: Duration,
    /// The sources there are.
    pub sources: Vec<String>,
}

/// A query that is refused: which parameter, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct BadQuestion {
    /// The parameter; `query` or `form` for the whole of it.
    pub field: String,
    /// One sentence with the value that was found and the way out.
    pub detail: String,
}

/// The parameters that a question about several symbols takes.
const PARAMETERS: [&str; 8] =
    ["symbols", "currency", "timeout", "refresh_after", "max_age", "require", "sources", "quotes"];

impl Question {
    /// Reads the query of `GET /prices`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(query: &str, bounds: &Bounds, arrived: Moment) -> Result<Self, BadQuestion> {
        if query.len() > LONGEST_QUERY {
            let BadQuestion { field, detail } = too_long("query", query, LONGEST_QUERY);
            return Err(bad(&field, format!("{detail}; send a longer list as a form, with POST /prices")));
        }
        Self::of_many(&split("query", query, &PARAMETERS)?, bounds, arrived)
    }

    /// Reads the form of `POST /prices`: the same parameters, and room for as many symbols as may be asked for.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse_form(form: &str, bounds: &Bounds, arrived: Moment) -> Result<Self, BadQuestion> {
        let longest = longest_form(bounds.max_symbols);
        if form.len() > longest {
            return Err(too_long("form", form, longest));
        }
        Self::of_many(&split("form", form, &PARAMETERS)?, bounds, arrived)
    }

    fn of_many(parameters: &BTreeMap<String, String>, bounds: &Bounds, arrived: Moment) -> Result<Self, BadQuestion> {
        let Some(symbols) = parameters.get("symbols") else {
            return Err(bad(
                "symbols",
                "symbols is missing; ask for one or more, such as ?symbols=AAPL,BTC-USD".to_owned(),
            ));
        };
        let texts: Vec<&str> = symbols.split(',').collect();
        Self::build(&texts, parameters, bounds, arrived)
    }

    /// Reads the path and query of `GET /prices/{symbol}`.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn parse_one(symbol: &str, query: &str, bounds: &Bounds, arrived: Moment) -> Result<Self, BadQuestion> {
        if symbol.contains(',') {
            return Err(bad(
                "symbol",
                format!("one symbol stands in the path; ask for several with /prices?symbols={symbol}"),
            ));
        }
        // what is one parameter of many there is the path itself here
        let in_path = |error: BadQuestion| match error.field.as_str() {
            "symbols" => bad("symbol", error.detail),
            _ => error,
        };
        if query.len() > LONGEST_QUERY {
            return Err(too_long("query", query, LONGEST_QUERY));
        }
        let parameters = split("query", query, &PARAMETERS[1..])?;
        Self::build(&[symbol], &parameters, bounds, arrived).map_err(in_path)
    }

    fn build(
        texts: &[&str],
        parameters: &BTreeMap<String, String>,
        bounds: &Bounds,
        arrived: Moment,
    ) -> Result<Self, BadQuestion> {
        let (symbols, renamed) = read_symbols(texts, bounds.max_symbols)?;
        let get = |name: &str| parameters.get(name).map(String::as_str);
        let span = |name: &str| get(name).map(|text| read_span(name, text)).transpose();
        let timeout = span("timeout")?.unwrap_or(bounds.timeout);
        if !(SHORTEST_TIMEOUT..=bounds.max_timeout).contains(&timeout) {
            let (shortest, longest) = (Span(SHORTEST_TIMEOUT), Span(bounds.max_timeout));
            return Err(bad("timeout", format!("timeout is {}; {shortest} to {longest} are allowed", Span(timeout))));
        }
        Ok(Question {
            symbols,
            renamed,
            currency: get("currency").map(read_currency).transpose()?,
            arrived,
            timeout,
            refresh_after: span("refresh_after")?,
            max_age: span("max_age")?,
            require: match get("require") {
                None | Some("any") => Require::Any,
                Some("all") => Require::All,
                Some("ok") => Require::Ok,
                Some(other) => {
                    return Err(bad("require", format!("require is {other:?}; any, all and ok are allowed")));
                }
            },
            sources: get("sources").map(|names| read_sources(names, &bounds.sources)).transpose()?,
            quotes: match get("quotes") {
                None | Some("true") => true,
                Some("false") => false,
                Some(other) => return Err(bad("quotes", format!("quotes is {other:?}; true and false are allowed"))),
            },
            patience: Patience::Waits,
            caller: None,
        })
    }

    /// The question of somebody who keeps symbols fresh, and only tries.
    pub fn trying(symbols: Vec<Symbol>, refresh_after: Duration, arrived: Moment, timeout: Duration) -> Self {
        Question {
            symbols,
            renamed: BTreeMap::new(),
            currency: None,
            arrived,
            timeout,
            refresh_after: Some(refresh_after),
            max_age: None,
            require: Require::Any,
            sources: None,
            quotes: true,
            patience: Patience::OnlyTries,
            caller: None,
        }
    }

    /// The same question, asked by this caller.
    pub fn asked_by(self, caller: Option<Caller>) -> Self {
        Question { caller, ..self }
    }

    /// The same question about its first symbols alone.
    pub fn about_the_first(&self, count: usize) -> Self {
        let symbols = self.symbols.iter().take(count).cloned().collect();
        Question { symbols, renamed: BTreeMap::new(), ..self.clone() }
    }

    /// When the caller's patience ends.
    pub fn deadline(&self) -> Instant {
        self.arrived.monotonic + self.timeout
    }

    /// Whether the caller lets a source take part.
    pub fn lets_in(&self, source: &str) -> bool {
        self.sources.as_ref().is_none_or(|names| names.iter().any(|name| name == source))
    }
}

fn bad(field: &str, detail: String) -> BadQuestion {
    BadQuestion { field: field.to_owned(), detail }
}

/// `whole` says what is too long: `query` or `form`.
fn too_long(whole: &str, text: &str, longest: usize) -> BadQuestion {
    bad(whole, format!("the {whole} has {} bytes; {longest} are allowed", text.len()))
}

/// Takes a query or a form (`whole` says which) apart. Unknown and repeated parameters are refused: a typo never silently
/// means the default.
fn split(whole: &str, query: &str, allowed: &[&str]) -> Result<BTreeMap<String, String>, BadQuestion> {
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(whole, name)?, decode(name, value)?);
        if !allowed.contains(&name.as_str()) {
            return Err(bad(&name, format!("there is no parameter {name:?}; there are {}", allowed.join(", "))));
        }
        if parameters.insert(name.clone(), value).is_some() {
            return Err(bad(&name, format!("{name} is given twice; give it once")));
        }
    }
    Ok(parameters)
}

fn decode(field: &str, text: &str) -> Result<String, BadQuestion> {
    // a plus is a space in queries, and no symbol holds one: it is refused below by name
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(Into::into).map_err(|_| bad(field, format!("{text:?} is not UTF-8 behind its percent signs")))
}

fn read_symbols(texts: &[&str], most: usize) -> Result<(Vec<Symbol>, BTreeMap<String, Symbol>), BadQuestion> {
    let mut symbols = Vec::new();
    let mut seen = HashSet::new();
    let mut renamed = BTreeMap::new();
    for text in texts {
        let symbol = Symbol::parse(text).map_err(|error| bad("symbols", error.to_string()))?;
        if symbol.as_str() != *text {
            renamed.insert((*text).to_owned(), symbol.clone());
        }
        if seen.insert(symbol.clone()) {
            symbols.push(symbol);
        }
        if symbols.len() > most {
            return Err(bad("symbols", format!("more than {most} symbols; ask for them in several requests")));
        }
    }
    Ok((symbols, renamed))
}

fn read_currency(text: &str) -> Result<Currency, BadQuestion> {
    Currency::asked_for(text).map_err(|why| bad("currency", format!("currency is {text:?}{why}")))
}

fn read_span(name: &str, text: &str) -> Result<Duration, BadQuestion> {
    Span::parse(text).map(|span| span.0).map_err(|detail| bad(name, format!("{name}: {detail}")))
}

fn read_sources(names: &str, there_are: &[String]) -> Result<Vec<String>, BadQuestion> {
    let mut sources = Vec::new();
    for name in names.split(',') {
        if !there_are.iter().any(|there_is| there_is == name) {
            let list = there_are.join(", ");
            return Err(bad("sources", format!("there is no source {name:?} switched on; there are {list}")));
        }
        if !sources.iter().any(|source| source == name) {
            sources.push(name.to_owned());
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests;

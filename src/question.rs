//! Reads and checks queries. Every bound on a query and every reason to refuse one is here.

mod format;
mod parameters;
mod stream;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::caller::Caller;
use crate::clock::Moment;
use crate::settings::ServerSettings;
use crate::settings::class::Refresh;
use crate::source::coalescer::Patience;
use crate::symbol::{Currency, Names, Symbol, shown};
use crate::units::{Span, WaitFor};
use format::FormatParameters;
pub use format::{Accepted, DecimalSign, Dialect, Format};
use parameters::PARAMETERS;
pub(crate) use parameters::split;
pub use stream::{Changes, StreamQuestion};

/// The longest query that is read, in bytes.
pub const LONGEST_QUERY: usize = 4096;

/// The most bytes that one symbol takes in a form: 32 percent-encoded characters and a comma.
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
    /// The symbols, each once, in the order in which they are first mentioned. With `not_symbols`, at least one.
    pub symbols: Vec<Symbol>,
    /// What is not understood as a symbol, each text once, in the same order.
    pub not_symbols: Vec<NotASymbol>,
    /// The symbols that were rewritten: as the caller spelled them, and in their canonical spelling.
    pub renamed: BTreeMap<String, Symbol>,
    /// The currency to convert prices into; `None` leaves each in its own.
    pub currency: Option<Currency>,
    /// When the question arrived.
    pub arrived: Moment,
    /// How long the caller waits, from [`SHORTEST_TIMEOUT`] to [`Bounds::max_timeout`].
    pub timeout: Duration,
    /// How long the caller waits for sources once enough of them agree, up to [`Bounds::max_timeout`].
    pub wait: WaitFor,
    /// The age from which on a quote is fetched anew; `None` for that of its class.
    pub refresh_after: Option<Duration>,
    /// Whether the caller waits for quotes that are due although those on the board make good prices; `None` for what the classes
    /// say.
    pub refresh: Option<Refresh>,
    /// The age beyond which no quote may be used; `None` if the caller sets no limit.
    pub max_age: Option<Duration>,
    /// What counts as a success for the caller.
    pub require: Require,
    /// The only sources that may take part; `None` for all.
    pub sources: Option<Vec<String>>,
    /// Whether the caller wants the proof.
    pub quotes: bool,
    /// What it says of the format of its answer, which decides on nothing but the writing.
    pub(crate) format_parameters: FormatParameters,
    /// Whether the caller waits until a scarce source has room.
    pub patience: Patience,
    /// Who asks; `None` for the service itself.
    pub caller: Option<Caller>,
}

/// A text that is not understood as a symbol. It is answered by an entry of its own, and costs the others nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotASymbol {
    /// Its place among the symbols and all such texts, from 0.
    pub place: usize,
    /// The text as it was typed, cut at [`LONGEST_SHOWN`](crate::symbol::LONGEST_SHOWN) characters.
    pub text: String,
    /// One sentence: why it is no symbol, and what was probably meant.
    pub detail: String,
}

/// What counts as a success for a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Require {
    /// At least one symbol has a price.
    #[default]
    Any,
    /// Every symbol has a price.
    All,
    /// Every symbol has a price that is not degraded.
    Ok,
}

/// The bounds that a question is checked against.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The most symbols in one request.
    pub max_symbols: usize,
    /// The timeout of a query that states none.
    pub timeout: Duration,
    /// The longest timeout that a query may state.
    pub max_timeout: Duration,
    /// How a query that states nothing else waits for its sources.
    pub wait: WaitFor,
    /// The names of the sources that are switched on.
    pub sources: Vec<String>,
    /// The names that the user has defined for symbols.
    pub names: Names,
}

/// Why a query is refused: which parameter is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct BadQuestion {
    /// The parameter, or `query` or `form` if it is the whole of it.
    pub field: String,
    /// One sentence with the value that was found and what to do.
    pub detail: String,
}

impl Bounds {
    /// The bounds that the settings of a server state, with these sources and names.
    pub fn of(server: &ServerSettings, sources: Vec<String>, names: Names) -> Self {
        let ServerSettings { max_symbols, timeout, max_timeout, wait, .. } = *server;
        Bounds { max_symbols, timeout, max_timeout, wait, sources, names }
    }
}

impl Default for Bounds {
    /// Those of the built-in settings, without sources and names.
    fn default() -> Self {
        Bounds::of(&ServerSettings::default(), Vec::new(), Names::default())
    }
}

impl Question {
    /// Reads the query of `GET /prices`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quotefold::clock::Clock;
    /// use quotefold::question::{Bounds, Question, Require};
    ///
    /// let bounds = Bounds { sources: vec!["coinbase".to_owned()], ..Bounds::default() };
    /// let read = |query| Question::parse(query, &bounds, Clock::system().now());
    ///
    /// let question = read("symbols=AAPL,btc-usd&require=all")?;
    /// assert_eq!(question.symbols[1].as_str(), "BTC-USD");
    /// assert_eq!((question.require, question.timeout), (Require::All, Duration::from_secs(2)));
    /// assert_eq!(read("symbols=AAPL,not a symbol")?.not_symbols[0].text, "not a symbol");
    /// assert_eq!(read("symbols=AAPL&timeout=60s").unwrap_err().field, "timeout");
    /// # Ok::<(), quotefold::question::BadQuestion>(())
    /// ```
    ///
    /// # Errors
    /// The query is longer than [`LONGEST_QUERY`], asks for nothing or for too much, holds a control character, or has a parameter
    /// that is unknown, given twice or out of its bounds. The error is about the first of these.
    pub fn parse(query: &str, bounds: &Bounds, arrived: Moment) -> Result<Self, BadQuestion> {
        if query.len() > LONGEST_QUERY {
            let BadQuestion { field, detail } = too_long("query", query, LONGEST_QUERY);
            return Err(bad(&field, format!("{detail}; send a longer list as a form, with POST /prices")));
        }
        Self::of_many(&split("query", query, &PARAMETERS)?, bounds, arrived)
    }

    /// Reads the form of `POST /prices`: the same parameters, with room for as many symbols as one request may ask for.
    ///
    /// # Errors
    /// As [`Question::parse`], with the bound of [`longest_form`].
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
    /// As [`Question::parse`]; and the path holds more than one symbol, or the query has `symbols`.
    pub fn parse_one(symbol: &str, query: &str, bounds: &Bounds, arrived: Moment) -> Result<Self, BadQuestion> {
        if symbol.contains(',') {
            return Err(bad(
                "symbol",
                format!("the path takes one symbol; ask for several with /prices?symbols={symbol}"),
            ));
        }
        // here the symbol is the path, not a parameter
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
        let Read { symbols, not_symbols, renamed } = Read::all(texts, bounds)?;
        let get = |name: &str| parameters.get(name).map(String::as_str);
        let span = |name: &str| get(name).map(|text| read_span(name, text)).transpose();
        let timeout = span("timeout")?.unwrap_or(bounds.timeout);
        if !(SHORTEST_TIMEOUT..=bounds.max_timeout).contains(&timeout) {
            let (shortest, longest) = (Span(SHORTEST_TIMEOUT), Span(bounds.max_timeout));
            return Err(bad("timeout", format!("timeout is {}; {shortest} to {longest} are allowed", Span(timeout))));
        }
        let (refresh_after, max_age) = (span("refresh_after")?, span("max_age")?);
        let refresh = get("refresh").map(read_refresh).transpose()?;
        if refresh == Some(Refresh::Background) && asks_for_fresh(refresh_after, max_age) {
            return Err(contradiction(max_age));
        }
        Ok(Question {
            symbols,
            not_symbols,
            renamed,
            currency: get("currency").map(read_currency).transpose()?,
            arrived,
            timeout,
            wait: get("wait").map(|text| read_wait(text, bounds)).transpose()?.unwrap_or(bounds.wait),
            refresh_after,
            refresh,
            max_age,
            require: match get("require") {
                None | Some("any") => Require::Any,
                Some("all") => Require::All,
                Some("ok") => Require::Ok,
                Some(other) => {
                    return Err(bad("require", format!("require is {other:?}; any, all and ok are allowed")));
                }
            },
            sources: get("sources").map(|names| read_sources(names, &bounds.sources)).transpose()?,
            quotes: get("quotes").map(read_quotes).transpose()?.unwrap_or(true),
            format_parameters: FormatParameters::read(parameters)?,
            patience: Patience::Waits,
            caller: None,
        })
    }

    /// The question of the watch list, which keeps symbols fresh: it takes what can be had at once, and waits for no limit.
    pub fn trying(symbols: Vec<Symbol>, refresh_after: Duration, arrived: Moment, timeout: Duration) -> Self {
        Question {
            symbols,
            not_symbols: Vec::new(),
            renamed: BTreeMap::new(),
            currency: None,
            arrived,
            timeout,
            wait: WaitFor::All,
            refresh_after: Some(refresh_after),
            refresh: None,
            max_age: None,
            require: Require::Any,
            sources: None,
            quotes: true,
            format_parameters: FormatParameters::default(),
            patience: Patience::OnlyTries,
            caller: None,
        }
    }

    /// The same question, asked by this caller.
    pub fn asked_by(self, caller: Option<Caller>) -> Self {
        Question { caller, ..self }
    }

    /// The same question about its first symbols alone.
    pub(crate) fn about_the_first(&self, count: usize) -> Self {
        let symbols = self.symbols.iter().take(count).cloned().collect();
        Question { symbols, not_symbols: Vec::new(), renamed: BTreeMap::new(), ..self.clone() }
    }

    /// In which format its answer is written. `accepted` is what the request's header prefers; the parameter wins.
    ///
    /// # Errors
    /// A parameter that the format does not have; or more than one symbol, where the format has room for one price.
    pub fn format(&self, accepted: Accepted) -> Result<Format, BadQuestion> {
        self.format_parameters.format(accepted, self.symbols.len() + self.not_symbols.len())
    }

    /// When the caller's time is over.
    pub fn deadline(&self) -> Instant {
        self.arrived.monotonic + self.timeout
    }

    /// Whether another question asks for the same on the same terms, whenever it came, from whichever caller, and in whichever
    /// format.
    pub(crate) fn asks_the_same_as(&self, other: &Question) -> bool {
        // named one by one, so that no field is forgotten
        let Question {
            symbols,
            not_symbols,
            renamed,
            currency,
            arrived: _,
            timeout,
            wait,
            refresh_after,
            refresh,
            max_age,
            require,
            sources,
            quotes,
            format_parameters: _,
            patience,
            caller: _,
        } = self;
        *symbols == other.symbols
            && (not_symbols, renamed, currency) == (&other.not_symbols, &other.renamed, &other.currency)
            && (timeout, wait, patience) == (&other.timeout, &other.wait, &other.patience)
            && (refresh_after, refresh, max_age) == (&other.refresh_after, &other.refresh, &other.max_age)
            && (require, sources, quotes) == (&other.require, &other.sources, &other.quotes)
    }

    /// Whether the caller asks for fresh quotes, in a way that leaves no room for fetching them behind the answer.
    pub(crate) fn wants_fresh(&self) -> bool {
        asks_for_fresh(self.refresh_after, self.max_age)
    }

    /// Whether a source may take part.
    pub(crate) fn lets_in(&self, source: &str) -> bool {
        self.sources.as_ref().is_none_or(|names| names.iter().any(|name| name == source))
    }
}

/// A refusal of a parameter.
pub(crate) fn bad(field: &str, detail: String) -> BadQuestion {
    BadQuestion { field: field.to_owned(), detail }
}

/// `whole` says what is too long: `query` or `form`.
pub(crate) fn too_long(whole: &str, text: &str, longest: usize) -> BadQuestion {
    bad(whole, format!("the {whole} has {} bytes; at most {longest} are allowed", text.len()))
}

/// The texts of a question, read.
#[derive(Default)]
struct Read {
    symbols: Vec<Symbol>,
    not_symbols: Vec<NotASymbol>,
    renamed: BTreeMap<String, Symbol>,
}

impl Read {
    fn all(texts: &[&str], bounds: &Bounds) -> Result<Self, BadQuestion> {
        let mut read = Read::default();
        let (mut seen, mut not_understood) = (HashSet::new(), HashSet::new());
        for text in texts.iter().map(|text| text.trim()) {
            let place = read.symbols.len() + read.not_symbols.len();
            match bounds.names.read(text) {
                Ok(symbol) => {
                    if symbol.as_str() != text {
                        read.renamed.insert(text.to_owned(), symbol.clone());
                    }
                    if seen.insert(symbol.clone()) {
                        read.symbols.push(symbol);
                    }
                }
                Err(error) if error.is_of_query() => return Err(bad("symbols", error.to_string())),
                Err(error) => {
                    let text = shown(text).to_owned();
                    if not_understood.insert(text.clone()) {
                        read.not_symbols.push(NotASymbol { place, text, detail: error.to_string() });
                    }
                }
            }
            if read.symbols.len() + read.not_symbols.len() > bounds.max_symbols {
                let most = bounds.max_symbols;
                return Err(bad("symbols", format!("more than {most} symbols; split them over several requests")));
            }
        }
        Ok(read)
    }
}

fn read_currency(text: &str) -> Result<Currency, BadQuestion> {
    Currency::asked_for(text).map_err(|why| bad("currency", format!("currency is {text:?}{why}")))
}

fn read_quotes(text: &str) -> Result<bool, BadQuestion> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(bad("quotes", format!("quotes is {other:?}; true and false are allowed"))),
    }
}

fn read_span(name: &str, text: &str) -> Result<Duration, BadQuestion> {
    Span::parse(text).map(|span| span.0).map_err(|detail| bad(name, format!("{name}: {detail}")))
}

fn asks_for_fresh(refresh_after: Option<Duration>, max_age: Option<Duration>) -> bool {
    refresh_after == Some(Duration::ZERO) || max_age.is_some()
}

/// The refusal of `refresh=background` beside a parameter that asks for fresh quotes.
fn contradiction(max_age: Option<Duration>) -> BadQuestion {
    let other = if max_age.is_some() { "max_age" } else { "refresh_after=0s" };
    let does = "refresh=background does not wait for fresh quotes";
    bad("refresh", format!("{does}, but {other} asks for them; leave one of the two out"))
}

fn read_refresh(text: &str) -> Result<Refresh, BadQuestion> {
    match text {
        "awaited" => Ok(Refresh::Awaited),
        "background" => Ok(Refresh::Background),
        other => Err(bad("refresh", format!("refresh is {other:?}; awaited and background are allowed"))),
    }
}

fn read_wait(text: &str, bounds: &Bounds) -> Result<WaitFor, BadQuestion> {
    let wait = WaitFor::parse(text).map_err(|detail| bad("wait", format!("wait: {detail}")))?;
    let longest = bounds.max_timeout;
    match wait.after_quorum() {
        Some(after) if after > longest => {
            Err(bad("wait", format!("wait is {}; at most {} after the quorum is allowed", Span(after), Span(longest))))
        }
        _ => Ok(wait),
    }
}

fn read_sources(names: &str, known: &[String]) -> Result<Vec<String>, BadQuestion> {
    let mut sources = Vec::new();
    for name in names.split(',') {
        if !known.iter().any(|known| known == name) {
            let list = known.join(", ");
            return Err(bad("sources", format!("no source {name:?} is switched on; choose from {list}")));
        }
        if !sources.iter().any(|source| source == name) {
            sources.push(name.to_owned());
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests;

//! Turns a reply into quotes: body → JSON → jq → rows → one outcome per symbol that was asked for.
//!
//! A symbol's outcome is decided by the first of these that applies: its own row; a failure of the whole call that the
//! filter names; in a reply that claims success, a failure to parse the body or run the filter. If no row explains a
//! status outside 2xx, the status itself decides.

pub mod explain;
mod factors;
mod number;
mod readings;
mod row;
mod status;
mod time;
mod until;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use self::row::{Context, Row};
use self::status::Statuses;
use self::time::Times;
use super::filter::{CpuTimer, Filter, Fuel, MOST_ROWS, Rows, RunError};
use super::instruments::InstrumentReader;
use super::scrub::Scrub;
use super::spelling::{DescriptionError, Spelling};
use crate::decimal::DecimalMark;
use crate::failure::{Scope, SourceError};
use crate::provider::description::{Layout, SourceSettings};
use crate::quote::Quote;
use crate::symbol::SetClasses;
use crate::symbol::{Class, Currency, Symbol};

/// The sign of the yen in Japan and of the yuan in China.
const YEN_OR_YUAN: &str = "¥";

/// The HTTP status of a call that was understood and refused.
const FORBIDDEN: u16 = 403;

/// A reply as it came off the wire.
#[derive(Clone, Debug)]
pub struct RawReply {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
    /// How long the `Retry-After` header asks us to stay away, if there is one that can be read.
    pub retry_after: Option<Duration>,
    /// The target of a redirect: scheme, host and path.
    pub redirect: Option<String>,
    /// When the vendor's server says that it replied: its `Date` header.
    pub date: Option<Timestamp>,
    /// When the reply was complete.
    pub received_at: Timestamp,
    /// How long the call took.
    pub latency: Duration,
}

impl RawReply {
    /// A reply of which only the status and the body matter: an example, or one that a test makes up. Its latency is
    /// zero.
    pub fn bare(status: u16, body: impl Into<Vec<u8>>, received_at: Timestamp) -> Self {
        let body = body.into();
        RawReply { status, body, retry_after: None, redirect: None, date: None, received_at, latency: Duration::ZERO }
    }
}

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// Exactly one outcome per symbol that was asked for, in the order of the question.
    pub outcomes: Vec<(Symbol, Result<Quote, SourceError>)>,
    /// How many rows were about symbols that were not asked for.
    pub ignored: usize,
}

/// Reads one source's replies. Made once per source; it keeps no state between replies.
pub struct Extractor {
    filter: Filter,
    spelling: Spelling,
    scrub: Scrub,
    units: BTreeMap<String, String>,
    multiplied: BTreeMap<String, u64>,
    layout: Layout,
    decimal: Option<DecimalMark>,
    statuses: Statuses,
    instruments: Option<InstrumentReader>,
}

/// A symbol that was asked for, and what the reply has said about it so far.
struct Asked<'a> {
    symbol: &'a Symbol,
    spelled: Option<String>,
    /// Its row.
    row: Option<&'a Row<'a>>,
}

/// A reply to be filtered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job<'a> {
    /// The HTTP status.
    pub(crate) status: u16,
    /// How the body is laid out.
    pub(crate) layout: Layout,
    /// The symbols asked for, as the source spells them.
    pub(crate) asked: Vec<Cow<'a, str>>,
    /// The body.
    pub(crate) body: &'a [u8],
}

impl Extractor {
    /// Compiles a source's filter, and reads how it spells symbols and is asked.
    ///
    /// # Errors
    /// The first key with a value that cannot be used; for a filter, also the position within it.
    pub fn new(source: &SourceSettings) -> Result<Self, DescriptionError> {
        let filter = Filter::compile(&source.jq).map_err(|error| DescriptionError::new("jq", error.to_string()))?;
        let spelling = Spelling::new(source)?;
        let hidden = [source.hidden.clone(), spelling.credentials(), source.proxies.secrets()].concat();
        Ok(Extractor {
            filter,
            spelling,
            scrub: Scrub::new(&hidden),
            units: source.units.clone(),
            multiplied: source.multiplied.clone(),
            layout: source.layout(),
            decimal: source.decimal,
            statuses: Statuses::of(source),
            instruments: InstrumentReader::of(source)?,
        })
    }

    /// The same, with the classes of symbols that are set because they do not follow from the spelling (funds).
    pub(crate) fn with_classes(self, classes: impl Into<SetClasses>) -> Self {
        Extractor { spelling: self.spelling.with_classes(classes), ..self }
    }

    /// How the source spells symbols and is asked.
    pub fn spelling(&self) -> &Spelling {
        &self.spelling
    }

    /// Reads the lists of what its vendor trades; `None` if those are not asked for.
    pub(crate) fn instruments(&self) -> Option<&InstrumentReader> {
        self.instruments.as_ref()
    }

    /// The failure that the status of a reply means by itself; `None` for 2xx.
    pub(crate) fn status_failure(&self, reply: &RawReply) -> Option<SourceError> {
        self.statuses.error(reply, &self.scrub)
    }

    /// Makes the source's words fit to be shown.
    pub(crate) fn scrub(&self) -> &Scrub {
        &self.scrub
    }

    /// Reads a reply to a call that asked for these symbols. `timer` measures the CPU time of the filter.
    ///
    /// # Errors
    /// The failure of the call as a whole.
    pub fn read(&self, reply: &RawReply, asked: &[Symbol], timer: CpuTimer) -> Result<Extracted, SourceError> {
        let asked = self.asked(asked);
        let run = self.run(reply, &asked, Fuel::most(timer));
        self.understand(reply, asked, &run)
    }

    /// Does the same as [`read`](Self::read) if that takes so little time that the thread's other tasks can wait for
    /// it; otherwise returns `None`.
    pub(crate) fn read_at_once(
        &self,
        reply: &RawReply,
        asked: &[Symbol],
        timer: CpuTimer,
    ) -> Option<Result<Extracted, SourceError>> {
        let asked = self.asked(asked);
        let run = self.run(reply, &asked, Fuel::little(timer));
        (!matches!(run.failure, Some(RunError::OutOfFuel(_)))).then(|| self.understand(reply, asked, &run))
    }

    /// What the filter sees of a reply to a call that asked for these symbols: for running the filter in another
    /// process.
    pub(crate) fn job<'a>(&self, reply: &'a RawReply, asked: &[Symbol]) -> Job<'a> {
        let spelled = asked.iter().map(|symbol| self.spelling.spell_as_set(symbol).unwrap_or_default());
        let asked = spelled.map(Cow::Owned).collect();
        Job { status: reply.status, layout: self.layout, asked, body: &reply.body }
    }

    /// Reads a reply that the filter has already turned into these rows.
    ///
    /// # Errors
    /// The failure of the call as a whole.
    pub(crate) fn read_rows(&self, reply: &RawReply, asked: &[Symbol], rows: &Rows) -> Result<Extracted, SourceError> {
        self.understand(reply, self.asked(asked), rows)
    }

    fn asked<'a>(&self, symbols: &'a [Symbol]) -> Vec<Asked<'a>> {
        let asked = |symbol| Asked { symbol, spelled: self.spelling.spell_as_set(symbol), row: None };
        symbols.iter().map(asked).collect()
    }

    fn run(&self, reply: &RawReply, asked: &[Asked<'_>], fuel: Fuel) -> Rows {
        let spelled: Vec<&str> = asked.iter().map(|one| one.spelled.as_deref().unwrap_or_default()).collect();
        self.filter.run(&reply.body, self.layout, reply.status, &spelled, fuel)
    }

    fn understand(&self, reply: &RawReply, asked: Vec<Asked<'_>>, run: &Rows) -> Result<Extracted, SourceError> {
        self.outcomes(reply, asked, run).map_err(|error| match error {
            // whether the filter or the status says so, a gateway often works again at the next call
            SourceError::Unavailable { detail, retry_after: stated, .. } => {
                let retry_after = status::outage(reply, stated);
                let passing = matches!(reply.status, 502..=504) && retry_after.is_none();
                SourceError::Unavailable { detail, passing, retry_after }
            }
            // a 403 may refuse the key or only this symbol, even if the filter takes its words to be about the key
            SourceError::Unauthorized(detail) if reply.status == FORBIDDEN => SourceError::Forbidden(detail),
            SourceError::HttpStatus { detail, .. } => {
                SourceError::HttpStatus { detail, is_client_error: status::is_client_error(reply.status) }
            }
            other => other,
        })
    }

    fn outcomes(&self, reply: &RawReply, asked: Vec<Asked<'_>>, run: &Rows) -> Result<Extracted, SourceError> {
        let mut asked: Vec<Asked<'_>> = asked;
        if let Some(RunError::Panic) = &run.failure {
            return Err(SourceError::Internal(RunError::Panic.to_string()));
        }
        let status_error = self.statuses.error(reply, &self.scrub);
        let rows = match run.rows.iter().map(Row::of).collect::<Result<Vec<_>, _>>() {
            Ok(rows) => rows,
            Err(why) => return Err(status_error.unwrap_or_else(|| self.malformed(&why))),
        };
        let context = self.context(reply);
        let named = self.call_failure(&rows, &context)?;
        if let (Some(failure), None) = (&run.failure, &status_error) {
            return Err(named.unwrap_or_else(|| self.malformed(&failure.to_string())));
        }
        let is_named = named.is_some();
        let of_call = named.or_else(|| status_error.clone());
        let mut ignored = 0;
        // outside 2xx only failures are believed; beside a failure of the call, an empty row is not a quote
        let counts = |row: &&Row<'_>| match row.is_error() {
            true => !row.is_of_call(),
            false => status_error.is_none() && (!is_named || row.states_a_price()),
        };
        for row in rows.iter().filter(counts) {
            ignored += match self.give(row, &mut asked) {
                Ok(was_asked) => usize::from(!was_asked),
                Err(error) => return Err(of_call.unwrap_or(error)),
            };
        }
        let left = asked.iter().filter(|one| one.row.is_none()).count();
        if let Some(error) = of_call.as_ref().filter(|_| left == asked.len()) {
            return Err(error.clone());
        }
        let denies = |row: &Row<'_>| row.failure(&context).is_ok_and(|error| error.denies_symbol());
        let only_denies = asked.iter().filter_map(|one| one.row).all(|row| row.is_error() && denies(row));
        let outcome = |one: Asked<'_>| {
            let outcome = match (one.row, &of_call) {
                (Some(row), _) => self.outcome(row, &context, one.symbol),
                (None, Some(error)) => Err(match left_out(error, is_named, left, &self.scrub) {
                    SourceError::Missing(words) if only_denies && (error.is_about_call() || error.denies_symbol()) => {
                        SourceError::Overlooked(words)
                    }
                    other => other,
                }),
                (None, None) => Err(missing(one.spelled, run.cut, &self.scrub)),
            };
            (one.symbol.clone(), outcome)
        };
        Ok(Extracted { outcomes: asked.into_iter().map(outcome).collect(), ignored })
    }

    /// What the rows of a reply are read against.
    fn context<'a>(&'a self, reply: &'a RawReply) -> Context<'a> {
        Context { body: utf8(&reply.body), decimal: self.decimal, scrub: &self.scrub, reply }
    }

    /// The failure of the whole call, if the filter names one: the first failure that names no symbol.
    fn call_failure(&self, rows: &[Row<'_>], context: &Context<'_>) -> Result<Option<SourceError>, SourceError> {
        for row in rows.iter().filter(|row| row.is_error()) {
            row.symbol().map_err(|why| self.malformed(&why))?;
            if row.is_of_call() {
                return row.failure(context).map(Some).map_err(|why| self.malformed(&why));
            }
        }
        Ok(None)
    }

    /// Assigns a row to the symbols that it is about. Returns whether any of those were asked for.
    fn give<'a>(&self, row: &'a Row<'a>, asked: &mut [Asked<'a>]) -> Result<bool, SourceError> {
        let named = row.symbol_of(asked.len()).map_err(|why| self.malformed(&why))?;
        let requested = named.as_deref().map(|named| self.spelling.requested_as(named));
        let mut was_asked = false;
        for one in asked.iter_mut().filter(|one| requested.is_none() || requested == one.spelled.as_deref()) {
            was_asked = true;
            // of two rows about one symbol, an error wins; of two quotes, the newer one, or the last if that is not
            // known
            let keeps = one.row.is_some_and(|before| match (before.is_error(), row.is_error()) {
                (false, false) => newest(before).zip(newest(row)).is_some_and(|(at, time)| time < at),
                (is_error, _) => is_error,
            });
            if !keeps {
                one.row = Some(row);
            }
        }
        Ok(was_asked)
    }

    fn outcome(&self, row: &Row<'_>, context: &Context<'_>, symbol: &Symbol) -> Result<Quote, SourceError> {
        if row.is_error() {
            return Err(row.failure(context).unwrap_or_else(|why| self.malformed(&why)));
        }
        if let Some(word) = row.neither_share_nor_fund() {
            let what = self.scrub.clean(&word);
            return Err(SourceError::UnknownSymbol(format!(
                "it is {what:?} there; only shares and funds are priced here, since bonds are quoted in per cent"
            )));
        }
        let quote = row.quote(context, self.multiple(symbol), |stated| self.unit(symbol, stated));
        let mut quote = quote.map_err(|why| self.malformed(&why))?;
        // coins trade day and night, but orders for everything else are withdrawn when the market closes
        quote.no_market = quote.no_market.filter(|why| why.is_stated() || symbol.class() == Class::Crypto);
        Ok(quote)
    }

    /// How many of a pair's base one unit of the source is.
    fn multiple(&self, symbol: &Symbol) -> u64 {
        let multiple = symbol.legs().and_then(|(base, _)| self.multiplied.get(base));
        multiple.copied().unwrap_or(1)
    }

    /// The currency of a symbol's prices, given the unit that a row states, if any; and how many decimal places below
    /// that currency the prices are.
    fn unit(&self, symbol: &Symbol, stated: Option<&str>) -> (Option<Currency>, u32) {
        let described = || symbol.listing().and_then(|(_, exchange)| self.units.get(exchange.suffix));
        let Some(unit) = stated.filter(|unit| !self.may_mean(symbol, unit)).or_else(|| described().map(String::as_str))
        else {
            return (None, 0);
        };
        let own = symbol.pair_currency().filter(|own| own.as_str() == unit);
        match (own, Currency::of_unit(unit)) {
            // in a pair, the pair's own quote leg has this name, even if other currencies have it too
            (Some(own), _) => (Some(own), 0),
            // an index is in points, which no label scales
            (None, (currency, _)) if self.spelling.class(symbol) == Class::Index => (Some(currency), 0),
            (None, (currency, places)) => (Some(currency), places),
        }
    }

    /// Whether a sign that several currencies share may mean the symbol's own: then it says nothing new.
    fn may_mean(&self, symbol: &Symbol, sign: &str) -> bool {
        let own = symbol.pair_currency();
        sign == YEN_OR_YUAN
            && own.or_else(|| symbol.listing_currency()).is_some_and(|own| matches!(own.as_str(), "JPY" | "CNY"))
    }

    fn malformed(&self, why: &str) -> SourceError {
        SourceError::Malformed(self.scrub.clean(why))
    }
}

/// Bytes as text, with signs in place of what is not UTF-8. Almost all bytes are, and to find that out alone is quicker.
fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The newest time of a row. One that cannot be read makes the row malformed when it is read as a whole.
fn newest(row: &Row<'_>) -> Option<Timestamp> {
    Times::of(row).unwrap_or_default().newest()
}

fn missing(spelled: Option<String>, cut: bool, scrub: &Scrub) -> SourceError {
    let name = spelled.unwrap_or_default();
    let rest = if cut { format!(" in its first {MOST_ROWS} rows") } else { String::new() };
    SourceError::Missing(scrub.clean(&format!("the reply holds nothing for this symbol, asked for as {name:?}{rest}")))
}

/// The outcome of the symbols without a row, in a reply that has rows for others and a failure beside them.
///
/// A denial is about the symbol that is left if only one is; of several, none can be singled out. A refusal of the
/// account or the address is about all of them if the filter names it; a status alone may come from the failure in
/// another symbol's row.
fn left_out(error: &SourceError, is_named: bool, left: usize, scrub: &Scrub) -> SourceError {
    let is_limit = matches!(error, SourceError::RateLimited { .. } | SourceError::QuotaExhausted { .. });
    match error.scope() {
        Some(Scope::Symbol) if left == 1 => error.clone(),
        Some(Scope::Account | Scope::Address) if is_named || is_limit => error.clone(),
        _ => SourceError::Missing(
            scrub.clean(&format!("the reply answers for other symbols, and leaves this one out: {error}")),
        ),
    }
}

#[cfg(test)]
mod tests;

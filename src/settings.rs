//! Everything that an operator can set. Each section has a file here, with its keys, their built-in values and their ranges.
//!
//! To add a key, write its field, its value in `Default`, its range in `check`, and its line in
//! `config/quotefold.toml`. Reading it (from the file and from variables) and printing it follow from the field.

#![allow(clippy::disallowed_methods, reason = "the configuration is read before the server starts")]

pub mod access;
pub mod class;
mod coverage;
mod effects;
pub mod error;
mod identity;
mod listen;
pub mod load;
mod log;
mod print;
mod server;
mod shared;
mod sources;
mod state;
pub mod symbols;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::fingerprint::Fingerprint;
use crate::fold::Rule;
use crate::hours::Hours;
use crate::provider::description::{SourceSettings, SourceTable};
use crate::provider::spelling::Spelling;
use crate::symbol::{Class, Currency, Names, Symbol};
use access::AccessSettings;
pub use class::ClassSettings;
use class::CurrencyCode;
use error::{ConfigError, Report};
pub use identity::Identity;
pub(crate) use listen::{fault as fault_of_address, socket_path};
pub use log::{LogFormat, LogSettings, RequestLog};
pub use server::ServerSettings;
pub use shared::{SharedSettings, StoreAddress};
pub use state::StateSettings;
use symbols::SymbolRules;
pub use watch::WatchSettings;

/// The settings the service runs with, checked and complete.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the service listens, how long it waits, and how much it takes on.
    pub server: ServerSettings,
    /// Who may ask, how often, and from where.
    pub access: AccessSettings,
    /// The certificate that the service shows, if it has one.
    pub identity: Option<Identity>,
    /// Ages and the fold's rule, per class.
    pub classes: BTreeMap<Class, ClassSettings>,
    /// Corrections for symbols that the rules guess wrong.
    pub symbols: SymbolRules,
    /// What outlives a restart.
    pub state: StateSettings,
    /// The store through which replicas share their vendors' limits.
    pub shared: SharedSettings,
    /// The symbols that are kept fresh without a request.
    pub watch: WatchSettings,
    /// What is logged.
    pub log: LogSettings,
    /// The sources that are switched on, in the order of their names.
    pub sources: Vec<SourceSettings>,
    /// The catalogue's providers that are switched off, in the order of their names.
    pub off: Vec<OffSource>,
    /// Whether these sources are on by default: no file names any.
    pub has_default_sources: bool,
    /// What was read, for people: files, variables.
    pub read: Vec<String>,
    /// The file that was read; `None` for the built-in configuration.
    pub(crate) file: Option<PathBuf>,
    /// A fingerprint of everything that was read from files, to see later whether they say the same.
    pub(crate) contents: Fingerprint,
    /// What is allowed and was probably not meant, in the order of the file.
    pub remarks: Vec<ConfigError>,
    /// How each source spells symbols, by the source's name; read once, because a request may name many symbols.
    pub(crate) spellings: BTreeMap<String, Arc<Spelling>>,
}

/// A provider from the catalogue that is switched off.
#[derive(Clone, Debug)]
pub struct OffSource {
    /// The provider's settings if it were on.
    pub source: SourceSettings,
    /// What switches it on, as half a sentence: "set FINNHUB_API_KEY (<https://finnhub.io/register>)".
    pub switch_on: String,
    /// How it would spell symbols; read once, because any client may ask for a hundred symbols that no source covers.
    spelling: Option<Arc<Spelling>>,
    /// Its place among the free keys by what they add, from 1 on; the largest number if no free key switches it on.
    rank: usize,
}

impl OffSource {
    fn new(source: SourceSettings, switch_on: String) -> Self {
        OffSource { source, switch_on, spelling: None, rank: usize::MAX }
    }

    /// Reads how it would spell symbols. Call this when its description is final.
    fn read_spelling(&mut self) {
        self.spelling = Spelling::new(&self.source).ok().map(Arc::new);
    }

    /// Whether an official provider is off for want of a key.
    fn needs_a_key(&self) -> bool {
        !self.source.unofficial && !self.source.key_optional && !self.source.key_from.is_empty()
    }

    /// Whether it would price a symbol of this class.
    fn covers(&self, symbol: &Symbol, class: Class) -> bool {
        self.source.means(symbol) && self.spelling.as_ref().is_some_and(|spelling| spelling.covers(symbol, class))
    }
}

/// How each source spells symbols, by the source's name. A source whose description is faulty is left out.
fn spellings(sources: &[SourceSettings]) -> BTreeMap<String, Arc<Spelling>> {
    let read = |source: &SourceSettings| Some((source.name.clone(), Arc::new(Spelling::new(source).ok()?)));
    sources.iter().filter_map(read).collect()
}

impl Settings {
    /// The same for a program that ends with its first answer: no vendor is asked what it trades, which only later answers would
    /// profit from.
    pub(crate) fn for_one_answer(mut self) -> Self {
        self.sources.iter_mut().for_each(|source| source.instruments = None);
        self
    }

    /// The same with the values of a running service for what can only be set at its start. Also returns the keys, or
    /// sections, for which these settings have others.
    pub(crate) fn after_start(mut self, running: &Settings) -> (Self, Vec<&'static str>) {
        let differs = [
            ("server.listen", self.server.listen != running.server.listen),
            ("access.admin_listen", self.access.admin_listen != running.access.admin_listen),
            ("state", self.state != running.state),
            ("shared", self.shared != running.shared),
            ("log.format", self.log.format != running.log.format),
        ];
        self.server.listen.clone_from(&running.server.listen);
        self.access.admin_listen.clone_from(&running.access.admin_listen);
        self.state = running.state.clone();
        self.shared = running.shared.clone();
        self.log.format = running.log.format;
        (self, differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect())
    }

    /// Checks everything; `stated` holds what the user's file and variables say about the sources.
    fn check(&self, stated: &BTreeMap<String, SourceTable>, report: &mut Report<'_>) {
        self.server.check(report);
        self.log.check(report);
        self.access.check(&self.server, report);
        class::check(&self.classes, report);
        self.watch.check(self, report);
        self.state.check(report);
        self.shared.check(report);
        sources::check(self, stated, report);
        self.check_isins(report);
    }

    /// Checks that no list of what clients may ask for names an ISIN that stands for a symbol: it would allow and deny nothing.
    fn check_isins(&self, report: &mut Report<'_>) {
        let listed = self.server.symbols.texts();
        for (isin, symbol) in self.symbols.isins() {
            let is_listed = |text: &String| text.trim_start_matches('!').eq_ignore_ascii_case(isin.as_str());
            report.unless(
                !listed.iter().any(is_listed),
                &["server", "symbols"],
                format!("{isin} is {symbol} here, by {}; write {symbol}", symbol.section()),
            );
        }
    }

    /// The names that the user has defined, in `[symbols]` or as what a source calls something, and that could be nothing else;
    /// and the ISINs that `[symbols]` gives.
    pub fn names(&self) -> Names {
        let spelled = self.sources.iter().flat_map(|source| source.spelled.keys());
        let spelled: Vec<Symbol> = spelled.filter_map(|name| Symbol::named(name).ok()).collect();
        Names::among(self.symbols.iter().map(|(symbol, _)| symbol).chain(&spelled)).with_isins(self.symbols.isins())
    }

    /// A symbol's class: the one set for it, else the one that follows from its spelling.
    pub fn class(&self, symbol: &Symbol) -> Class {
        self.symbols.class(symbol).unwrap_or_else(|| symbol.class())
    }

    /// The ages and the fold's rule for a class.
    pub fn of_class(&self, class: Class) -> ClassSettings {
        self.classes.get(&class).copied().unwrap_or_else(|| ClassSettings::built_in(class))
    }

    /// The rule by which the fold prices a symbol.
    pub fn rule(&self, symbol: &Symbol, max_age: Option<Duration>) -> Rule {
        let class = self.class(symbol);
        let set = self.of_class(class);
        Rule {
            required: set.required,
            below_quorum: set.below_quorum,
            outlier_beyond: set.outlier_beyond,
            disagree_beyond: set.disagree_beyond,
            book_within: class.has_books().then_some(set.book_within),
            usable_for: set.usable_for,
            fallback_for: set.fallback_for,
            closed_for: class.closes().then_some(set.closed_for),
            max_age,
            currency: self.symbols.currency(symbol).cloned().or_else(|| self.bare_currency(symbol)),
            security_currency: self.symbols.security_currency(symbol).cloned(),
            in_points: class == Class::Index && symbol.legs().is_none(),
            // only the user knows what a user-defined name means and where that trades
            hours: if set.hours && !self.is_own_name(symbol) { Hours::of(symbol, class) } else { None },
        }
    }

    /// The currency of a US listing, which is recognized by its spelling alone.
    fn bare_currency(&self, symbol: &Symbol) -> Option<Currency> {
        let is_bare = symbol.is_us_listing() && !self.is_own_name(symbol) && self.class(symbol) != Class::Index;
        self.of_class(Class::Equity).bare_currency.filter(|_| is_bare).map(CurrencyCode::currency)
    }

    /// Whether any source that is on and may quote this crypto pair takes its base for a currency: where `TRY-USDT` is
    /// the lira at one exchange, a coin called TRY at another must not be folded with it.
    pub(crate) fn is_currency_in_markets(&self, base: &Currency, pair: &Symbol) -> bool {
        let inverted = pair.inverted();
        let may_have = |source: &SourceSettings| {
            let fits = |pair: &Symbol| source.symbols.selects(pair.as_str());
            fits(pair) || inverted.as_ref().is_some_and(fits)
        };
        let says_so =
            |source: &&SourceSettings| source.classes.contains(&Class::Crypto) && source.is_currency_there(base);
        base.is_major() || self.sources.iter().filter(says_so).any(may_have)
    }

    /// Whether the user has defined what sources call this symbol. Sources without such a name are then not asked for
    /// it, even if its spelling looks familiar.
    pub(crate) fn is_own_name(&self, symbol: &Symbol) -> bool {
        self.symbols.get(symbol).is_some_and(|set| !set.spelled.is_empty())
    }

    /// Whether clients may ask for a symbol at all.
    pub fn allows(&self, symbol: &Symbol) -> bool {
        self.server.symbols.selects(symbol.as_str())
    }
}

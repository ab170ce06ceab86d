//! Says what an operator can set, and what holds if nothing is set.

#![allow(clippy::disallowed_methods, reason = "the configuration is read before the server starts")]

pub mod access;
mod check;
mod coverage;
pub mod error;
pub mod load;
mod print;
pub mod rule;
pub mod symbols;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::Deserialize;

use crate::fold::{BelowQuorum, Rule};
use crate::hours::Hours;
use crate::provider::description::SourceSettings;
use crate::provider::spelling::Spelling;
use crate::symbol::{Class, Currency, Symbol};
use crate::units::Glob;
use access::AccessSettings;
use rule::MoneyCode;
use symbols::SymbolRules;

/// Everything that is set, checked and complete.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service itself.
    pub server: ServerSettings,
    /// Who may ask, how often, and from where.
    pub access: AccessSettings,
    /// Ages and the fold's rule, per class.
    pub classes: BTreeMap<Class, ClassSettings>,
    /// Symbols where the rules guess wrong.
    pub symbols: SymbolRules,
    /// What outlives a restart.
    pub state: StateSettings,
    /// What is kept fresh without being asked for.
    pub watch: WatchSettings,
    /// What is logged.
    pub log: LogSettings,
    /// The sources that are switched on, in the order of their names.
    pub sources: Vec<SourceSettings>,
    /// The providers of the catalogue that are not, in the order of their names.
    pub off: Vec<OffSource>,
    /// What was read, for people: files, variables.
    pub read: Vec<String>,
    /// How each source spells symbols, by its name; read once, because a request may be about any number of symbols.
    pub(crate) spellings: BTreeMap<String, Arc<Spelling>>,
}

/// The service itself.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Address and port; port 0 takes any that is free.
    pub listen: String,
    /// How long a client waits unless it says otherwise; also what one call to a source may take in all.
    pub timeout: Duration,
    /// The longest a client may ask to wait.
    pub max_timeout: Duration,
    /// Symbols in one request; 1 to 5000, 100 unless set.
    pub max_symbols: usize,
    /// What may be asked for at all.
    pub symbols: Vec<Glob>,
    /// After SIGTERM: how long to go on serving while load balancers notice.
    pub drain_delay: Duration,
    /// How long requests in flight may take to finish after that.
    pub drain_timeout: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// Connections of one client at once; 0, as is built in: any number.
    pub max_connections_per_client: usize,
    /// Requests at once; more are shed.
    pub max_requests: usize,
    /// Pairs of symbol and source that are worked on at once because they are not fresh on the board; requests beyond wait, and
    /// are shed when their time is over. One that is heavier runs alone.
    pub max_weight: u32,
    /// Bytes that may be held by replies which clients have not taken yet, and by replies of sources that are being read;
    /// requests beyond are shed.
    pub max_reply_memory: usize,
}

/// Ages and the fold's rule, for one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassSettings {
    /// Since we received it; younger: answered from the board, no call is made.
    pub refresh_after: Duration,
    /// Since the market said it; older: not folded.
    pub usable_for: Duration,
    /// The same clock; the last rung but one.
    pub fallback_for: Duration,
    /// How long a closed market's last quotes stand.
    pub closed_for: Duration,
    /// Whether the known hours of markets are gone by. Without them a market is taken to be closed by its quotes alone.
    pub hours: bool,
    /// A caller's `refresh_after` below it is raised to it.
    pub refresh_floor: Duration,
    /// How long a source's "unknown symbol" is believed.
    pub unknown_for: Duration,
    /// Sources that must agree.
    pub required: usize,
    /// What fewer give.
    pub below_quorum: BelowQuorum,
    /// A quote farther than this from the median is an outlier; a fraction.
    pub outlier_beyond: Decimal,
    /// Survivors farther apart than this disagree; a fraction.
    pub disagree_beyond: Decimal,
    /// What a listing without an exchange's suffix is in; of [`Class::Equity`] alone.
    pub bare_currency: Option<MoneyCode>,
    /// A book whose sides are farther apart than this does not count; a fraction. No book of an index or a fund ever does.
    pub book_within: Decimal,
}

/// What is set for one symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SymbolSettings {
    /// The currency its prices are in.
    pub currency: Option<Currency>,
    /// Its class.
    pub class: Option<Class>,
    /// What sources call it. If any is named here, it is a name of the user's own: no other source is asked for it.
    pub spelled: BTreeMap<String, String>,
}

/// What outlives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateSettings {
    /// The file it is kept in; `None`: nothing is kept.
    pub path: Option<PathBuf>,
}

/// What is kept fresh without being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSettings {
    /// The symbols, each once.
    pub symbols: Vec<Symbol>,
    /// How often; at least a second.
    pub every: Duration,
}

/// What is logged.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The least level, or a filter in the notation of `RUST_LOG`.
    pub level: String,
    /// Text or JSON.
    pub format: LogFormat,
    /// Which requests get a line.
    pub requests: RequestLog,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Which requests get a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestLog {
    /// None.
    None,
    /// Those that ended in an error of the server.
    Errors,
    /// All.
    All,
}

/// A provider of the catalogue that is not switched on.
#[derive(Clone, Debug)]
pub struct OffSource {
    /// The provider as it would be.
    pub source: SourceSettings,
    /// What would switch it on, as half a sentence: "set FINNHUB_API_KEY (<https://finnhub.io/register>)".
    pub switch_on: String,
    /// How it would spell symbols, read once: anybody may ask for a hundred symbols that nobody covers.
    spelling: Option<Arc<Spelling>>,
}

impl OffSource {
    fn new(source: SourceSettings, switch_on: String) -> Self {
        OffSource { source, switch_on, spelling: None }
    }

    /// Reads how it would spell symbols, once nothing changes its description any more.
    fn read_spelling(&mut self) {
        self.spelling = Spelling::new(&self.source).ok().map(Arc::new);
    }

    /// Whether it would price a symbol of this class.
    fn covers(&self, symbol: &Symbol, class: Class) -> bool {
        self.source.means(symbol) && self.spelling.as_ref().is_some_and(|spelling| spelling.covers(symbol, class))
    }
}

/// How sources spell symbols, by their names. A source whose description cannot be understood is left out.
fn spellings(sources: &[SourceSettings]) -> BTreeMap<String, Arc<Spelling>> {
    let read = |source: &SourceSettings| Some((source.name.clone(), Arc::new(Spelling::new(source).ok()?)));
    sources.iter().filter_map(read).collect()
}

impl Settings {
    /// A symbol's class: what is set for it, else what its spelling says.
    pub fn class(&self, symbol: &Symbol) -> Class {
        self.symbols.class(symbol).unwrap_or_else(|| symbol.class())
    }

    /// The ages and the rule that hold for a class.
    pub fn of_class(&self, class: Class) -> ClassSettings {
        self.classes.get(&class).copied().unwrap_or_else(|| ClassSettings::built_in(class))
    }

    /// What the fold goes by for a symbol.
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
            in_points: class == Class::Index && symbol.legs().is_none(),
            // what a name of the user's own stands for, and where that trades, only the user knows
            hours: if set.hours && !self.is_own_name(symbol) { Hours::of(symbol, class) } else { None },
        }
    }

    /// The currency of a listing in the United States: its spelling alone says where it is listed.
    fn bare_currency(&self, symbol: &Symbol) -> Option<Currency> {
        let is_bare = symbol.is_us_listing() && !self.is_own_name(symbol) && self.class(symbol) != Class::Index;
        self.of_class(Class::Equity).bare_currency.filter(|_| is_bare).map(MoneyCode::currency)
    }

    /// Whether the base of a crypto pair is money at a source that is on and may have the pair: where `TRY-USDT` is the lira at
    /// one exchange, a coin of that name at another must not be folded with it.
    pub fn is_money_in_markets(&self, base: &Currency, pair: &Symbol) -> bool {
        let turned = pair.turned();
        let may_have = |source: &SourceSettings| {
            let fits = |pair: &Symbol| source.symbols.iter().any(|glob| glob.matches(pair.as_str()));
            source.symbols.is_empty() || fits(pair) || turned.as_ref().is_some_and(fits)
        };
        let says_so = |source: &&SourceSettings| source.classes.contains(&Class::Crypto) && source.is_money_there(base);
        base.is_major() || self.sources.iter().filter(says_so).any(may_have)
    }

    /// Whether the user says what sources call this symbol: then it is nothing to the others, whatever it looks like.
    pub fn is_own_name(&self, symbol: &Symbol) -> bool {
        self.symbols.get(symbol).is_some_and(|set| !set.spelled.is_empty())
    }

    /// Whether a symbol may be asked for at all.
    pub fn allows(&self, symbol: &Symbol) -> bool {
        self.server.symbols.iter().any(|glob| glob.matches(symbol.as_str()))
    }
}

//! Describes one source: a URL, a jq filter, and what the vendor allows.
//!
//! A [`SourceTable`] is what a file says, in the catalogue or a user's own, with everything optional. Tables are laid over
//! each other (the user's over the catalogue's) and then resolved into [`SourceSettings`], where nothing is left open.

mod authority;
mod bases;
mod example;
mod inherit;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::secrets;
use crate::quote::Role;
use crate::symbol::{Class, Currency, Symbol};
use crate::units::{Glob, Limit};

pub use authority::Authority;
pub use bases::Bases;
pub use example::{Example, Expected};
use table::Names;
pub use table::SourceTable;

/// One source, resolved: nothing is left open.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// Its name in `[sources.NAME]`, answers and metrics.
    pub name: String,
    /// One line for people.
    pub about: String,
    /// The classes it prices.
    pub classes: Vec<Class>,
    /// The right-hand legs of the pairs it trades, in capitals; empty for all.
    pub currencies: Vec<String>,
    /// The ISO 4217 codes that are money there, in capitals, `*` for all of them; `None` if its description does not say. Only
    /// a source of crypto pairs has to: see [`is_money_there`](Self::is_money_there).
    pub fiat: Option<Vec<String>>,
    /// Only symbols that fit one of these; empty for all.
    pub symbols: Vec<Glob>,
    /// What it is good for.
    pub role: Role,
    /// The account whose limits and cooldown it shares.
    pub account: String,
    /// Where to ask; `base_url` is already in its place, the first one if it names several.
    pub url: String,
    /// The same at the other addresses of `base_url`, in the order in which they are tried: the vendor's mirrors.
    pub mirrors: Vec<String>,
    /// What is trusted besides the system's certificates.
    pub authority: Option<Authority>,
    /// The method of a call.
    pub method: Method,
    /// The body of a `POST`.
    pub body: Option<String>,
    /// The headers of a call.
    pub headers: BTreeMap<String, String>,
    /// How it spells symbols.
    pub format: Format,
    /// Parts of symbols it calls otherwise.
    pub rename: BTreeMap<String, String>,
    /// What it calls bases where tickers are not unique; if any is given, a base without one is not asked for.
    pub ids: BTreeMap<String, String>,
    /// Whole names that replies spell otherwise than requests.
    pub aliases: BTreeMap<String, String>,
    /// Symbols whose spelling follows no rule, ours to theirs.
    pub spelled: BTreeMap<String, String>,
    /// Names of the user's own that stand for nothing here.
    pub strangers: BTreeSet<Symbol>,
    /// What its prices are in where replies do not say, by exchange suffix.
    pub units: BTreeMap<String, String>,
    /// How many symbols fit in one call; at least 1.
    pub batch: usize,
    /// What stands between symbols in a call.
    pub join: String,
    /// Whether one unknown symbol fails a whole call.
    pub unknown_kills: bool,
    /// Whether a 404 that the filter does not know says that there is no such symbol.
    pub not_found_denies: bool,
    /// What the vendor allows.
    pub limits: Vec<Limit>,
    /// What a limit counts.
    pub cost: Cost,
    /// What one attempt may take, body and filter included.
    pub timeout: Duration,
    /// Calls in the air at once; at least 1.
    pub concurrency: usize,
    /// How often a call that failed in passing is sent again: 0 to 3.
    pub retries: usize,
    /// Whether connections are kept for later calls. If not, each call pays for a handshake.
    pub reuse: bool,
    /// Whether a call may be sent again at all: one more of it changes nothing at the vendor.
    pub idempotent: bool,
    /// The longest reply that is read, in bytes.
    pub max_body: usize,
    /// A floor under every `refresh_after`.
    pub refresh_after: Duration,
    /// How old its quotes may be, instead of the class's `usable_for`.
    pub usable_for: Option<Duration>,
    /// How old its quotes are by design.
    pub lag: Duration,
    /// The user's key.
    pub key: Option<SecretString>,
    /// The second half of the key.
    pub secret: Option<SecretString>,
    /// The variables that hold the key and the secret.
    pub key_from: Vec<String>,
    /// Whether it answers without a key too.
    pub key_optional: bool,
    /// Whether its quotes are in no free plan.
    pub paid: bool,
    /// Where to get a key.
    pub get_a_key: Option<String>,
    /// Not meant by its owner for programs.
    pub unofficial: bool,
    /// What its replies are written in.
    pub reply: Notation,
    /// What makes rows of a reply.
    pub jq: String,
    /// Bodies the provider sends, and what they mean.
    pub examples: Vec<Example>,
    /// Every text that must never be shown: keys, and whatever came from the environment or a file.
    pub hidden: Vec<SecretString>,
}

/// The method of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    #[default]
    Get,
    /// Read, with the question in a body.
    Post,
}

/// What stands in `fiat` for every code of ISO 4217.
pub(crate) const ANY: &str = "*";

impl SourceSettings {
    /// Whether a code of ISO 4217 is that money at the source, and not a coin of the same name: `MNT` is the tögrög at a bank
    /// and Mantle at an exchange. Where the source has crypto pairs, only its `fiat` is; where its description states none,
    /// the moneys whose code no coin has.
    pub fn is_money_there(&self, code: &Currency) -> bool {
        match &self.fiat {
            Some(codes) => codes.iter().any(|known| known == code.as_str() || known == ANY),
            None => !self.classes.contains(&Class::Crypto) || code.is_major(),
        }
    }

    /// Whether the source means by a pair's name what users mean by it. Both sides of a pair of two moneys are money, and so is
    /// the quote side of a coin's pair; the base may be a coin: `MNT-USDT` is Mantle. No source means a price in pence by
    /// `BTC-GBX`: what is called so is a coin's.
    pub fn means(&self, pair: &Symbol) -> bool {
        let Some((base, quote)) = pair.legs() else { return true };
        if pair.in_whole_currency().is_some() {
            return false;
        }
        let is_meant = |code: Currency| !code.is_money() || self.is_money_there(&code);
        is_meant(Currency::new(quote)) && (pair.class() != Class::Fx || is_meant(Currency::new(base)))
    }

    /// Whether every leg of a pair that is spelled like money is that money at the source.
    pub fn has_moneys_of(&self, pair: &Symbol) -> bool {
        let legs = pair.legs().into_iter().flat_map(|(base, quote)| [base, quote]).map(Currency::new);
        legs.filter(Currency::is_money).all(|code| self.is_money_there(&code))
    }

    /// Every URL it can be asked at, the first one first.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        [&self.url].into_iter().chain(&self.mirrors).map(String::as_str)
    }

    /// Whether a call says which symbols it is about. Where it does not, every reply holds all there is.
    pub fn asks_by_name(&self) -> bool {
        let texts = || self.headers.values().chain(self.body.as_ref()).chain([&self.url]);
        ["{symbol", "{first}", "{base", "{quote", "{id"].into_iter().any(|name| texts().any(|text| text.contains(name)))
    }

    /// Whether its calls carry a key of some kind: then a refusal may be about that.
    pub fn sends_key(&self) -> bool {
        let is_written = self.urls().any(|url| !secrets::in_url(url).is_empty())
            || self.headers.iter().any(|(name, value)| !secrets::in_header(name, value).is_empty());
        let texts = || self.urls().chain(self.headers.values().chain(&self.body).map(String::as_str));
        let is_filled_in = || texts().any(|text| text.contains("{key}") || text.contains("{secret}"));
        is_written || is_filled_in() && (self.key.is_some() || !self.key_optional)
    }
}

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Notation::Json => "JSON",
            Notation::Csv => "CSV",
            Notation::Xml => "XML",
        })
    }
}

impl Method {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// What replies are written in, and what a filter sees of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notation {
    /// JSON, as it is.
    #[default]
    Json,
    /// A table with a first line of names: an object of texts per further line. A single line is no table but a message: a text, unless it is the names alone.
    Csv,
    /// XML: each element is `{name, attributes, text, children}`, names without their prefix.
    Xml,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cost {
    /// Calls, however many symbols they ask for.
    Call,
    /// Symbols.
    Symbol,
}

/// How a source spells symbols: one template for all classes, or one per class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Format {
    /// One template.
    One(String),
    /// A template per class, and how listings are spelled.
    PerClass(ClassFormat),
}

/// A template per class. Placeholders: `{symbol}`, `{base}`, `{quote}`, `{id}`, and `{symbol:lower}` and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassFormat {
    /// Shares.
    pub equity: Option<String>,
    /// Indices; `{symbol}` is without the `^`.
    pub index: Option<String>,
    /// Funds.
    pub fund: Option<String>,
    /// Crypto pairs.
    pub crypto: Option<String>,
    /// Money pairs.
    pub fx: Option<String>,
    /// What stands for the dot of a share class: `-` for `BRK-B`.
    pub dot: Option<String>,
    /// How listings abroad end, by our suffix: `L = ":LSE"`. If given, others cannot be spelled; else they keep `.L`.
    /// `US` is how listings in the United States end.
    pub suffix: Option<BTreeMap<String, String>>,
}

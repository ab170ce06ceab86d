//! Describes one source: a URL, a jq filter, and what the vendor allows.
//!
//! [`SourceSettings`] holds every key of `[sources.NAME]` with its type and its built-in value. A [`SourceTable`] is what one
//! file states of a source, in the catalogue or a user's own. Tables are laid over each other (the user's over the
//! catalogue's) and then resolved into settings, where nothing is left open.

mod authority;
mod bases;
mod check;
mod example;
mod inherit;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

use super::secrets;
use crate::quote::Role;
use crate::symbol::{Class, Currency, Symbol};
use crate::units::{Glob, Limit, as_text};

pub use authority::Authority;
pub use bases::Bases;
pub use check::Fault;
pub use example::{Example, Expected};
pub use table::SourceTable;

/// One source: every key of `[sources.NAME]` in the order in which `quotefold config` prints them, and what follows from them.
///
/// Some built-in values depend on other keys; [`SourceTable::resolve`] fills those in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSettings {
    /// Its name in `[sources.NAME]`, answers and metrics.
    #[serde(skip)]
    pub name: String,
    /// One line for people.
    pub about: String,
    /// The source whose description this one starts from; only a file states it.
    #[serde(skip_serializing)]
    pub like: Option<String>,
    /// The classes it prices; at least one.
    pub classes: Vec<Class>,
    /// The right-hand legs of the pairs it trades, in capitals; empty for all.
    #[serde(deserialize_with = "codes", skip_serializing_if = "Vec::is_empty")]
    pub currencies: Vec<String>,
    /// The ISO 4217 codes that mean the currency there, in capitals, `*` for all of them; `None` if its description does not
    /// say. Only a source of crypto pairs has to: see [`is_currency_there`](Self::is_currency_there).
    #[serde(deserialize_with = "some_codes")]
    pub fiat: Option<Vec<String>>,
    /// Only symbols that match one of these are asked for; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub symbols: Vec<Glob>,
    /// What it is good for.
    pub role: Role,
    /// Where to ask: a template with `{symbols}`, `{key}`, `{secret}`. Once resolved, the first entry of `base_url` is in place.
    pub url: String,
    /// Replaces the scheme, host and port of `url`: a proxy or a test double; or several, for mirrors.
    pub base_url: Option<Bases>,
    /// A PEM file with certificates that are trusted for this source in addition to the system's.
    pub ca_file: Option<String>,
    /// The method of a call; `POST` if there is a body and nothing else is stated.
    pub method: Method,
    /// The body of a `POST`: a template like the URL.
    pub body: Option<String>,
    /// The headers of a call, each a template like the URL.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How it spells symbols.
    pub format: Format,
    /// Parts of symbols that it spells differently: `BTC = "XBT"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// Its ids for bases, where tickers are not unique: `BTC = "bitcoin"`. If any is given, a base without one is not asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, String>,
    /// Whole names that its replies spell differently from its requests: `XXBTZUSD = "XBTUSD"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
    /// Symbols whose spelling follows no rule, ours to theirs: `"BTC-USD" = "bitcoin"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub spelled: BTreeMap<String, String>,
    /// The units of its prices if its replies do not say, by exchange suffix: `L = "GBp"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
    /// How many symbols fit in one call; at least 1.
    pub batch: usize,
    /// The text between symbols in a call, or `json` for a JSON array of strings.
    pub join: String,
    /// What one unknown symbol does to a call for several.
    pub unknown: Unknown,
    /// What a 404 means if the filter does not say.
    pub not_found: NotFound,
    /// What the vendor allows.
    pub limits: Vec<Limit>,
    /// What a limit counts.
    pub cost: Cost,
    /// The account whose limits and cooldown it shares; the source's name, unless stated.
    pub account: String,
    /// What one attempt may take, body and filter included.
    #[serde(with = "as_text::span")]
    pub timeout: Duration,
    /// Calls in flight at once; at least 1.
    pub concurrency: usize,
    /// How often a call is retried that failed in passing: 0 to 3. Unless stated, 1, or 0 if a limit covers a day or more.
    pub retries: usize,
    /// Whether connections are kept for later calls. If not, each call pays for a handshake.
    pub reuse: bool,
    /// Whether a call may be sent again without changing anything at the vendor; unless stated, not if `method` is `POST`.
    pub idempotent: bool,
    /// The longest reply that is read, in bytes.
    #[serde(with = "as_text::bytes")]
    pub max_body: usize,
    /// A floor under every `refresh_after`: `6h` for a file that is made once a day.
    #[serde(with = "as_text::span")]
    pub refresh_after: Duration,
    /// How old its quotes may be, instead of the class's `usable_for`.
    #[serde(with = "as_text::optional_span")]
    pub usable_for: Option<Duration>,
    /// How old its quotes are by design; added to `usable_for`.
    #[serde(with = "as_text::span")]
    pub lag: Duration,
    /// The user's key.
    #[serde(serialize_with = "secrets::masked", skip_serializing_if = "secrets::is_not_set")]
    pub key: Option<SecretString>,
    /// The second half of the key, where a vendor has two.
    #[serde(serialize_with = "secrets::masked", skip_serializing_if = "secrets::is_not_set")]
    pub secret: Option<SecretString>,
    /// The variables that hold the key and the secret; they switch the source on where no file names sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key_from: Vec<String>,
    /// Whether it also answers without a key, perhaps less often.
    pub key_optional: bool,
    /// Whether no free plan has its quotes.
    pub paid: bool,
    /// Where to get a key.
    pub get_a_key: Option<String>,
    /// Whether its owner did not mean it for programs: it is asked only if named, or with `--unofficial`.
    pub unofficial: bool,
    /// The notation of its replies.
    pub reply: Notation,
    /// The filter that makes rows of a reply.
    pub jq: String,
    /// Replies that the provider sends, and what they mean.
    #[serde(skip_serializing)]
    pub examples: Vec<Example>,
    /// `url` at the other addresses of `base_url`, in the order in which they are tried: the vendor's mirrors.
    #[serde(skip)]
    pub mirrors: Vec<String>,
    /// The certificates of `ca_file`.
    #[serde(skip)]
    pub authority: Option<Authority>,
    /// Symbols of the user's own that have no name at this source, so that it is not asked for them.
    #[serde(skip)]
    pub excluded_symbols: BTreeSet<Symbol>,
    /// Every text that must never be shown: keys, and what came from variables and files into places where keys stand.
    #[serde(skip)]
    pub hidden: Vec<SecretString>,
}

impl Default for SourceSettings {
    /// What holds for keys that are not stated. `url`, `classes` and `jq` are empty here: a source has to state them.
    fn default() -> Self {
        SourceSettings {
            name: String::new(),
            about: String::new(),
            like: None,
            classes: Vec::new(),
            currencies: Vec::new(),
            fiat: None,
            symbols: Vec::new(),
            role: Role::Primary,
            url: String::new(),
            base_url: None,
            ca_file: None,
            method: Method::Get,
            body: None,
            headers: BTreeMap::new(),
            format: Format::One("{symbol}".to_owned()),
            rename: BTreeMap::new(),
            ids: BTreeMap::new(),
            aliases: BTreeMap::new(),
            spelled: BTreeMap::new(),
            units: BTreeMap::new(),
            batch: 1,
            join: ",".to_owned(),
            unknown: Unknown::Missing,
            not_found: NotFound::HttpStatus,
            limits: Vec::new(),
            cost: Cost::Call,
            account: String::new(),
            timeout: Duration::from_secs(1),
            concurrency: 8,
            retries: 1,
            reuse: true,
            idempotent: true,
            max_body: 256 << 10,
            refresh_after: Duration::ZERO,
            usable_for: None,
            lag: Duration::ZERO,
            key: None,
            secret: None,
            key_from: Vec::new(),
            key_optional: false,
            paid: false,
            get_a_key: None,
            unofficial: false,
            reply: Notation::Json,
            jq: String::new(),
            examples: Vec::new(),
            mirrors: Vec::new(),
            authority: None,
            excluded_symbols: BTreeSet::new(),
            hidden: Vec::new(),
        }
    }
}

/// Reads codes of currencies, in capitals.
fn codes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<String>::deserialize(from)?.iter().map(|code| in_capitals(code)).collect())
}

fn some_codes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    codes(from).map(Some)
}

/// A code in capitals, unless it would then mean something else: `GBp` is pence.
fn in_capitals(code: &str) -> String {
    let capitals = code.to_ascii_uppercase();
    if Currency::of_unit(code) == Currency::of_unit(&capitals) { capitals } else { code.to_owned() }
}

/// What one unknown symbol does to a call for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// The others are answered.
    Missing,
    /// The whole call fails. So symbols that the source has never quoted are asked for apart from those that it has, and in
    /// smaller calls if that fails.
    Kills,
}

/// What a 404 means if the filter does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotFound {
    /// The page is not there, which says nothing about a symbol.
    HttpStatus,
    /// There is no such symbol: the source answers 404 to no other call.
    UnknownSymbol,
}

/// The method of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
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
    pub fn is_currency_there(&self, code: &Currency) -> bool {
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
        let is_meant = |code: Currency| !code.is_fx() || self.is_currency_there(&code);
        is_meant(Currency::new(quote)) && (pair.class() != Class::Fx || is_meant(Currency::new(base)))
    }

    /// Whether every leg of a pair that is spelled like money is that money at the source.
    pub fn has_currencies_of(&self, pair: &Symbol) -> bool {
        let legs = pair.legs().into_iter().flat_map(|(base, quote)| [base, quote]).map(Currency::new);
        legs.filter(Currency::is_fx).all(|code| self.is_currency_there(&code))
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
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

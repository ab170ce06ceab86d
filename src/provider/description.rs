//! Describes one source: a URL, a jq filter, and what the vendor allows.
//!
//! [`SourceSettings`] holds every key of `[sources.NAME]` with its type and its built-in value. A [`SourceTable`] holds
//! the keys that one file states, be it a file of the catalogue or the user's. Tables are laid over each other (the
//! user's over the catalogue's) and then resolved into settings in which every key has a value.

mod authority;
mod bases;
mod check;
mod example;
mod format;
mod inherit;
mod instruments;
mod layout;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

use super::charset::Charset;
use super::proxy::{self, Proxies, Proxy, ProxySetting};
use super::secrets;
use crate::decimal::DecimalMark;
use crate::quote::Role;
use crate::symbol::{Class, Currency, Symbol};
use crate::units::{Limit, Selection, as_text};

pub use authority::Authority;
pub use bases::Bases;
pub use check::Fault;
pub use example::{Example, Expected};
pub use format::{ClassFormat, Format};
pub use instruments::{InstrumentSettings, ListExample};
pub use layout::{Layout, Separator};
pub use table::SourceTable;

/// One source: every key of `[sources.NAME]`, in the order in which `quotefold config` prints them, and what follows
/// from them.
///
/// Some built-in values depend on other keys; [`SourceTable::resolve`] fills those in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSettings {
    /// The source's name in `[sources.NAME]`, answers and metrics.
    #[serde(skip)]
    pub name: String,
    /// One line for people.
    pub about: String,
    /// The source whose description this one starts from; only a file states it.
    #[serde(skip_serializing)]
    pub like: Option<String>,
    /// Whether it may be on: `false` takes it away from the sources that are on otherwise.
    // only sources that are on are printed
    #[serde(skip_serializing)]
    pub enabled: bool,
    /// The classes it prices; at least one.
    pub classes: Vec<Class>,
    /// The quote currencies of the pairs it trades, in capitals; empty for all.
    #[serde(deserialize_with = "codes", skip_serializing_if = "Vec::is_empty")]
    pub currencies: Vec<String>,
    /// The ISO 4217 codes that mean the currency there and not a coin, in capitals; `*` for all of them; `None` if its
    /// description does not say. Only a source of crypto pairs has to say: see
    /// [`is_currency_there`](Self::is_currency_there).
    #[serde(deserialize_with = "some_codes")]
    pub fiat: Option<Vec<String>>,
    /// The symbols that may be asked for; empty for all.
    #[serde(skip_serializing_if = "Selection::is_empty")]
    pub symbols: Selection,
    /// When its quotes count.
    pub role: Role,
    /// The address of a call: a template with `{symbols}`, `{key}`, `{secret}`. Once resolved, it starts with the first
    /// entry of `base_url`.
    pub url: String,
    /// Replaces the scheme, host and port of `url`: with a gateway or a test double, or with several mirrors.
    pub base_url: Option<Bases>,
    /// The proxy that its calls go through, or `none`; what `server.proxy` says, if it states none.
    #[serde(deserialize_with = "proxy::setting", skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxySetting>,
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
    /// Its ids for base coins, where tickers are not unique: `BTC = "bitcoin"`. If any is given, pairs whose base has
    /// no id are not asked for.
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
    /// Base coins that it lists as a multiple, and how many make up one of its units: `PEPE = 1000` for `1000PEPE`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub multiplied: BTreeMap<String, u64>,
    /// How many symbols fit in one call; at least 1.
    pub batch: usize,
    /// The text between symbols in a call, or `json` for a JSON array of strings.
    pub join: String,
    /// What one unknown symbol does to a call for several.
    pub unknown: Unknown,
    /// What a 404 means if the filter does not say.
    pub not_found: NotFound,
    /// The vendor's rate limits.
    #[serde(deserialize_with = "as_text::limits")]
    pub limits: Vec<Limit>,
    /// The limits that hold instead as long as no key is set, at a vendor that also answers without one. Once resolved, they
    /// are in `limits`.
    #[serde(skip_serializing, deserialize_with = "as_text::optional_limits")]
    pub limits_without_key: Option<Vec<Limit>>,
    /// What a limit counts.
    pub cost: Cost,
    /// The account whose limits and cooldown it shares; the source's name, unless stated.
    pub account: String,
    /// How long one attempt may take, body and filter included.
    #[serde(with = "as_text::span")]
    pub timeout: Duration,
    /// Calls in flight at once; at least 1.
    pub concurrency: usize,
    /// How often a call that failed in passing is retried: 0 to 3. Unless stated, 1, or 0 if a limit covers a day or
    /// more.
    pub retries: usize,
    /// Whether connections are kept for later calls. If not, each call needs a handshake.
    pub reuse: bool,
    /// Whether sending a call twice changes nothing at the vendor. Unless stated, true for a GET and false for a POST.
    pub idempotent: bool,
    /// Whether it is ours, and is told with each call for which request and within which trace that is.
    pub propagate: bool,
    /// Whether replicas share its account: its limits, and how its vendor refuses calls. Not where each replica has an account of its
    /// own, because the vendor counts by address and they leave by different ones.
    pub shared: bool,
    /// The longest reply that is read, in bytes.
    #[serde(with = "as_text::bytes")]
    pub max_body: usize,
    /// A floor under every `refresh_after`: `6h` for a file that is published once a day.
    #[serde(with = "as_text::span")]
    pub refresh_after: Duration,
    /// How old its quotes may be, instead of the class's `usable_for`.
    #[serde(with = "as_text::optional_span")]
    pub usable_for: Option<Duration>,
    /// How late its quotes are by design; added to `usable_for`.
    #[serde(with = "as_text::span")]
    pub lag: Duration,
    /// The user's key.
    #[serde(serialize_with = "secrets::masked", skip_serializing_if = "secrets::is_not_set")]
    pub key: Option<SecretString>,
    /// The second half of the key, where a vendor has two.
    #[serde(serialize_with = "secrets::masked", skip_serializing_if = "secrets::is_not_set")]
    pub secret: Option<SecretString>,
    /// The environment variables that hold the key and the secret. Setting them switches the source on if no file names
    /// sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key_from: Vec<String>,
    /// Whether it also answers without a key, perhaps within tighter limits.
    pub key_optional: bool,
    /// Whether its quotes need a paid plan.
    pub paid: bool,
    /// Where to get a key.
    pub get_a_key: Option<String>,
    /// Whether its owner did not intend it for programs: it is asked only if named, or with `--unofficial`.
    pub unofficial: bool,
    /// Whether it is asked only if the configuration names it: its owner means it for trying out.
    pub only_by_name: bool,
    /// What its owner allows its quotes to be used for, for people.
    pub terms: Option<String>,
    /// When and where a reply of this shape was last seen in public, for people: `2026-10, a recorded reply`.
    pub checked: Option<String>,
    /// The notation of its replies.
    pub reply: Notation,
    /// The sign between the columns of its tables; a comma, unless stated.
    #[serde(skip_serializing_if = "is_default")]
    pub separator: Separator,
    /// The charset of its replies. Unless stated, a reply is UTF-8, or else in the charset that it declares.
    pub charset: Option<Charset>,
    /// The sign before the decimals in its texts. Unless stated, it is a point, and a text that can also be read with a
    /// comma is refused. Numbers of JSON have a point in any case.
    pub decimal: Option<DecimalMark>,
    /// The filter that turns a reply into rows.
    pub jq: String,
    /// Where the vendor lists what it trades; `None` if its list is not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruments: Option<InstrumentSettings>,
    /// Replies that the provider sends, and what they mean.
    #[serde(skip_serializing)]
    pub examples: Vec<Example>,
    /// `url` at the further addresses of `base_url`, in the order in which they are tried: the vendor's mirrors.
    #[serde(skip)]
    pub mirrors: Vec<String>,
    /// The certificates of `ca_file`.
    #[serde(skip)]
    pub authority: Option<Authority>,
    /// The proxies that follow from `proxy`, from `server.proxy` and from the environment.
    #[serde(skip)]
    pub proxies: Arc<Proxies>,
    /// The ISINs that the user has given to symbols, if the source is asked by ISIN.
    #[serde(skip)]
    pub isins: BTreeMap<Symbol, String>,
    /// Symbols that the user has defined and that have no name at this source, so that it is not asked for them.
    #[serde(skip)]
    pub excluded_symbols: BTreeSet<Symbol>,
    /// Every text that must never be shown: keys, and what variables and files put into places that hold keys.
    #[serde(skip)]
    pub hidden: Vec<SecretString>,
}

impl Default for SourceSettings {
    /// The values of keys that are not stated. `url`, `classes` and `jq` are empty here: a source has to state them.
    fn default() -> Self {
        SourceSettings {
            name: String::new(),
            about: String::new(),
            like: None,
            enabled: true,
            classes: Vec::new(),
            currencies: Vec::new(),
            fiat: None,
            symbols: Selection::default(),
            role: Role::Primary,
            url: String::new(),
            base_url: None,
            proxy: None,
            ca_file: None,
            method: Method::Get,
            body: None,
            headers: BTreeMap::new(),
            format: Format::One(Format::PLAIN.to_owned()),
            rename: BTreeMap::new(),
            ids: BTreeMap::new(),
            aliases: BTreeMap::new(),
            spelled: BTreeMap::new(),
            units: BTreeMap::new(),
            multiplied: BTreeMap::new(),
            batch: 1,
            join: ",".to_owned(),
            unknown: Unknown::Missing,
            not_found: NotFound::HttpStatus,
            limits: Vec::new(),
            limits_without_key: None,
            cost: Cost::Call,
            account: String::new(),
            timeout: Duration::from_secs(1),
            concurrency: 8,
            retries: 1,
            reuse: true,
            idempotent: true,
            propagate: false,
            shared: true,
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
            only_by_name: false,
            terms: None,
            checked: None,
            reply: Notation::Json,
            separator: Separator::default(),
            charset: None,
            decimal: None,
            jq: String::new(),
            instruments: None,
            examples: Vec::new(),
            mirrors: Vec::new(),
            authority: None,
            proxies: Arc::default(),
            isins: BTreeMap::new(),
            excluded_symbols: BTreeSet::new(),
            hidden: Vec::new(),
        }
    }
}

/// Whether a value is the one that a description need not state.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads currency codes, and returns them in capitals.
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
    /// The other symbols are answered.
    Missing,
    /// The whole call fails. So symbols that the source has never quoted are asked for apart from those that it has
    /// quoted, and in smaller calls if that fails.
    Kills,
}

/// What a 404 means if the filter does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotFound {
    /// The page does not exist, which says nothing about a symbol.
    HttpStatus,
    /// The symbol does not exist: the source answers 404 for no other reason.
    UnknownSymbol,
}

/// The method of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    #[default]
    Get,
    /// Reads, with the question in a body.
    Post,
}

/// The entry of `fiat` that means every code of ISO 4217.
pub(crate) const ANY: &str = "*";

impl SourceSettings {
    /// Whether a code of ISO 4217 means that currency at the source, and not a coin of the same name: `MNT` is the
    /// tögrög at a bank and Mantle at an exchange. At a source of crypto pairs, only the codes in its `fiat` do. If its
    /// description states no `fiat`, the major currencies do, whose codes no coin has.
    pub fn is_currency_there(&self, code: &Currency) -> bool {
        match &self.fiat {
            Some(codes) => codes.iter().any(|known| known == code.as_str() || known == ANY),
            None => !self.classes.contains(&Class::Crypto) || code.is_major(),
        }
    }

    /// Whether the source means by a pair's name what users mean by it. In a pair of two currencies, both legs have to
    /// be currencies at the source. In a coin's pair, only the quote leg has to be; the base may be a coin: `MNT-USDT`
    /// is Mantle. No source means a price in pence by `BTC-GBX`: that name is a coin's.
    pub fn means(&self, pair: &Symbol) -> bool {
        let Some((base, quote)) = pair.legs() else { return true };
        if pair.in_whole_currency().is_some() {
            return false;
        }
        let is_meant = |code: Currency| !code.is_fx() || self.is_currency_there(&code);
        is_meant(Currency::new(quote)) && (pair.class() != Class::Fx || is_meant(Currency::new(base)))
    }

    /// Whether every leg of a pair that is spelled like a currency is that currency at the source.
    pub(crate) fn has_currencies_of(&self, pair: &Symbol) -> bool {
        let legs = pair.legs().into_iter().flat_map(|(base, quote)| [base, quote]).map(Currency::new);
        legs.filter(Currency::is_fx).all(|code| self.is_currency_there(&code))
    }

    /// Every URL at which it can be asked, in the order in which they are tried.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        [&self.url].into_iter().chain(&self.mirrors).map(String::as_str)
    }

    /// The proxy that its calls go through; where some of its addresses have one and some have none, the first one's.
    pub(crate) fn proxy_in_use(&self) -> Option<&Proxy> {
        // braces are not allowed in a host, letters are
        let mut urls = self.urls().filter_map(|url| Url::parse(&url.replace(['{', '}'], "x")).ok());
        urls.find_map(|url| self.proxies.of(&url))
    }

    /// Whether a call says which symbols it asks for. If not, every reply holds all symbols.
    pub(crate) fn asks_by_name(&self) -> bool {
        self.calls_have(&["{symbol", "{first}", "{base", "{quote", "{id", "{isin"])
    }

    /// Whether it is asked for at least some of its symbols by their ISINs.
    pub(crate) fn speaks_isin(&self) -> bool {
        const ISINS: [&str; 3] = ["{isin}", "{isins}", "{isin:lower}"];
        self.calls_have(&ISINS) || ISINS.iter().any(|isin| self.format.texts().any(|text| text.contains(isin)))
    }

    /// Whether a call, or the one for the list of what the vendor trades, has a place for this placeholder.
    pub(crate) fn fills_in(&self, placeholder: &str) -> bool {
        let of_list = self.instruments.iter().flat_map(InstrumentSettings::urls);
        self.calls_have(&[placeholder]) || self.urls().chain(of_list).any(|url| url.contains(placeholder))
    }

    /// Whether a call has one of these texts in its URL, its headers or its body.
    fn calls_have(&self, any: &[&str]) -> bool {
        let mut texts = self.headers.values().chain(self.body.as_ref()).chain([&self.url]);
        texts.any(|text| any.iter().any(|wanted| text.contains(wanted)))
    }

    /// How its bodies are laid out.
    pub fn layout(&self) -> Layout {
        Layout { notation: self.reply, separator: self.separator }
    }

    /// Whether its calls carry a key of some kind: then a refusal may be about the key.
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
    /// The method as a request spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// The format of replies, and what a filter sees of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Notation {
    /// JSON, as it is.
    #[default]
    Json,
    /// A table whose first line holds the names: each further line becomes an object of texts. A single line is no
    /// table but a message, and becomes a text, unless it holds the names alone.
    Csv,
    /// XML: each element becomes `{name, attributes, text, children}`, with names without their prefixes.
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

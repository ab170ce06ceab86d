//! Translates symbols: ours into a provider's spelling, a provider's back into ours, and a list of them into a request.
//!
//! A spelling follows from rules alone (`format`, `rename`, `spelled`), so the way back needs no guessing: a reply is
//! about a symbol if it names it exactly as the rules spell it, or by one of the `aliases`.

mod back;
mod call;
mod isins;
mod request;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use secrecy::SecretString;

use crate::provider::description::{ClassFormat, Format, SourceSettings};
use crate::symbol::SetClasses;
use crate::symbol::{Class, Symbol};
use crate::units::Selection;
pub use call::HttpRequest;
use isins::Isins;
pub(super) use request::RESERVED;
use request::{RequestTemplate, Spelled};
use template::Template;

/// How one source spells symbols, which of them it covers, and how it is asked.
pub struct Spelling {
    classes: Vec<Class>,
    currencies: Vec<String>,
    symbols: Selection,
    formats: Formats,
    rename: BTreeMap<String, String>,
    ids: BTreeMap<String, String>,
    aliases: BTreeMap<String, String>,
    spelled: BTreeMap<Symbol, String>,
    multiplied: BTreeSet<String>,
    isins: Isins,
    excluded_symbols: BTreeSet<Symbol>,
    set_classes: SetClasses,
    request: RequestTemplate,
}

// does not print the request, which holds keys
impl fmt::Debug for Spelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spelling")
    }
}

/// Why a source's description cannot be used for calls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct DescriptionError {
    /// The key of the source's table, such as `url` or `headers.authorization`.
    pub key: String,
    /// What is wrong with its value, and what is allowed.
    pub message: String,
}

/// Why a coin has no name at a source, although the source may well have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unnamed {
    /// The source identifies coins by ids, and this base has none.
    NoId(String),
    /// The source uses this name for a coin that has another name here.
    Renamed {
        /// The source's name of that coin.
        theirs: String,
        /// Our name of that coin.
        ours: String,
    },
}

/// The templates of a [`Format`].
struct Formats {
    /// The template of the classes that have none of their own.
    general: Template,
    per_class: BTreeMap<Class, Template>,
    future: Option<Template>,
    dot: Option<String>,
    unit: Option<String>,
    suffix: Option<BTreeMap<String, String>>,
}

impl Spelling {
    /// Reads how a source spells symbols and how it is asked.
    ///
    /// # Errors
    /// The first key with a value that cannot be used.
    pub fn new(source: &SourceSettings) -> Result<Self, DescriptionError> {
        let mut spelled = BTreeMap::new();
        for (ours, theirs) in &source.spelled {
            let symbol = Symbol::named(ours);
            let symbol =
                symbol.map_err(|error| DescriptionError::new(format!("spelled.{ours:?}"), error.to_string()))?;
            spelled.insert(symbol, theirs.clone());
        }
        let mut rename = source.rename.clone();
        for (base, multiple) in &source.multiplied {
            rename.entry(base.clone()).or_insert_with(|| format!("{multiple}{base}"));
        }
        let request = RequestTemplate::new(source)?;
        let isins = Isins::new(source, &request);
        Ok(Spelling {
            classes: source.classes.clone(),
            currencies: source.currencies.clone(),
            symbols: source.symbols.clone(),
            formats: Formats::new(&source.format, isins.default_format())?,
            rename,
            ids: source.ids.clone(),
            aliases: source.aliases.clone(),
            spelled,
            multiplied: source.multiplied.keys().cloned().collect(),
            isins,
            excluded_symbols: source.excluded_symbols.clone(),
            set_classes: SetClasses::default(),
            request,
        })
    }

    /// The same, with the classes of symbols that are set because they do not follow from the spelling (funds).
    pub(crate) fn with_classes(self, set_classes: impl Into<SetClasses>) -> Self {
        Spelling { set_classes: set_classes.into(), ..self }
    }

    /// Whether the source prices this symbol, according to its description.
    pub fn covers(&self, symbol: &Symbol, class: Class) -> bool {
        let trades = |quote: &str| self.currencies.is_empty() || self.currencies.iter().any(|code| code == quote);
        self.classes.contains(&self.class_there(symbol, class))
            && !self.excluded_symbols.contains(symbol)
            && symbol.legs().is_none_or(|(_, quote)| trades(quote))
            && self.selects(symbol)
            && self.spell(symbol, class).is_some_and(|name| !self.is_a_pair_there(symbol, &name))
    }

    /// Whether it may be asked for a symbol: by its own name, or by the ISIN that it is asked by.
    fn selects(&self, symbol: &Symbol) -> bool {
        let isin = self.isins.of(symbol).unwrap_or(symbol.as_str());
        self.symbols.selects_named(&[symbol.as_str(), isin])
    }

    /// The class that the source has a symbol in: no ISIN says whether it is that of a share or of a fund.
    fn class_there(&self, symbol: &Symbol, class: Class) -> Class {
        let only_funds = self.classes.contains(&Class::Fund) && !self.classes.contains(&Class::Equity);
        let may_be_fund = class == Class::Equity && self.isins.of(symbol).is_some();
        if only_funds && may_be_fund { Class::Fund } else { class }
    }

    /// Whether a source that writes pairs without a separator would take a ticker for a pair: `EURUSD`.
    fn is_a_pair_there(&self, symbol: &Symbol, name: &str) -> bool {
        let split = |quote: &String| Symbol::of_legs(symbol.as_str().strip_suffix(quote.as_str())?, quote);
        let mut pairs = self.currencies.iter().filter_map(split).filter(|pair| self.classes.contains(&pair.class()));
        symbol.legs().is_none() && pairs.any(|pair| self.spell(&pair, pair.class()).as_deref() == Some(name))
    }

    /// Whether symbols of this class are asked for by their ISINs alone.
    pub(crate) fn is_asked_by_isin(&self, class: Class) -> bool {
        let template = self.formats.per_class.get(&class).unwrap_or(&self.formats.general);
        self.isins.are_all_it_gets(template.has("isin"))
    }

    /// The source's spelling of a symbol; `None` if it has none.
    pub fn spell(&self, symbol: &Symbol, class: Class) -> Option<String> {
        self.spell_whole(symbol, class).map(|spelled| spelled.symbol)
    }

    /// The spelling of a symbol, whole and in parts.
    fn spell_whole(&self, symbol: &Symbol, class: Class) -> Option<Spelled> {
        // a price in a thousand coins is not one in a coin
        if symbol.legs().is_some_and(|(_, quote)| self.multiplied.contains(quote)) {
            return None;
        }
        let class = self.class_there(symbol, class);
        let exception = self.spelled.get(symbol);
        let mut spelled = match self.parts(symbol, class) {
            Some(parts) => parts,
            None => exception.map(|_| Spelled::default())?,
        };
        spelled.symbol = match exception {
            Some(theirs) => theirs.clone(),
            None => self.formats.of(symbol, class)?.fill(|name| {
                let part = match name {
                    "symbol" => &spelled.symbol,
                    "base" => &spelled.base,
                    "quote" => &spelled.quote,
                    "isin" => &spelled.isin,
                    _ => &spelled.id,
                };
                (!part.is_empty()).then(|| part.clone())
            })?,
        };
        self.isins.complete(spelled, exception.is_some())
    }

    /// Whether the source's description mentions a symbol, by its whole name or by its base, and does not merely have
    /// rules that spell it.
    pub fn names(&self, symbol: &Symbol) -> bool {
        let by_base = |(base, _): (&str, &str)| self.rename.contains_key(base) || self.ids.contains_key(base);
        let by_alias = |name: String| self.aliases.values().any(|requested| *requested == name);
        self.spelled.contains_key(symbol)
            || self.isins.are_given(symbol)
            || symbol.legs().map_or(self.rename.contains_key(symbol.as_str()), by_base)
            || self.spell_as_set(symbol).is_some_and(by_alias)
    }

    /// The call that asks for these symbols.
    pub fn request(&self, asked: &[Symbol]) -> HttpRequest {
        let spelled: Vec<Spelled> =
            asked.iter().filter_map(|symbol| self.spell_whole(symbol, self.class(symbol))).collect();
        self.request.fill(&spelled)
    }

    /// The call for the list of what the vendor trades; `None` if that is not asked for.
    pub(crate) fn list_request(&self) -> Option<HttpRequest> {
        self.request.fill_list()
    }

    /// The name that a call for a symbol would use, in the class that is set for it; `None` if the source has none.
    pub(crate) fn name_of(&self, symbol: &Symbol) -> Option<String> {
        self.spell_as_set(symbol)
    }

    /// Whether the description says what the source calls this very symbol.
    pub(crate) fn is_exception(&self, symbol: &Symbol) -> bool {
        self.spelled.contains_key(symbol)
    }

    /// Texts that must be hidden in replies besides the keys themselves: the name and password in a URL, in the forms
    /// in which they travel.
    pub(super) fn credentials(&self) -> Vec<SecretString> {
        self.request.credentials()
    }

    /// The spelling of a symbol in the class that is set for it, else in the class that follows from the symbol itself.
    pub(super) fn spell_as_set(&self, symbol: &Symbol) -> Option<String> {
        self.spell(symbol, self.class(symbol))
    }

    /// The class that is set for a symbol, else the class that follows from the symbol itself.
    pub(super) fn class(&self, symbol: &Symbol) -> Class {
        self.set_classes.of(symbol)
    }

    /// The name in a request that a name in a reply corresponds to.
    pub(crate) fn requested_as<'n>(&'n self, replied: &'n str) -> &'n str {
        self.aliases.get(replied).map_or(replied, String::as_str)
    }

    /// Why the source has no name for a leg of a pair; `None` if it has names for both.
    pub fn unnamed(&self, pair: &Symbol) -> Option<Unnamed> {
        let (base, quote) = pair.legs()?;
        // the source uses this name for a coin that we call something else, so it would answer for the wrong coin
        let taken = |part: &str| {
            let mut names = self.rename.iter().filter(|_| !self.rename.contains_key(part));
            let (ours, theirs) = names.find(|(_, theirs)| *theirs == part)?;
            Some(Unnamed::Renamed { theirs: theirs.clone(), ours: ours.clone() })
        };
        // tickers are not unique there: only an id makes sure that it is the coin that was meant
        let no_id = || (!self.ids.is_empty() && !self.ids.contains_key(base)).then(|| Unnamed::NoId(base.to_owned()));
        taken(base).or_else(|| taken(quote)).or_else(no_id)
    }

    /// Why a pair has no name at a source that could otherwise be asked for it; `None` if it has one, or if the source
    /// does not cover it for another reason too.
    pub(crate) fn lacks_only_a_name(&self, pair: &Symbol, class: Class) -> Option<Unnamed> {
        let may = self.symbols.selects(pair.as_str())
            && self.classes.contains(&class)
            && !self.excluded_symbols.contains(pair);
        self.unnamed(pair).filter(|_| may && !self.spelled.contains_key(pair))
    }

    /// The values of a format's placeholders; `None` if the source has no name for a part.
    fn parts(&self, symbol: &Symbol, class: Class) -> Option<Spelled> {
        let renamed = |part: &str| self.rename.get(part).cloned().unwrap_or_else(|| part.to_owned());
        if let Some((base, quote)) = symbol.legs() {
            if self.unnamed(symbol).is_some() {
                return None;
            }
            let id = self.ids.get(base).cloned().unwrap_or_default();
            let (base, quote) = (renamed(base), renamed(quote));
            return Some(Spelled { symbol: format!("{base}-{quote}"), base, quote, id, ..Spelled::default() });
        }
        let (ticker, isin) = (self.ticker(symbol, class), self.isins.of(symbol).unwrap_or_default().to_owned());
        let is_named = ticker.is_some() || !isin.is_empty();
        is_named.then(|| Spelled { symbol: ticker.unwrap_or_default(), isin, ..Spelled::default() })
    }

    /// The value of `{symbol}` for what is not a pair; `None` if the source has no name for it.
    fn ticker(&self, symbol: &Symbol, class: Class) -> Option<String> {
        let renamed = |part: &str| self.rename.get(part).cloned().unwrap_or_else(|| part.to_owned());
        let name = symbol.as_str();
        if symbol.isin().is_some() {
            return self.isins.are_symbols().then(|| renamed(name));
        }
        Some(if let Some((ticker, exchange)) = symbol.listing() {
            match &self.formats.suffix {
                Some(suffix) => format!("{}{}", renamed(ticker), suffix.get(exchange.suffix)?),
                None => format!("{}.{}", renamed(ticker), exchange.suffix),
            }
        } else if symbol.is_elsewhere() {
            // how the source spells a suffix that is not known cannot be known, unless it keeps all of them
            if self.formats.suffix.is_some() {
                return None;
            }
            renamed(name)
        } else if self.formats.per_class.contains_key(&Class::Index) && class == Class::Index {
            renamed(name.trim_start_matches('^'))
        } else {
            let dot = self.formats.dot.as_deref().unwrap_or(".");
            // our listings in the United States have no suffix, but the source's may
            let here = self.formats.suffix.as_ref().and_then(|suffix| suffix.get("US"));
            let here = here.filter(|_| symbol.is_united_states()).map_or("", String::as_str);
            let name = self.formats.with_unit(symbol, renamed(name));
            // a plan spells every symbol for every source, and most names have neither
            let name = if name.contains('.') { name.replace('.', dot) } else { name };
            name + here
        })
    }
}

impl Formats {
    /// `default` is the template of what the format states nothing about.
    fn new(format: &Format, default: &str) -> Result<Self, DescriptionError> {
        const PLACEHOLDERS: &[&str] =
            &["symbol", "base", "quote", "id", "isin", "symbol:lower", "base:lower", "quote:lower", "isin:lower"];
        let template = |key: &str, text: &str| Template::parse(key, text, PLACEHOLDERS);
        let per_class = match format {
            Format::One(text) => {
                let text = if text == Format::PLAIN { default } else { text };
                let general = template("format", text)?;
                let per_class = BTreeMap::new();
                return Ok(Formats { general, per_class, future: None, dot: None, unit: None, suffix: None });
            }
            Format::PerClass(per_class) => per_class,
        };
        let ClassFormat { equity, index, fund, crypto, fx, future, dot, unit, suffix } = per_class;
        let stated = [
            (Class::Equity, equity),
            (Class::Index, index),
            (Class::Fund, fund),
            (Class::Crypto, crypto),
            (Class::Fx, fx),
        ];
        let mut templates = BTreeMap::new();
        for (class, text) in stated {
            if let Some(text) = text {
                templates.insert(class, template(&format!("format.{class}"), text)?);
            }
        }
        let general = template("format", default)?;
        let future = future.as_ref().map(|text| template("format.future", text)).transpose()?;
        let (dot, unit, suffix) = (dot.clone(), unit.clone(), suffix.clone());
        Ok(Formats { general, per_class: templates, future, dot, unit, suffix })
    }

    /// A name of ours, with what the source writes for units in place of `.U`.
    fn with_unit(&self, symbol: &Symbol, name: String) -> String {
        let ticker = name.strip_suffix(".U").filter(|_| symbol.is_united_states());
        match (ticker, &self.unit) {
            (Some(ticker), Some(unit)) => format!("{ticker}{unit}"),
            _ => name,
        }
    }

    /// The template for a symbol; `None` if the source has no futures, and it is one.
    fn of(&self, symbol: &Symbol, class: Class) -> Option<&Template> {
        if symbol.is_future() {
            return self.future.as_ref();
        }
        Some(self.per_class.get(&class).unwrap_or(&self.general))
    }
}

impl DescriptionError {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        DescriptionError { key: key.into(), message: message.into() }
    }
}

#[cfg(test)]
mod tests;

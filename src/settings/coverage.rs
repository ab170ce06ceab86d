//! Says what the sources that are on can price, and what to switch on for the rest.

mod keys;
mod kinds;
mod start;

use std::collections::BTreeSet;

use super::{ClassSettings, OffSource, Settings};
use crate::provider::description::SourceSettings;
use crate::provider::spelling::{Spelling, Unnamed};
use crate::quote::Role;
use crate::symbol::{Class, Symbol};
use crate::text::words::list;

/// The most providers that one sentence names.
const NAMED: usize = 3;

impl SourceSettings {
    /// Whether the source prices this symbol of this class, according to its description.
    pub fn covers(&self, symbol: &Symbol, class: Class) -> bool {
        self.means(symbol) && Spelling::new(self).is_ok_and(|spelling| spelling.covers(symbol, class))
    }
}

impl Settings {
    /// What is covered, one text per class. Joined with " · ", they are the line that is logged at the start.
    pub(crate) fn coverage(&self) -> Vec<String> {
        let line = |(index, class): (usize, &Class)| {
            let of_class = || self.sources.iter().filter(|source| source.classes.contains(class));
            let count = of_class().count();
            let unit = match (index, count) {
                (0, 1) => " source",
                (0, _) => " sources",
                _ => "",
            };
            let accounts = |with_references| {
                let counted = of_class().filter(|source| with_references || source.role != Role::Reference);
                counted.map(|source| &source.account).collect::<BTreeSet<_>>().len()
            };
            let note = match count {
                0 => format!(" ({})", self.would_price(*class)),
                _ => shortfall(&self.of_class(*class), accounts(false), accounts(true)),
            };
            format!("{class} {count}{unit}{note}")
        };
        Class::ALL.iter().enumerate().map(line).collect()
    }

    /// Why a client cannot get this symbol, and what to do: one sentence. `None` if a source that is on covers it.
    pub(crate) fn would_allow(&self, symbol: &Symbol) -> Option<String> {
        if !self.allows(symbol) {
            return Some(format!("server.symbols does not allow clients to ask for {symbol}"));
        }
        self.would_cover(symbol)
    }

    /// The sources that are on and cover a symbol, in the order of their names.
    pub(crate) fn covering(&self, symbol: &Symbol) -> Vec<&str> {
        let class = self.class(symbol);
        let covering = self.sources.iter().filter(|source| self.is_covered_by(source, symbol, class));
        covering.map(|source| source.name.as_str()).collect()
    }

    /// Why no source that is on covers a symbol, and which providers would: one sentence. `None` if a source covers it.
    pub(crate) fn would_cover(&self, symbol: &Symbol) -> Option<String> {
        if !self.covering(symbol).is_empty() {
            return None;
        }
        let class = self.class(symbol);
        let kind = kind(symbol, class);
        let unnamed = self.unnamed(symbol, class);
        let helpers = self.helpers(symbol);
        let mut sentence = match unnamed.as_deref() {
            Some(unnamed) => format!("no source that is switched on covers {symbol}: {unnamed}"),
            None => format!("no source that is switched on covers {kind}"),
        };
        match &helpers {
            Some(helpers) => sentence += &format!("; {helpers}"),
            None if unnamed.is_none() => {
                sentence += ", and no provider in the catalogue would; describe a source of your own";
            }
            None => {}
        }
        if symbol.isin().is_some() {
            sentence += "; or ask by its ticker, such as AAPL";
        }
        if let Some(gone) = symbol.gone_money() {
            sentence += &format!("; {gone}");
        }
        if let Some(pair) = symbol.did_you_mean() {
            sentence += &format!("; did you mean {pair}?");
        }
        Some(sentence)
    }

    /// Which providers would price a symbol, and what switches the best of them on: half a sentence.
    fn helpers(&self, symbol: &Symbol) -> Option<String> {
        let class = self.class(symbol);
        let able = self.offered().into_iter().filter(|off| off.covers(symbol, class));
        let (keyed, other): (Vec<&OffSource>, Vec<&OffSource>) = able.partition(|off| !off.source.key_from.is_empty());
        let keyed = self.keys_that_agree(&keyed, self.of_class(class).required);
        let other = other.first().map(|first| format!("{} would: {}", names(&other), first.switch_on));
        let helpers: Vec<String> = keyed.into_iter().chain(other).collect();
        (!helpers.is_empty()).then(|| helpers.join("; "))
    }

    /// Which of these providers need a free key, and what sets as many keys as vendors must agree: half a sentence.
    fn keys_that_agree(&self, keyed: &[&OffSource], required: usize) -> Option<String> {
        let first = keyed.first()?;
        let mut accounts = BTreeSet::new();
        let independent = keyed.iter().filter(|off| off.source.role != Role::Reference);
        let distinct = independent.filter(|off| accounts.insert(&off.source.account));
        let enough: Vec<&str> = distinct.take(required).map(|off| off.switch_on.as_str()).collect();
        let would = names(keyed);
        Some(if required > 1 && enough.len() == required {
            format!("{would} would, with free keys, of which {required} must agree: {}", enough.join(", and "))
        } else {
            format!("{would} would, with a free key: {}", first.switch_on)
        })
    }

    /// One more source that would price a symbol, and what switches it on: half a sentence. Official sources come
    /// first, and among them those without a key. If it is all that a quorum lacks, the sentence says so.
    pub(crate) fn one_more(&self, symbol: &Symbol) -> Option<String> {
        let (another, _) = self.another(symbol)?;
        Some(format!("{} would help: {}", another.source.name, another.switch_on))
    }

    /// The same where too few vendors are on: whether that one is all that a quorum lacks is said, too.
    pub(crate) fn one_more_vendor(&self, symbol: &Symbol) -> Option<String> {
        let (another, on) = self.another(symbol)?;
        let required = self.of_class(self.class(symbol)).required;
        let completes = another.source.role != Role::Reference && on + 1 == required;
        let would = if completes { "would make it ok" } else { "would help" };
        Some(format!("{} {would}: {}", another.source.name, another.switch_on))
    }

    /// The best source to switch on for a symbol, of an account that does not cover it yet, and how many independent accounts
    /// do.
    fn another(&self, symbol: &Symbol) -> Option<(&OffSource, usize)> {
        let class = self.class(symbol);
        let mut offered = self.offered();
        offered
            .sort_by_key(|off| (off.source.unofficial, off.source.role == Role::Reference, off.source.key_from.len()));
        let covering = self.sources.iter().filter(|source| self.is_covered_by(source, symbol, class));
        let (mut accounts, mut independent) = (BTreeSet::new(), BTreeSet::new());
        for source in covering {
            accounts.insert(&source.account);
            if source.role != Role::Reference {
                independent.insert(&source.account);
            }
        }
        let is_new = |off: &&OffSource| !accounts.contains(&off.source.account) && off.covers(symbol, class);
        Some((offered.into_iter().find(is_new)?, independent.len()))
    }

    fn is_covered_by(&self, source: &SourceSettings, symbol: &Symbol, class: Class) -> bool {
        let spelling = self.spellings.get(&source.name);
        source.means(symbol) && spelling.is_some_and(|spelling| spelling.covers(symbol, class))
    }

    /// Which sources that are on could quote a pair under another name, and what to do: half a sentence.
    fn unnamed(&self, symbol: &Symbol, class: Class) -> Option<String> {
        let said = |source: &SourceSettings| {
            let name = &source.name;
            Some(match self.spellings.get(name)?.lacks_only_a_name(symbol, class)? {
                Unnamed::NoId(base) => format!(
                    "{name} has no id for {base}; set {base} = \"…\" in [sources.{name}.ids] to {name}'s own id"
                ),
                Unnamed::Renamed { theirs, ours } if source.multiplied.contains_key(&ours) => format!(
                    "{name} lists {ours} as {theirs} (multiplied), and it is priced by the unit here; ask for {}",
                    with_leg(symbol, &theirs, &ours)
                ),
                Unnamed::Renamed { theirs, ours } => format!(
                    "what {name} calls {theirs} is called {ours} here (rename); ask for {}",
                    with_leg(symbol, &theirs, &ours)
                ),
            })
        };
        let said: Vec<String> = self.sources.iter().filter_map(said).take(NAMED).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// The free providers that could be switched on, the best first: independent ones, those whose key adds most, and those
    /// that need fewer keys. What the operator has switched off is not among them.
    fn offered(&self) -> Vec<&OffSource> {
        let is_offered = |off: &&OffSource| !off.source.paid && !off.source.only_by_name && off.source.enabled;
        let mut offered: Vec<&OffSource> = self.off.iter().filter(is_offered).collect();
        offered.sort_by_key(|off| (off.source.role, off.rank, off.source.key_from.len(), &off.source.name));
        offered
    }

    /// What switches on a source for a class.
    fn would_price(&self, class: Class) -> String {
        let able: Vec<&OffSource> =
            self.offered().into_iter().filter(|off| off.source.classes.contains(&class)).collect();
        let with_key = able.iter().filter(|off| !off.source.unofficial && !off.source.key_from.is_empty());
        let mut keys: Vec<String> = with_key.map(|off| off.source.key_from.join(" and ")).collect();
        keys.dedup();
        // in a configuration that names its sources, a variable alone switches none on
        keys.retain(|_| able.iter().all(|off| off.switch_on.starts_with("set ")));
        match (keys.is_empty(), able.first()) {
            (false, _) => {
                let more = if keys.len() > NAMED { " or …" } else { "" };
                format!("set {}{more}", keys.iter().take(NAMED).cloned().collect::<Vec<_>>().join(" or "))
            }
            (true, Some(first)) => first.switch_on.clone(),
            (true, None) => "describe a source of your own".to_owned(),
        }
    }
}

/// What happens when fewer sources are on than must agree.
fn shortfall(set: &ClassSettings, independent: usize, all: usize) -> String {
    let reason = match set.required {
        required if independent >= required => return String::new(),
        required if all >= required => "with_references",
        _ => "few_sources",
    };
    format!(" (required {}: degraded / {reason})", set.required)
}

/// The pair with one leg renamed.
fn with_leg(pair: &Symbol, from: &str, to: &str) -> String {
    let legs = pair.legs().into_iter().flat_map(|(base, quote)| [base, quote]);
    legs.map(|leg| if leg == from { to } else { leg }).collect::<Vec<_>>().join("-")
}

/// The kind of symbol this is, in words and in the plural.
fn kind(symbol: &Symbol, class: Class) -> String {
    match (class, symbol.legs(), symbol.listing()) {
        (Class::Fund, ..) => "funds".to_owned(),
        (Class::Index, ..) => "indices".to_owned(),
        (_, Some((_, quote)), _) if class == Class::Fx => format!("currency pairs in {quote}"),
        (_, Some((_, quote)), _) => format!("crypto pairs in {quote}"),
        (_, _, Some((_, exchange))) => format!("listings on {}", exchange.name),
        _ if symbol.is_us_listing() => "US listings".to_owned(),
        _ if symbol.is_future() => "futures".to_owned(),
        _ if symbol.isin().is_some() => format!("the ISIN {symbol}"),
        _ => format!("{symbol}, whose exchange is not known"),
    }
}

/// "a, b and c", or "a, b, c and 4 more".
fn names(off: &[&OffSource]) -> String {
    list(off.iter().map(|off| &off.source.name), NAMED)
}

#[cfg(test)]
mod tests {
    use crate::settings::load::{LoadOptions, load};
    use crate::symbol::Symbol;

    fn sentence(variables: &[(&str, &str)], symbol: &str) -> Option<String> {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = load(&LoadOptions { environment, ..LoadOptions::default() }).unwrap();
        settings.would_allow(&Symbol::parse(symbol).unwrap())
    }

    #[test]
    fn a_symbol_without_a_source_names_the_providers_that_cover_it() {
        let sentence_for_shares = sentence(&[], "AAPL").unwrap();
        assert!(
            sentence_for_shares.starts_with(
                "no source that is switched on covers US listings; twelvedata, tiingo, finnhub and 5 more would, with free \
                 keys, of which 2 must agree: set TWELVEDATA_API_KEY (https://"
            ),
            "{sentence_for_shares}"
        );
        for words in
            ["), and set TIINGO_API_KEY (https://", "; cboe, cnbc, nasdaq and 2 more would: set QUOTEFOLD_UNOFFICIAL=1"]
        {
            assert!(sentence_for_shares.contains(words), "{sentence_for_shares}");
        }
        assert!(sentence(&[], "BTCUSD").unwrap().ends_with("; did you mean BTC-USD?"));
        assert_eq!(sentence(&[("FINNHUB_API_KEY", "abcdef")], "AAPL"), None);
        assert_eq!(sentence(&[], "BTC-USD"), None);
        let allowed = [("QUOTEFOLD_SERVER__SYMBOLS", "[\"ETH-*\"]")];
        assert!(sentence(&allowed, "BTC-USD").unwrap().contains("server.symbols"));
    }

    #[test]
    fn the_vendor_that_makes_a_price_ok_has_an_account_of_its_own() {
        let advice = |text: &str| {
            let text = Some(("the settings".to_owned(), text.to_owned()));
            let settings = load(&LoadOptions { text, ..LoadOptions::default() }).unwrap();
            settings.one_more_vendor(&Symbol::parse("AAPL").unwrap()).unwrap()
        };
        let one = advice("[sources.finnhub]\nkey = \"abcdef\"");
        assert!(one.starts_with("twelvedata would make it ok: add [sources."), "{one}");
        let second = advice("[sources.one]\nlike = \"finnhub\"\naccount = \"twelvedata\"\nkey = \"abcdef\"");
        assert!(second.starts_with("tiingo would make it ok"), "{second}");
        // one more is not enough where three must agree, or where none is on
        let three = advice("[fold]\nrequired = 3\n[sources.finnhub]\nkey = \"abcdef\"");
        assert!(three.starts_with("twelvedata would help: "), "{three}");
        assert!(advice("[sources.kraken]").contains(" would help: "));
        // what has been switched off is not offered
        let without = "[sources.finnhub]\nkey = \"abcdef\"\n[sources.twelvedata]\nenabled = false";
        assert!(advice(without).starts_with("tiingo would make it ok"), "{}", advice(without));
    }

    #[test]
    fn the_coverage_line_counts_sources_per_class() {
        let environment = [("FINNHUB_API_KEY".to_owned(), "abcdef".to_owned())].into();
        let settings = load(&LoadOptions { environment, ..LoadOptions::default() }).unwrap();
        let lines = settings.coverage();
        assert_eq!(lines.len(), 5);
        assert!(lines[0].starts_with("crypto ") && lines[0].contains(" sources"), "{lines:?}");
        assert_eq!(lines[2], "equity 1 (required 2: degraded / few_sources)");
        assert!(lines[4].starts_with("fund 0 ("), "{lines:?}");
    }
}

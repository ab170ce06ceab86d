//! The names that are known without a call: those of the tables and of `[symbols]`, and those in the descriptions of sources.

use super::rank::Named;
use crate::provider::description::SourceSettings;
use crate::provider::scrub::Scrub;
use crate::settings::Settings;
use crate::symbol::{Class, Symbol, known_pairs};

/// Every name in the tables and the settings.
pub(super) fn names(settings: &Settings) -> impl Iterator<Item = Named<'_>> {
    let lower = |id: &str| id.to_ascii_lowercase().into();
    let tables = known_pairs().map(move |(symbol, id)| Named { symbol, called: id.map(lower), source: None });
    tables.chain(of_user(settings)).chain(settings.sources.iter().flat_map(of_source))
}

/// What `[symbols]` and `[watch]` name. What `[symbols]` says that sources call something is in their descriptions too.
fn of_user(settings: &Settings) -> impl Iterator<Item = Named<'_>> {
    let defined = settings.symbols.iter().map(|(symbol, set)| (symbol, set.isin.as_deref()));
    let watched = settings.watch.symbols.iter().map(|symbol| (symbol, None));
    defined.chain(watched).map(|(symbol, isin)| Named {
        symbol: symbol.clone(),
        called: isin.map(Into::into),
        source: None,
    })
}

/// What a source's description names: single symbols, and coins, of which the source's usual pair stands for all. A name that
/// holds a secret is left out, or one could search for it letter by letter.
fn of_source(source: &SourceSettings) -> impl Iterator<Item = Named<'_>> {
    let (name, secrets) = (source.name.as_str(), Scrub::new(&source.hidden));
    let has_coins = source.classes.contains(&Class::Crypto);
    let spelled = source.spelled.iter().map(|(ours, theirs)| (Symbol::named(ours).ok(), Some(theirs)));
    let ids = source.ids.iter().map(|(base, id)| (usual_pair(source, base), Some(id)));
    let coins = source.rename.keys().chain(source.multiplied.keys()).filter(move |_| has_coins);
    let coins = coins.map(|base| (usual_pair(source, base), None));
    let is_safe = move |called: &&String| source.hidden.is_empty() || secrets.hide(called) == **called;
    spelled.chain(ids).chain(coins).filter_map(move |(symbol, called)| {
        let called = called.filter(&is_safe).map(|called| called.as_str().into());
        Some(Named { symbol: symbol?, called, source: Some(name) })
    })
}

/// The pair of a coin that a source is most probably asked for: in dollars if it has these.
fn usual_pair(source: &SourceSettings, base: &str) -> Option<Symbol> {
    let in_dollars = source.currencies.is_empty() || source.currencies.iter().any(|code| code == "USD");
    let quote = if in_dollars { "USD" } else { source.currencies.first()?.as_str() };
    Symbol::of_legs(base, quote)
}

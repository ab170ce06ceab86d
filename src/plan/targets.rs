//! Lists what must be priced to answer a question: its symbols, and every rate that their prices need.

use std::collections::BTreeSet;

use super::{Basis, Purpose, Target};
use crate::route::Route;
use crate::source::profile::Profile;
use crate::symbol::{Class, Currency, Symbol};

impl Basis<'_> {
    /// Everything that must be priced, as far as can be known before anybody is asked.
    pub(super) fn targets(self) -> Vec<Target> {
        let asked = self.question.symbols.iter();
        let mut targets: Vec<Target> = asked.map(|symbol| self.target(symbol, Purpose::Asked)).collect();
        let rates = self.question.symbols.iter().filter(|symbol| self.settings.allows(symbol));
        let rates: BTreeSet<Symbol> = rates.filter_map(|symbol| self.conversion(symbol)).collect();
        let conversions = self.conversions(&rates, &targets);
        targets.extend(conversions);
        let rates = self.rates(&targets);
        targets.extend(rates);
        targets
    }

    /// Rates to the caller's currency that are not among the targets yet, with the rates their own derived quotes need.
    pub(super) fn conversions(self, rates: &BTreeSet<Symbol>, targets: &[Target]) -> Vec<Target> {
        let is_new = |symbol: &&Symbol| !is_among(targets, Purpose::Conversion, symbol);
        let mut new: Vec<Target> =
            rates.iter().filter(is_new).map(|symbol| self.target(symbol, Purpose::Conversion)).collect();
        let needed = self.rates(&new);
        new.extend(needed.into_iter().filter(|rate| !is_among(targets, Purpose::Rate, &rate.symbol)));
        new
    }

    /// The rates that derived quotes of these targets need and that are not among them.
    fn rates(self, targets: &[Target]) -> Vec<Target> {
        let routes = targets.iter().flat_map(|target| &target.ways);
        let needed: BTreeSet<&Symbol> = routes.flat_map(|(_, route)| &route.rates).map(|rate| &rate.symbol).collect();
        let is_new = |symbol: &&Symbol| !is_among(targets, Purpose::Rate, symbol);
        needed.into_iter().filter(is_new).map(|symbol| self.target(symbol, Purpose::Rate)).collect()
    }

    /// What turns a symbol's price into the caller's currency, if one is asked for and the symbol is not in it already.
    fn conversion(self, symbol: &Symbol) -> Option<Symbol> {
        let to = self.question.currency.as_ref()?;
        let (rate, _) = Symbol::market_pair(self.expected_currency(symbol)?.as_str(), to.as_str())?;
        Some(rate)
    }

    /// The currency a symbol's price will probably be in: what is set, what its spelling says, what was stated last, what is
    /// usual where it is listed. What the price is in is settled by the fold alone.
    fn expected_currency(self, symbol: &Symbol) -> Option<Currency> {
        let set = self.settings.symbols.get(symbol).and_then(|set| set.currency.clone());
        let stated = || {
            let known = (self.recall)(symbol);
            known.into_values().find_map(|known| known.outcome.quote?.currency)
        };
        set.or_else(|| symbol.pair_currency()).or_else(stated).or_else(|| symbol.usual_currency())
    }

    fn target(self, symbol: &Symbol, purpose: Purpose) -> Target {
        // what may not be asked for costs no call; a rate is bounded by the currencies that can be asked for
        let is_open = purpose != Purpose::Asked || self.settings.allows(symbol);
        let way = |(index, source): (usize, &&Profile)| {
            let route = match purpose {
                Purpose::Rate => Route::direct(source, symbol, self.settings),
                Purpose::Asked | Purpose::Conversion => self.route(source, symbol),
            };
            route.map(|route| (index, route))
        };
        let sources = self.sources.iter().enumerate().filter(|_| is_open);
        let ways = sources.filter(|(_, source)| self.question.lets_in(source.name())).filter_map(way).collect();
        Target { symbol: symbol.clone(), purpose, ways }
    }
}

impl Basis<'_> {
    /// How a source prices a symbol. Money that it has just denied to quote itself may still be crossed.
    fn route(self, source: &Profile, symbol: &Symbol) -> Option<Route> {
        let route = Route::find(source, symbol, self.settings)?;
        let denies = || {
            let known = (self.recall)(&route.asked).remove(source.name())?;
            let need = self.need(source, &route.asked);
            Some(known.outcome.denies_symbol() && known.is_settled(need, self.now.monotonic))
        };
        if self.settings.class(symbol) == Class::Fx && route.rates.is_empty() && denies() == Some(true) {
            return Route::derived(source, symbol, self.settings).or(Some(route));
        }
        Some(route)
    }
}

fn is_among(targets: &[Target], purpose: Purpose, symbol: &Symbol) -> bool {
    targets.iter().any(|target| target.purpose == purpose && target.symbol == *symbol)
}

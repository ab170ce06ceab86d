//! Lists what must be priced to answer a question: its symbols, and every rate that their prices need.

use std::collections::{BTreeMap, BTreeSet};

use super::memory::Memory;
use super::{Basis, Purpose, Target, Way};
use crate::pace::Pace;
use crate::profile::Profile;
use crate::quote::Role;
use crate::route::Route;
use crate::symbol::{Class, Currency, Symbol};

impl Basis<'_> {
    /// Everything that must be priced: what was asked for, the rates that its conversion will need or is known to need, and
    /// the rates that derived quotes of all these need.
    pub(super) async fn targets(self, rates: &BTreeSet<Symbol>, memory: &Memory<'_>, pace: &mut Pace) -> Vec<Target> {
        let mut targets = Vec::with_capacity(self.question.symbols.len());
        for symbol in &self.question.symbols {
            targets.push(self.target(symbol, Purpose::Asked, memory));
            pace.step(self.sources.len()).await;
        }
        let allowed = self.question.symbols.iter().filter(|symbol| self.settings.allows(symbol));
        let mut conversions: BTreeSet<Symbol> = allowed.filter_map(|symbol| self.conversion(symbol, memory)).collect();
        conversions.extend(rates.iter().cloned());
        targets.extend(conversions.iter().map(|symbol| self.target(symbol, Purpose::Conversion, memory)));
        let needed: BTreeSet<Symbol> = rates_of(&targets).collect();
        targets.extend(needed.iter().map(|symbol| self.target(symbol, Purpose::Rate, memory)));
        Self::leave_out_hopeless(&mut targets);
        targets
    }

    /// Takes the ways out of every pair of moneys, and of every rate to the caller's currency, that can only be made with rates
    /// which no source has: then no source covers it. The other rates for it are not asked for either.
    fn leave_out_hopeless(targets: &mut Vec<Target>) {
        let is_hopeless = |target: &&Target| target.purpose == Purpose::Rate && target.ways.is_empty();
        let hopeless: BTreeSet<Symbol> =
            targets.iter().filter(is_hopeless).map(|target| target.symbol.clone()).collect();
        let lacks = |way: &Way| {
            let mut rates = way.route.rates.iter().map(|rate| &rate.symbol);
            rates.find(|rate| hopeless.contains(rate)).filter(|_| way.denied.is_none()).cloned()
        };
        let is_money =
            |target: &&mut Target| target.purpose == Purpose::Conversion || target.symbol.class() == Class::Fx;
        for target in targets.iter_mut().filter(is_money) {
            if target.ways.iter().all(|way| lacks(way).is_some()) {
                target.lacks = target.ways.first().and_then(lacks);
                target.ways.clear();
            }
        }
        let needed: BTreeSet<Symbol> = rates_of(targets).collect();
        targets.retain(|target| target.purpose != Purpose::Rate || needed.contains(&target.symbol));
    }

    /// What turns a symbol's price into the caller's currency, if one is asked for and the symbol is not in it already.
    fn conversion(self, symbol: &Symbol, memory: &Memory<'_>) -> Option<Symbol> {
        let to = self.question.currency.as_ref()?;
        let (rate, _) = Symbol::market_pair(self.expected_currency(symbol, memory)?.as_str(), to.as_str())?;
        Some(rate)
    }

    /// The currency a symbol's price will probably be in: what its spelling says or is set, what most sources stated last,
    /// what is usual where it is listed. Points are in none. What the price is in is settled by the fold alone.
    fn expected_currency(self, symbol: &Symbol, memory: &Memory<'_>) -> Option<Currency> {
        let rule = self.settings.rule(symbol, None);
        if rule.in_points {
            return None;
        }
        let most_stated = || {
            let mut counts: BTreeMap<Currency, usize> = BTreeMap::new();
            for known in memory.of(symbol).values() {
                let stated = known.outcome.quote.as_ref().and_then(|quote| quote.currency.as_ref());
                if let Some(currency) = stated.filter(|currency| currency.is_code()) {
                    *counts.entry(currency.clone()).or_default() += 1;
                }
            }
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(currency, _)| currency)
        };
        symbol.pair_currency().or(rule.currency).or_else(most_stated).or_else(|| symbol.usual_currency())
    }

    fn target(self, symbol: &Symbol, purpose: Purpose, memory: &Memory<'_>) -> Target {
        // what may not be asked for costs no call. A rate to a currency does, but no scarce one
        let is_allowed = self.settings.allows(symbol);
        let is_open =
            |source: &Profile| is_allowed || purpose != Purpose::Asked && source.settings.role != Role::Reserve;
        let way = |(index, source): (usize, &&Profile)| {
            let (route, denied) = match purpose {
                Purpose::Rate => (Route::leg(source, symbol, self.settings)?, None),
                Purpose::Asked => self.route(source, symbol, memory)?,
                Purpose::Conversion => self.conversion_route(source, symbol, memory)?,
            };
            Some(Way { source: index, route, denied })
        };
        let sources = self.sources.iter().enumerate().filter(|(_, source)| is_open(source));
        let ways = sources.filter(|(_, source)| self.question.lets_in(source.name())).filter_map(way).collect();
        Target { symbol: symbol.clone(), purpose, ways, lacks: None }
    }

    /// How a source prices a symbol. Money that it has just denied to quote one way it may quote another; then the way it
    /// denied comes second.
    fn route(self, source: &Profile, symbol: &Symbol, memory: &Memory<'_>) -> Option<(Route, Option<Route>)> {
        let route = Route::find(source, symbol, self.settings)?;
        if self.settings.class(symbol) != Class::Fx || !memory.is_denied_by(source, &route.asked) {
            return Some((route, None));
        }
        let mut others = [Route::derived(source, symbol, self.settings), Route::turned(source, symbol, self.settings)];
        // what is asked for the other way round than markets have it is probably there the right way round
        if symbol.is_turned() {
            others.reverse();
        }
        let other = others.into_iter().flatten().find(|other| !memory.is_denied_by(source, &other.asked));
        Some(match other {
            Some(other) => (other, Some(route)),
            None => (route, None),
        })
    }

    /// How a source prices what turns prices into the caller's currency: a coin that is called like it is not that.
    fn conversion_route(
        self,
        source: &Profile,
        symbol: &Symbol,
        memory: &Memory<'_>,
    ) -> Option<(Route, Option<Route>)> {
        let is_money = |(route, _): &(Route, Option<Route>)| source.settings.has_moneys_of(&route.asked);
        let derived = || Some((Route::derived(source, symbol, self.settings)?, None));
        self.route(source, symbol, memory).filter(is_money).or_else(derived)
    }
}

/// The rates that targets need.
fn rates_of(targets: &[Target]) -> impl Iterator<Item = Symbol> {
    let ways = targets.iter().flat_map(|target| &target.ways);
    ways.flat_map(|way| &way.route.rates).map(|rate| rate.symbol.clone())
}

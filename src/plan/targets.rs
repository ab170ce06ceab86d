//! Lists everything that must be priced to answer a question: its symbols, and every rate that their prices need.

use std::collections::{BTreeMap, BTreeSet};

use super::{BoardView, PlanInput, Purpose, SourceRoute, Target};
use crate::pace::Pace;
use crate::profile::Profile;
use crate::quote::Role;
use crate::route::Route;
use crate::symbol::{Class, Currency, Symbol};

impl PlanInput<'_> {
    /// Everything that must be priced: the symbols of the question, the rates that their conversion is expected or
    /// known (`rates`) to need, and the rates that derived quotes of all these need.
    pub(super) async fn targets(
        self,
        rates: &BTreeSet<Symbol>,
        view: &mut BoardView<'_>,
        pace: &mut Pace,
    ) -> Vec<Target> {
        let mut targets = Vec::with_capacity(self.question.symbols.len());
        for symbol in &self.question.symbols {
            targets.push(self.target(symbol, Purpose::Asked, view));
            pace.step(self.sources.len()).await;
        }
        for target in &mut targets {
            let is_allowed = self.settings.allows(&target.symbol);
            target.conversion = if is_allowed { self.conversion(&target.symbol, view) } else { None };
        }
        let expected = targets.iter().filter_map(|target| target.conversion.as_ref());
        let conversions: BTreeSet<Symbol> = expected.chain(rates).cloned().collect();
        targets.extend(conversions.iter().map(|symbol| self.target(symbol, Purpose::Conversion, view)));
        let needed: BTreeSet<Symbol> = rates_of(&targets).collect();
        targets.extend(needed.iter().map(|symbol| self.target(symbol, Purpose::Rate, view)));
        Self::leave_out_hopeless(&mut targets);
        targets
    }

    /// Removes the routes of every currency pair and every rate to the caller's currency that only rates without a
    /// source could make: no source covers such a target. The other rates that it needs are not asked for either.
    fn leave_out_hopeless(targets: &mut Vec<Target>) {
        let is_hopeless = |target: &&Target| target.purpose == Purpose::Rate && target.routes.is_empty();
        let hopeless: BTreeSet<Symbol> =
            targets.iter().filter(is_hopeless).map(|target| target.symbol.clone()).collect();
        let lacks = |by: &SourceRoute| {
            let mut rates = by.route.rates.iter().map(|rate| &rate.symbol);
            rates.find(|rate| hopeless.contains(rate)).filter(|_| by.denied.is_none()).cloned()
        };
        let is_of_currencies =
            |target: &&mut Target| target.purpose == Purpose::Conversion || target.symbol.class() == Class::Fx;
        for target in targets.iter_mut().filter(is_of_currencies) {
            if target.routes.iter().all(|by| lacks(by).is_some()) {
                target.lacks = target.routes.first().and_then(lacks);
                target.routes.clear();
            }
        }
        let needed: BTreeSet<Symbol> = rates_of(targets).collect();
        targets.retain(|target| target.purpose != Purpose::Rate || needed.contains(&target.symbol));
    }

    /// The rate that converts a symbol's price into the caller's currency; `None` if the caller names none, or if the
    /// price is in it already.
    fn conversion(self, symbol: &Symbol, view: &mut BoardView<'_>) -> Option<Symbol> {
        let to = self.question.currency.as_ref()?;
        let (rate, _) = Symbol::market_pair(self.expected_currency(symbol, view)?.as_str(), to.as_str())?;
        Some(rate)
    }

    /// The probable currency of a symbol's price: the one that its spelling or the settings fix, else the one that most
    /// sources stated last, else the usual one of its exchange. `None` for points. Only the fold decides the real one.
    fn expected_currency(self, symbol: &Symbol, view: &mut BoardView<'_>) -> Option<Currency> {
        let rule = self.settings.rule(symbol, None);
        if rule.in_points {
            return None;
        }
        let most_stated = || {
            let mut counts: BTreeMap<Currency, usize> = BTreeMap::new();
            for known in view.all(symbol) {
                let stated = known.outcome.quote.as_ref().and_then(|quote| quote.currency.as_ref());
                if let Some(currency) = stated.filter(|currency| currency.is_code()) {
                    *counts.entry(currency.clone()).or_default() += 1;
                }
            }
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(currency, _)| currency)
        };
        symbol.pair_currency().or(rule.currency).or_else(most_stated).or_else(|| symbol.usual_currency())
    }

    fn target(self, symbol: &Symbol, purpose: Purpose, view: &mut BoardView<'_>) -> Target {
        // a symbol that clients may not ask for costs no call; a rate may cost one, but not a scarce one
        let is_allowed = self.settings.allows(symbol);
        let is_open =
            |source: &Profile| is_allowed || purpose != Purpose::Asked && source.settings.role != Role::Reserve;
        let route = |(place, source): (usize, &Profile)| {
            let (route, denied) = match purpose {
                Purpose::Rate => (Route::leg(source, symbol, self.settings)?, None),
                Purpose::Asked => self.route(place, source, symbol, view)?,
                Purpose::Conversion => self.conversion_route(place, source, symbol, view)?,
            };
            Some(SourceRoute { source: place, route, denied })
        };
        let sources = self.sources.iter().filter(|(_, source)| is_open(source));
        let routes = sources.filter(|(_, source)| self.question.lets_in(source.name())).filter_map(route).collect();
        let reads = view.take_reads();
        Target { symbol: symbol.clone(), purpose, routes, lacks: None, conversion: None, reads }
    }

    /// How a source prices a symbol, and the denied route, if any: if the source has denied a currency pair, another
    /// route may lead to it.
    fn route(
        self,
        place: usize,
        source: &Profile,
        symbol: &Symbol,
        view: &mut BoardView<'_>,
    ) -> Option<(Route, Option<Route>)> {
        let route = Route::find(source, symbol, self.settings)?;
        if self.settings.class(symbol) != Class::Fx || !view.is_denied_by(place, &route.asked) {
            return Some((route, None));
        }
        let mut others =
            [Route::derived(source, symbol, self.settings), Route::inverted(source, symbol, self.settings)];
        // if the caller inverted the pair, the source probably quotes it the way markets write it
        if symbol.is_inverted() {
            others.reverse();
        }
        let other = others.into_iter().flatten().find(|other| !view.is_denied_by(place, &other.asked));
        Some(match other {
            Some(other) => (other, Some(route)),
            None => (route, None),
        })
    }

    /// How a source prices the rate to the caller's currency. A coin with the name of a currency does not count.
    fn conversion_route(
        self,
        place: usize,
        source: &Profile,
        symbol: &Symbol,
        view: &mut BoardView<'_>,
    ) -> Option<(Route, Option<Route>)> {
        let is_of_currencies = |(route, _): &(Route, Option<Route>)| source.settings.has_currencies_of(&route.asked);
        let derived = || Some((Route::derived(source, symbol, self.settings)?, None));
        self.route(place, source, symbol, view).filter(is_of_currencies).or_else(derived)
    }
}

/// The rates that targets need.
fn rates_of(targets: &[Target]) -> impl Iterator<Item = Symbol> {
    let routes = targets.iter().flat_map(|target| &target.routes);
    routes.flat_map(|by| &by.route.rates).map(|rate| rate.symbol.clone())
}

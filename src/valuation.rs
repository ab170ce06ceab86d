//! Prices everything in a plan: first the rates, then the symbols that were asked for with the quotes derived by those
//! rates, in the caller's currency.
//!
//! A pure function of the plan, the outcomes and `now`. The same fold makes every price, the rates included.

pub(crate) mod quorum;
mod way_out;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::board::Told;
use crate::convert::{Priced, convert};
use crate::derive::derive;
use crate::failure::{Failure, SourceError};
use crate::fold::{Evidence, Price, Status, Unavailable, fold};
use crate::pace::Pace;
use crate::plan::{PerSource, Plan, Purpose, SourceRoute, Target};
use crate::profile::profiles::Profiles;
use crate::question::Question;
use crate::quote::Outcome;
use crate::route::Route;
use crate::settings::Settings;
use crate::symbol::{Class, Currency, Symbol};
use way_out::way_out;

/// The prices of everything in a plan.
#[derive(Clone, Debug)]
pub struct Valuation {
    /// One price per symbol of the question, in its order.
    pub prices: Vec<Priced>,
    /// The rates that convert prices into the caller's currency.
    conversions: Rates,
    /// The rates that derived quotes need.
    rates: Rates,
    /// The symbols, rates included, that lack a quorum and that another source could help to one.
    pub short_of_quorum: BTreeSet<Symbol>,
}

/// What prices are made from.
struct Table<'a> {
    question: &'a Question,
    settings: &'a Settings,
    sources: &'a Profiles,
    told: &'a PerSource<Told>,
    now: Timestamp,
}

#[cfg(test)]
thread_local! {
    /// How many prices a test has had folded.
    pub(crate) static FOLDS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

type Rates = BTreeMap<Symbol, Arc<Price>>;

/// Prices everything in a plan. It waits for nothing, but yields to other tasks between two prices.
pub async fn value(
    plan: &Plan,
    told: &PerSource<Told>,
    question: &Question,
    sources: &Profiles,
    settings: &Settings,
    now: Timestamp,
) -> Valuation {
    let table = Table { question, settings, sources, told, now };
    let by_symbol =
        |rates: Vec<Price>| -> Rates { rates.into_iter().map(|rate| (rate.symbol.clone(), Arc::new(rate))).collect() };
    let rates = by_symbol(table.price_all(plan, Purpose::Rate, &Rates::new()).await);
    let conversions = by_symbol(table.price_all(plan, Purpose::Conversion, &rates).await);
    let asked = table.price_all(plan, Purpose::Asked, &rates).await;
    let short_of_quorum = all_short_of_quorum(plan, &asked, &conversions, &rates, question.currency.as_ref());
    let convert = |price: Price| match &question.currency {
        Some(to) => convert(price, to, |symbol| conversions.get(symbol).cloned()),
        None => price.into(),
    };
    let prices = asked.into_iter().map(convert).collect();
    Valuation { prices, conversions, rates, short_of_quorum }
}

/// The symbols that lack a quorum and that another source could help to one. They are among the symbols asked for, the
/// rates that convert an existing price into the caller's currency, and the rates that derived quotes of all these
/// need.
fn all_short_of_quorum(
    plan: &Plan,
    asked: &[Price],
    conversions: &Rates,
    rates: &Rates,
    to: Option<&Currency>,
) -> BTreeSet<Symbol> {
    let mut short: BTreeSet<Symbol> =
        asked.iter().filter(|price| short_of_quorum(price)).map(|price| price.symbol.clone()).collect();
    let to_convert = asked.iter().filter(|price| price.folded.is_some());
    let needed = to_convert.filter_map(|price| {
        let (rate, _) = Symbol::market_pair(price.currency.as_ref()?.as_str(), to?.as_str())?;
        conversions.get(&rate)
    });
    short.extend(needed.filter(|rate| rate_short_of_quorum(rate)).map(|rate| rate.symbol.clone()));
    let targets = plan.targets.iter().filter(|target| short.contains(&target.symbol));
    let used = targets.flat_map(|target| &target.routes).flat_map(|by| &by.route.rates);
    let used: BTreeSet<&Symbol> = used.map(|rate| &rate.symbol).collect();
    let rates = used.into_iter().filter_map(|symbol| rates.get(symbol));
    let rates: Vec<Symbol> = rates.filter(|rate| rate_short_of_quorum(rate)).map(|rate| rate.symbol.clone()).collect();
    short.extend(rates);
    short
}

/// Whether another source could make the price better. A disagreement is not a lack of quotes, and no scarce call is
/// spent on a symbol that enough sources do not know.
fn short_of_quorum(price: &Price) -> bool {
    match price.status {
        Status::Ok | Status::Unknown | Status::Unavailable(Unavailable::SourcesDisagree) => false,
        Status::Degraded(_) | Status::Unavailable(_) => true,
    }
}

/// The same for a rate. If other sources do not know it, that does not suggest a typing error, as it does for a symbol
/// that a caller asks for.
fn rate_short_of_quorum(rate: &Price) -> bool {
    rate.status == Status::Unknown || short_of_quorum(rate)
}

impl Table<'_> {
    /// The prices of all targets with a purpose, in their order.
    async fn price_all(&self, plan: &Plan, purpose: Purpose, rates: &Rates) -> Vec<Price> {
        let (mut prices, mut pace) = (Vec::new(), Pace::default());
        for target in plan.targets.iter().filter(|target| target.purpose == purpose) {
            prices.push(self.price(target, rates));
            pace.step(target.routes.len()).await;
        }
        prices
    }

    /// One target's price. `rates` has the price of every rate that its derived quotes need.
    fn price(&self, target: &Target, rates: &Rates) -> Price {
        #[cfg(test)]
        FOLDS.set(FOLDS.get() + 1);
        let symbol = &target.symbol;
        let class = self.settings.class(symbol);
        let evidence = target.routes.iter().filter_map(|by| self.evidence(symbol, class, by, rates));
        let rule = self.settings.rule(symbol, self.question.max_age);
        let mut price = fold(symbol, evidence, &rule, self.now);
        if price.status == Status::Unavailable(Unavailable::NotCovered) {
            price.detail = Some(self.why_not_covered(target));
        } else if let (Some(detail), Some(way_out)) = (&price.detail, way_out(&price, self.settings)) {
            price.detail = Some(format!("{detail}; {way_out}"));
        }
        price
    }

    /// Why no source covers a target, and what to do: one sentence.
    fn why_not_covered(&self, target: &Target) -> String {
        let symbol = &target.symbol;
        let why = match target.purpose {
            Purpose::Asked => self.settings.would_allow(symbol),
            Purpose::Conversion | Purpose::Rate => self.settings.would_cover(symbol),
        };
        let rate = target.lacks.as_ref().filter(|rate| *rate != symbol);
        let rate = rate.and_then(|rate| Some((rate, self.settings.would_cover(rate)?)));
        match (why, rate) {
            (Some(_), Some((rate, why))) if self.settings.allows(symbol) => {
                format!("{symbol} can only be derived with the price of {rate}, and {why}")
            }
            (Some(why), _) => why,
            (None, _) if self.question.sources.is_some() => {
                format!("none of the sources you named covers {symbol}; ask without `sources`")
            }
            (None, _) => format!("no source that is switched on has a market from which {symbol} could be derived"),
        }
    }

    /// What a source's outcome says about a symbol. If the source denied one route and has nothing better by the other,
    /// its denial stands. If there was no time to ask by the other route, the denial does not count against the symbol.
    fn evidence(&self, symbol: &Symbol, class: Class, by: &SourceRoute, rates: &Rates) -> Option<Evidence> {
        let source = self.sources.get(by.source)?;
        let along = |route: &Route| {
            let mut outcome = self.told.get(by.source, &route.asked)?.outcome().clone();
            // how old a quote may be depends on the class of the symbol that is priced, which the board does not know
            outcome.origin = source.origin(class);
            // most routes are straight, and only the others need the rule of the pair that was asked for
            if route.is_straight() {
                return Some(Evidence::from(outcome));
            }
            let rule = self.settings.rule(&route.asked, self.question.max_age);
            Some(derive(symbol, route, outcome, rates, &rule))
        };
        let denied = by.denied.as_ref().and_then(along);
        match (along(&by.route), denied) {
            (Some(evidence), Some(denied)) if evidence.outcome.denies_symbol() => Some(denied),
            (None, Some(denied)) => {
                let error = SourceError::Timeout(self.question.timeout);
                let failure = Failure { error, at: self.now, latency: None, is_doubted: false, retry_at: None };
                let outcome = Outcome { quote: None, failure: Some(Box::new(failure)), ..denied.outcome };
                Some(Evidence { outcome, ..denied })
            }
            (evidence, _) => evidence,
        }
    }
}

impl Valuation {
    /// Every rate that was folded on the way, once: one that serves both purposes is made of fewer quotes where derived ones need
    /// it, and that one stands for both.
    pub(crate) fn rates(&self) -> impl Iterator<Item = &Price> {
        let only_converts = |rate: &&Arc<Price>| !self.rates.contains_key(&rate.symbol);
        self.conversions.values().filter(only_converts).chain(self.rates.values()).map(Arc::as_ref)
    }

    /// The price of a rate for the purpose of a target.
    pub(crate) fn rate(&self, target: &Target) -> Option<&Price> {
        let rates = match target.purpose {
            Purpose::Asked => return None,
            Purpose::Conversion => &self.conversions,
            Purpose::Rate => &self.rates,
        };
        rates.get(&target.symbol).map(Arc::as_ref)
    }

    /// The rates that conversions need but no source was asked for.
    pub(crate) fn missing_rates(&self) -> BTreeSet<Symbol> {
        let conversions = self.prices.iter().filter_map(|priced| priced.conversion.as_ref());
        conversions.filter(|conversion| conversion.rate.is_none()).map(|conversion| conversion.symbol.clone()).collect()
    }
}

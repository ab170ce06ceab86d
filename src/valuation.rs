//! Prices what a plan is about: rates first, then the quotes derived with them, then what was asked for, in the caller's currency.
//!
//! A pure function of the plan, the outcomes and `now`. Every price in it, a rate's too, is made by the same fold.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::convert::convert;
use crate::derive::derive;
use crate::fold::{Price, Status, Unavailable, fold};
use crate::plan::{Plan, Purpose, Target};
use crate::question::Question;
use crate::quote::Outcome;
use crate::settings::Settings;
use crate::source::profile::Profile;
use crate::symbol::Symbol;

/// What everything came to.
#[derive(Clone, Debug)]
pub struct Valuation {
    /// One price per symbol of the question, in its order.
    pub prices: Vec<Price>,
    /// The rates that were folded on the way.
    pub rates: Vec<Arc<Price>>,
}

/// What prices are made from.
struct Table<'a> {
    question: &'a Question,
    settings: &'a Settings,
    sources: &'a [&'a Profile],
    /// What each source said about what it was asked, by its name.
    said: HashMap<(String, Symbol), Outcome>,
    now: Timestamp,
}

/// Prices everything a plan is about.
pub fn value(
    plan: &Plan,
    outcomes: Vec<Outcome>,
    question: &Question,
    sources: &[&Profile],
    settings: &Settings,
    now: Timestamp,
) -> Valuation {
    let by_name = |outcome: Outcome| ((outcome.origin.source.clone(), outcome.symbol.clone()), outcome);
    let said = outcomes.into_iter().map(by_name).collect();
    let table = Table { question, settings, sources, said, now };
    let of = |purpose| plan.targets.iter().filter(move |target| target.purpose == purpose);
    let by_symbol = |rates: Vec<Price>| -> BTreeMap<Symbol, Arc<Price>> {
        rates.into_iter().map(|rate| (rate.symbol.clone(), Arc::new(rate))).collect()
    };
    let rates = by_symbol(of(Purpose::Rate).map(|target| table.price(target, &BTreeMap::new())).collect());
    let conversions = by_symbol(of(Purpose::Conversion).map(|target| table.price(target, &rates)).collect());
    let asked = of(Purpose::Asked).map(|target| {
        let price = table.price(target, &rates);
        match &question.currency {
            Some(to) => convert(price, to, |symbol| conversions.get(symbol).cloned()),
            None => price,
        }
    });
    let prices = asked.collect();
    Valuation { prices, rates: rates.into_values().chain(conversions.into_values()).collect() }
}

impl Table<'_> {
    /// One target's price; `rates` are there for the quotes that must be derived.
    fn price(&self, target: &Target, rates: &BTreeMap<Symbol, Arc<Price>>) -> Price {
        let symbol = &target.symbol;
        let outcomes = target.ways.iter().filter_map(|(source, route)| {
            let source = self.sources.get(*source)?;
            let mut outcome = self.said.get(&(source.name().to_owned(), route.asked.clone()))?.clone();
            // how old a quote may be depends on the class, which the board does not know
            outcome.origin = source.origin(self.settings.class(symbol));
            Some(derive(symbol, route, outcome, rates))
        });
        let rule = self.settings.rule(symbol, self.question.max_age);
        let mut price = fold(symbol, outcomes.collect(), &rule, self.now);
        if price.status == Status::Unavailable(Unavailable::NotCovered) {
            let why = match target.purpose {
                Purpose::Asked => self.settings.would_allow(symbol),
                Purpose::Conversion | Purpose::Rate => self.settings.would_cover(symbol),
            };
            price.detail = why.or_else(|| Some(format!("none of the sources asked for covers {symbol}")));
        }
        price
    }
}

impl Valuation {
    /// The symbols, rates among them, that want a quorum which another source could help to.
    pub fn wanting(&self) -> BTreeSet<Symbol> {
        let wants = |price: &&Price| match price.status {
            Status::Ok | Status::Unknown => false,
            Status::Unavailable(Unavailable::SourcesDisagree) => false,
            Status::Degraded(_) | Status::Unavailable(_) => true,
        };
        let all = self.prices.iter().chain(self.rates.iter().map(Arc::as_ref));
        all.filter(wants).map(|price| price.symbol.clone()).collect()
    }

    /// The rates that conversions need and that nobody was asked for.
    pub fn missing_rates(&self) -> BTreeSet<Symbol> {
        let conversions = self.prices.iter().filter_map(|price| price.conversion.as_ref());
        conversions.filter(|conversion| conversion.rate.is_none()).map(|conversion| conversion.symbol.clone()).collect()
    }
}

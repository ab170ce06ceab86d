//! Prices what a plan is about: rates first, then the quotes derived with them, then what was asked for, in the caller's
//! currency.
//!
//! A pure function of the plan, the outcomes and `now`. Every price in it, a rate's too, is made by the same fold.

mod way_out;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::convert::{Priced, convert};
use crate::derive::derive;
use crate::failure::{Failure, SourceError};
use crate::fold::{Evidence, Price, Status, Unavailable, fold};
use crate::pace::Pace;
use crate::plan::{Plan, Purpose, Target, Way};
use crate::profile::Profile;
use crate::question::Question;
use crate::quote::Outcome;
use crate::route::Route;
use crate::settings::Settings;
use crate::symbol::{Currency, Symbol};
use way_out::way_out;

/// What everything came to.
#[derive(Clone, Debug)]
pub struct Valuation {
    /// One price per symbol of the question, in its order.
    pub prices: Vec<Priced>,
    /// The rates that were folded on the way.
    pub rates: Vec<Arc<Price>>,
    /// What wants a quorum which another source could help to, rates among it.
    pub wanting: BTreeSet<Symbol>,
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

/// Prices everything a plan is about. It waits for nothing, but lets other tasks have their turn between two prices.
pub async fn value(
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
    let by_symbol =
        |rates: Vec<Price>| -> Rates { rates.into_iter().map(|rate| (rate.symbol.clone(), Arc::new(rate))).collect() };
    let rates = by_symbol(table.price_all(plan, Purpose::Rate, &Rates::new()).await);
    let conversions = by_symbol(table.price_all(plan, Purpose::Conversion, &rates).await);
    let asked = table.price_all(plan, Purpose::Asked, &rates).await;
    let wanting = wanting(plan, &asked, &conversions, &rates, question.currency.as_ref());
    let convert = |price: Price| match &question.currency {
        Some(to) => convert(price, to, |symbol| conversions.get(symbol).cloned()),
        None => price.into(),
    };
    let prices = asked.into_iter().map(convert).collect();
    // one rate may serve both purposes
    let mut all = conversions.clone();
    all.extend(rates);
    Valuation { prices, rates: all.into_values().collect(), wanting }
}

type Rates = BTreeMap<Symbol, Arc<Price>>;

/// What wants a quorum which another source could help to: of what was asked for, of the rates that turn a price there is
/// into the caller's currency, and of the rates that derived quotes of all these need.
fn wanting(
    plan: &Plan,
    asked: &[Price],
    conversions: &Rates,
    rates: &Rates,
    to: Option<&Currency>,
) -> BTreeSet<Symbol> {
    let mut wanting: BTreeSet<Symbol> =
        asked.iter().filter(|price| wants_quorum(price)).map(|price| price.symbol.clone()).collect();
    let to_convert = asked.iter().filter(|price| price.folded.is_some());
    let needed = to_convert.filter_map(|price| {
        let (rate, _) = Symbol::market_pair(price.currency.as_ref()?.as_str(), to?.as_str())?;
        conversions.get(&rate)
    });
    wanting.extend(needed.filter(|rate| rate_wants_quorum(rate)).map(|rate| rate.symbol.clone()));
    let targets = plan.targets.iter().filter(|target| wanting.contains(&target.symbol));
    let used = targets.flat_map(|target| &target.ways).flat_map(|way| &way.route.rates);
    let used: BTreeSet<&Symbol> = used.map(|rate| &rate.symbol).collect();
    let rates = used.into_iter().filter_map(|symbol| rates.get(symbol));
    let rates: Vec<Symbol> = rates.filter(|rate| rate_wants_quorum(rate)).map(|rate| rate.symbol.clone()).collect();
    wanting.extend(rates);
    wanting
}

/// The same of a rate: that others do not have it is no sign of a typing error, as it is where somebody asks.
fn rate_wants_quorum(rate: &Price) -> bool {
    rate.status == Status::Unknown || wants_quorum(rate)
}

/// Whether another source could make the price better. A disagreement is no lack of quotes, and for what enough sources do
/// not know no scarce call is spent.
fn wants_quorum(price: &Price) -> bool {
    match price.status {
        Status::Ok | Status::Unknown | Status::Unavailable(Unavailable::SourcesDisagree) => false,
        Status::Degraded(_) | Status::Unavailable(_) => true,
    }
}

impl Table<'_> {
    /// The prices of all targets with a purpose, in their order.
    async fn price_all(&self, plan: &Plan, purpose: Purpose, rates: &Rates) -> Vec<Price> {
        let (mut prices, mut pace) = (Vec::new(), Pace::default());
        for target in plan.targets.iter().filter(|target| target.purpose == purpose) {
            prices.push(self.price(target, rates));
            pace.step(target.ways.len()).await;
        }
        prices
    }

    /// One target's price; `rates` are there for the quotes that must be derived.
    fn price(&self, target: &Target, rates: &Rates) -> Price {
        let symbol = &target.symbol;
        let evidence = target.ways.iter().filter_map(|way| self.evidence(symbol, way, rates));
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
                format!("{symbol} can only be made with the price of {rate}, and {why}")
            }
            (Some(why), _) => why,
            (None, _) if self.question.sources.is_some() => {
                format!("none of the sources asked for covers {symbol}; ask without `sources`")
            }
            (None, _) => format!("no source that is switched on has a market that {symbol} could be made of"),
        }
    }

    /// What a source's word on a symbol comes to. Where it denied one way, and has nothing better the other, its denial
    /// stands; where there was no time left to ask it the other way, it is not held against the symbol.
    fn evidence(&self, symbol: &Symbol, way: &Way, rates: &Rates) -> Option<Evidence> {
        let source = self.sources.get(way.source)?;
        let by = |route: &Route| {
            let mut outcome = self.said.get(&(source.name().to_owned(), route.asked.clone()))?.clone();
            // how old a quote may be depends on the class, which the board does not know
            outcome.origin = source.origin(self.settings.class(symbol));
            // most are, and the rule of the pair is only needed to derive
            if route.is_straight() {
                return Some(Evidence::from(outcome));
            }
            let rule = self.settings.rule(&route.asked, self.question.max_age);
            Some(derive(symbol, route, outcome, rates, &rule))
        };
        let denied = way.denied.as_ref().and_then(by);
        match (by(&way.route), denied) {
            (Some(evidence), Some(denied)) if evidence.outcome.denies_symbol() => Some(denied),
            (None, Some(denied)) => {
                let error = SourceError::Timeout(self.question.timeout);
                let failure = Failure { error, at: self.now, latency: None, is_doubted: false, retry_at: None };
                let outcome = Outcome { quote: None, failure: Some(failure), ..denied.outcome };
                Some(Evidence { outcome, ..denied })
            }
            (evidence, _) => evidence,
        }
    }
}

impl Valuation {
    /// The rates that conversions need and that nobody was asked for.
    pub fn missing_rates(&self) -> BTreeSet<Symbol> {
        let conversions = self.prices.iter().filter_map(|priced| priced.conversion.as_ref());
        conversions.filter(|conversion| conversion.rate.is_none()).map(|conversion| conversion.symbol.clone()).collect()
    }
}

//! Decides whether an answer can be given before every source has replied: each symbol has a price on which enough accounts
//! agree, by what has been heard since the request came or was not due then.
//!
//! A pure function of the plan, what was heard and `now`. It is asked again whenever something is heard, so it remembers what it
//! has seen: a symbol is folded again only after something that its price is made of has changed, and not before enough accounts
//! have quoted it. As long as one symbol holds the answer up, no other is looked at.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Rates, Table};
use crate::convert::{Priced, convert};
use crate::fold::{Judged, Price, Status, Verdict};
use crate::gather::Heard;
use crate::pace::Pace;
use crate::plan::{Plan, Purpose, SourceRoute, Target};
use crate::profile::profiles::Profiles;
use crate::question::Question;
use crate::quote::Role;
use crate::settings::Settings;
use crate::symbol::Symbol;

/// How far a question is from its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Every symbol has its quorum.
    Reached,
    /// Some symbols lack one, but nothing that was asked for can still change that.
    Stuck,
    /// A symbol lacks one, and a source that may help has not answered yet.
    Open,
}

/// What is known of the quorums of a plan's symbols.
pub(crate) struct Quorums<'a> {
    plan: &'a Plan,
    question: &'a Question,
    sources: &'a Profiles,
    settings: &'a Settings,
    /// Whether more can be asked for if what was asked for is not enough.
    may_ask_more: bool,
    /// The symbols that the caller asks for, by their places in the plan.
    asked: Vec<usize>,
    /// The rates that their prices may need.
    needed: Vec<&'a Target>,
    /// Which targets are made of the outcomes for a symbol, by their places in the plan.
    users: HashMap<&'a Symbol, Vec<usize>>,
    /// The symbols that must be looked at, by their places in the plan. The first is the one that held the answer up last.
    open: VecDeque<usize>,
    /// What was found for each target.
    found: Vec<Found>,
    /// The prices of rates as of when they were needed last.
    rates: Rates,
    /// The same of the rates to the caller's currency.
    conversions: Rates,
}

/// What was found for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// It must be looked at.
    Unknown,
    /// It has its quorum.
    Quorum,
    /// It has none, and nothing that was asked for can still change that.
    Lacking,
}

impl<'a> Quorums<'a> {
    /// Those of a plan, of which nothing is known yet.
    pub(crate) async fn new(
        (plan, may_ask_more): (&'a Plan, bool),
        question: &'a Question,
        sources: &'a Profiles,
        settings: &'a Settings,
    ) -> Self {
        let (mut users, mut pace): (HashMap<&Symbol, Vec<usize>>, _) = (HashMap::new(), Pace::default());
        for (place, target) in plan.targets.iter().enumerate() {
            let asked =
                target.routes.iter().flat_map(|by| by.denied.iter().chain([&by.route])).map(|route| &route.asked);
            asked.collect::<BTreeSet<_>>().into_iter().for_each(|asked| users.entry(asked).or_default().push(place));
            pace.step(target.routes.len()).await;
        }
        let (asked, others): (Vec<_>, Vec<_>) =
            plan.targets.iter().enumerate().partition(|(_, target)| target.purpose == Purpose::Asked);
        let asked: Vec<usize> = asked.into_iter().map(|(place, _)| place).collect();
        Quorums {
            question,
            sources,
            settings,
            may_ask_more,
            users,
            open: asked.iter().copied().collect(),
            asked,
            needed: others.into_iter().map(|(_, target)| target).collect(),
            found: vec![Found::Unknown; plan.targets.len()],
            plan,
            rates: Rates::new(),
            conversions: Rates::new(),
        }
    }

    /// Notes for which symbols sources have said something.
    pub(crate) fn note(&mut self, symbols: &[Symbol]) {
        for symbol in symbols {
            let users = self.users.get(symbol).cloned().unwrap_or_default();
            for place in users {
                match self.plan.targets.get(place).map(|target| target.purpose) {
                    Some(Purpose::Asked) => self.reopen(place),
                    // any price may be made with it
                    Some(Purpose::Conversion | Purpose::Rate) => {
                        self.rates.clear();
                        self.conversions.clear();
                        self.asked.clone().into_iter().for_each(|place| self.reopen(place));
                    }
                    None => {}
                }
            }
        }
    }

    /// How far the question is from its answer.
    pub(crate) async fn standing(&mut self, heard: &Heard, now: Timestamp) -> Standing {
        let mut pace = Pace::default();
        while let Some(place) = self.open.front().copied() {
            let Some(target) = self.plan.targets.get(place) else { break };
            let found = self.look_at(target, heard, now);
            if found == Found::Unknown {
                return Standing::Open;
            }
            self.found[place] = found;
            self.open.pop_front();
            pace.step(target.routes.len()).await;
        }
        let is_lacking = |place: &usize| self.found.get(*place) == Some(&Found::Lacking);
        if self.asked.iter().any(is_lacking) { Standing::Stuck } else { Standing::Reached }
    }

    /// The rates for a purpose.
    fn rates(&self, purpose: Purpose) -> impl Iterator<Item = &'a Target> {
        self.needed.iter().copied().filter(move |rate| rate.purpose == purpose)
    }

    fn reopen(&mut self, place: usize) {
        if self.found.get(place).is_some_and(|found| *found != Found::Unknown) {
            self.found[place] = Found::Unknown;
            self.open.push_back(place);
        }
    }

    /// What can be said of a symbol now; `Unknown` if a source that has not answered yet may help it.
    fn look_at(&mut self, target: &Target, heard: &Heard, now: Timestamp) -> Found {
        let unless_pending = |is_pending| if is_pending { Found::Unknown } else { Found::Lacking };
        if !self.is_quoted_enough(target, heard) {
            return unless_pending(is_pending(target, heard));
        }
        let own = self.price(target, heard, now);
        if !self.has_quorum(&own, heard) {
            return unless_pending(is_pending(target, heard) || self.has_pending_rates(target, heard));
        }
        let Some(to) = &self.question.currency else { return Found::Quorum };
        self.price_conversions(heard, now);
        let Priced { price, conversion } = convert(own, to, |symbol| self.conversions.get(symbol).cloned());
        let is_pending = || is_pending(target, heard) || self.has_pending_rates(target, heard);
        match conversion.map(|conversion| (conversion.symbol, conversion.rate)) {
            None if price.status == Status::Ok => Found::Quorum,
            None => unless_pending(is_pending()),
            // no source that was asked can help, but one that is asked now may
            Some((_, None)) => unless_pending(!self.may_ask_more && is_pending()),
            Some((_, Some(rate))) if self.has_quorum(&rate, heard) => Found::Quorum,
            Some((symbol, Some(_))) => unless_pending(is_pending() || self.is_pending_rate(&symbol, heard)),
        }
    }

    /// Whether enough accounts have given a fresh quote. References alone never make a price `ok`.
    fn is_quoted_enough(&self, target: &Target, heard: &Heard) -> bool {
        let required = self.settings.of_class(self.settings.class(&target.symbol)).required.max(1);
        let mut accounts: BTreeSet<&str> = BTreeSet::new();
        for SourceRoute { source, route, .. } in &target.routes {
            let Some(profile) = self.sources.get(*source) else { continue };
            if profile.settings.role != Role::Reference && heard.fresh(*source, &route.asked).is_some() {
                accounts.insert(&profile.settings.account);
                if accounts.len() >= required {
                    return true;
                }
            }
        }
        false
    }

    /// Whether a source that has not answered yet could still change a rate that derived quotes of a target need.
    fn has_pending_rates(&self, target: &Target, heard: &Heard) -> bool {
        let mut needed = self.rates(Purpose::Rate).filter(|rate| target.needs(&rate.symbol));
        needed.any(|rate| is_pending(rate, heard))
    }

    /// The same of a rate to the caller's currency.
    fn is_pending_rate(&self, symbol: &Symbol, heard: &Heard) -> bool {
        let mut rates = self.rates(Purpose::Conversion).filter(|rate| rate.symbol == *symbol);
        rates.any(|rate| is_pending(rate, heard) || self.has_pending_rates(rate, heard))
    }

    /// The price of a target by what was heard, in its own currency.
    fn price(&mut self, target: &Target, heard: &Heard, now: Timestamp) -> Price {
        self.price_rates_of(target, heard, now);
        self.table(heard, now).price(target, &self.rates)
    }

    /// Prices the rates to the caller's currency, unless that was done before.
    fn price_conversions(&mut self, heard: &Heard, now: Timestamp) {
        if self.conversions.is_empty() {
            let conversions: Vec<&Target> = self.rates(Purpose::Conversion).collect();
            for rate in conversions {
                let price = self.price(rate, heard, now);
                self.conversions.insert(rate.symbol.clone(), Arc::new(price));
            }
        }
    }

    /// Prices the rates that derived quotes of a target need, as far as that was not done before.
    fn price_rates_of(&mut self, target: &Target, heard: &Heard, now: Timestamp) {
        for rate in target.routes.iter().flat_map(|by| &by.route.rates) {
            if self.rates.contains_key(&rate.symbol) {
                continue;
            }
            let target = self.rates(Purpose::Rate).find(|target| target.symbol == rate.symbol);
            let Some(target) = target else { continue };
            let price = self.table(heard, now).price(target, &Rates::new());
            self.rates.insert(rate.symbol.clone(), Arc::new(price));
        }
    }

    fn table<'t>(&'t self, heard: &'t Heard, now: Timestamp) -> Table<'t> {
        let Quorums { question, settings, sources, .. } = self;
        Table { question, settings, sources, told: heard.told(), now }
    }

    /// Whether as many accounts as the rule requires have given a fresh quote that was used. An older one beside a failure may
    /// be used as well, but does not count.
    fn has_quorum(&self, price: &Price, heard: &Heard) -> bool {
        let used = price.quotes.iter().filter(|judged| judged.verdict == Verdict::Used && self.is_fresh(judged, heard));
        let accounts: BTreeSet<&str> = used.map(|judged| judged.outcome.origin.account.as_str()).collect();
        price.status == Status::Ok && accounts.len() >= price.rule.required.max(1)
    }

    fn is_fresh(&self, judged: &Judged, heard: &Heard) -> bool {
        let derivation = judged.derivation.as_deref();
        let asked = derivation.map_or(&judged.outcome.symbol, |derivation| &derivation.asked);
        let place = self.sources.place(&judged.outcome.origin.source);
        let rates = derivation.into_iter().flat_map(|derivation| &derivation.rates);
        place.is_some_and(|place| heard.fresh(place, asked).is_some())
            && rates.into_iter().all(|rate| self.has_quorum(&rate.price, heard))
    }
}

/// Whether a source that can price a target has not answered yet.
fn is_pending(target: &Target, heard: &Heard) -> bool {
    let is_pending = |by: &SourceRoute| {
        let mut routes = by.denied.iter().chain([&by.route]);
        routes.any(|route| heard.is_pending(by.source, &route.asked))
    };
    target.routes.iter().any(is_pending)
}

#[cfg(test)]
mod tests;

//! Finds what the entry of one symbol depends on, out of a plan for many.

use std::collections::HashMap;

use crate::convert::Conversion;
use crate::plan::{Plan, Purpose, SourceRoute, Target};
use crate::question::Question;
use crate::symbol::Symbol;

/// The targets of a plan, by what they are for.
pub(crate) struct Depends<'a> {
    targets: HashMap<(Purpose, &'a Symbol), &'a Target>,
    /// Whether the plan has a rate.
    has_rates: bool,
    is_for_one: bool,
}

/// What one entry depends on.
#[derive(Debug)]
pub(crate) struct On<'a> {
    /// The symbol, and the rates that its price or its conversion needs.
    pub(crate) targets: Vec<&'a Target>,
    /// Whether other symbols of the question may have changed how fresh its outcomes had to be.
    pub(super) shares_freshness: bool,
}

impl<'a> Depends<'a> {
    /// The targets of a question's plan.
    pub(crate) fn of(plan: &'a Plan, question: &Question) -> Self {
        let targets = &plan.targets;
        Depends {
            targets: targets.iter().map(|target| ((target.purpose, &target.symbol), target)).collect(),
            has_rates: targets.iter().any(|target| target.purpose != Purpose::Asked),
            is_for_one: question.symbols.len() == 1,
        }
    }

    /// What the entry of a symbol depends on, with the rate that its price was converted by.
    pub(crate) fn on(&self, symbol: &Symbol, conversion: Option<&Conversion>) -> Option<On<'a>> {
        let asked = *self.targets.get(&(Purpose::Asked, symbol))?;
        let mut targets = vec![asked];
        let converted_by = asked.conversion.iter().chain(conversion.map(|conversion| &conversion.symbol));
        for rate in converted_by {
            if let Some(target) = self.targets.get(&(Purpose::Conversion, rate)) {
                add(&mut targets, target);
            }
        }
        for target in targets.clone() {
            for rate in target.routes.iter().flat_map(rates) {
                if let Some(target) = self.targets.get(&(Purpose::Rate, rate)) {
                    add(&mut targets, target);
                }
            }
        }
        Some(On { targets, shares_freshness: self.has_rates && !self.is_for_one })
    }
}

fn add<'a>(targets: &mut Vec<&'a Target>, target: &'a Target) {
    if !targets.iter().any(|known| std::ptr::eq(*known, target)) {
        targets.push(target);
    }
}

fn rates(by: &SourceRoute) -> impl Iterator<Item = &Symbol> {
    let routes = by.denied.iter().chain([&by.route]);
    routes.flat_map(|route| &route.rates).map(|rate| &rate.symbol)
}

impl On<'_> {
    /// The symbols whose outcomes on the board it depends on.
    pub(crate) fn symbols(&self) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = Vec::new();
        for symbol in self.targets.iter().flat_map(|target| target.reads()) {
            if !symbols.contains(symbol) {
                symbols.push(symbol.clone());
            }
        }
        symbols
    }
}

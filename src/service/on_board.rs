//! Prices symbols with what is on the board, without a call to any source.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Quotefold;
use crate::board::Told;
use crate::clock::Moment;
use crate::convert::Priced;
use crate::fold::Price;
use crate::pace::Pace;
use crate::plan::{BoardView, PerSource, Plan, SourceQuery};
use crate::question::Question;
use crate::ready::{Depends, valid_until};
use crate::source::coalescer::Patience;
use crate::symbol::{Currency, Symbol};
use crate::valuation::Valuation;

/// A price as the board has it, with what would change it.
pub(crate) struct OnBoard {
    /// The price.
    pub(crate) priced: Priced,
    /// The symbols whose outcomes on the board have a part in it.
    pub(crate) reads: Vec<Symbol>,
    /// The version of the board before it was looked at.
    pub(crate) version: u64,
    /// The first moment at which it may be another price although nothing has landed.
    pub(crate) valid_until: Timestamp,
}

impl Quotefold {
    /// The prices of symbols as the board has them: what an answer would say whose every call is in flight.
    pub(crate) async fn prices_on_board(&self, symbols: &[Symbol]) -> Vec<Price> {
        let (question, now) = self.question_to_the_board(symbols, None);
        let (_, valuation) = self.value_board(&question, now).await;
        valuation.prices.into_iter().map(|Priced { price, .. }| price).collect()
    }

    /// The same prices in a currency, each with what would change it, in the order of the symbols.
    pub(crate) async fn on_board(&self, symbols: &[Symbol], currency: Option<&Currency>) -> Vec<OnBoard> {
        let (question, now) = self.question_to_the_board(symbols, currency);
        let (plan, valuation) = self.value_board(&question, now).await;
        let (depends, skew) = (Depends::of(&plan, &question), self.clock.skew(now));
        let of_price = |priced: &Priced| {
            let on = depends.on(&priced.price.symbol, priced.conversion.as_ref());
            let rates = on.iter().flat_map(|on| &on.targets).filter_map(|target| valuation.rate(target));
            let valid_until = valid_until([&priced.price].into_iter().chain(rates), now.wall);
            // a denial that ends changes the way to the price
            let routes = on.iter().flat_map(|on| &on.targets).filter_map(|target| target.reads.until);
            let routes = routes.filter(|until| *until > now.monotonic).map(|until| now.wall_at(until));
            let valid_until = routes.fold(valid_until, Timestamp::min);
            let reads = on.map(|on| on.symbols()).unwrap_or_default();
            OnBoard { priced: priced.clone().with_skew(skew), reads, version: plan.version, valid_until }
        };
        valuation.prices.iter().map(of_price).collect()
    }

    fn question_to_the_board(&self, symbols: &[Symbol], currency: Option<&Currency>) -> (Question, Moment) {
        let now = self.clock.now();
        let question = Question {
            refresh_after: None,
            patience: Patience::Waits,
            currency: currency.cloned(),
            ..Question::trying(symbols.to_vec(), Duration::ZERO, now, self.settings.server.timeout)
        };
        (question, now)
    }

    /// Values what the board has for a question, with a plan that asks for nothing.
    async fn value_board(&self, question: &Question, now: Moment) -> (Plan, Valuation) {
        let input = self.plan_input(question, now);
        let (mut plan, mut view) = (Plan::new(input).await, input.view());
        let mut told = PerSource::default();
        self.look_up(&plan.queries, &mut view, &mut told).await;
        let mut valuation = self.value(&plan, &told, question, now).await;
        // reserves and rates that answers have needed are there, too
        let more = plan.grow(&valuation.short_of_quorum, &valuation.missing_rates(), input, &mut view).await;
        if !more.is_empty() {
            self.look_up(&more, &mut view, &mut told).await;
            valuation = self.value(&plan, &told, question, now).await;
        }
        (plan, valuation)
    }

    /// Takes what the queries ask for from the board.
    async fn look_up(&self, queries: &[SourceQuery], view: &mut BoardView<'_>, told: &mut PerSource<Told>) {
        let mut pace = Pace::default();
        for query in queries {
            let Some(source) = self.sources.get(query.source) else { continue };
            for known in &query.settled {
                told.insert(query.source, known.outcome.symbol.clone(), Told::OnBoard(Arc::clone(known)));
            }
            for (symbol, _) in &query.ask.due {
                view.look_at(symbol);
                let outcome = match view.known(query.source, symbol) {
                    Some(known) => Told::OnBoard(Arc::clone(known)),
                    None => source.coalescer.not_awaited(symbol),
                };
                told.insert(query.source, symbol.clone(), outcome);
            }
            pace.step(query.ask.due.len()).await;
        }
    }
}

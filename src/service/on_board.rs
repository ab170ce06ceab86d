//! Prices symbols with what is on the board, without a call to any source.

use std::sync::Arc;
use std::time::Duration;

use super::Quotefold;
use crate::board::Told;
use crate::convert::Priced;
use crate::fold::Price;
use crate::pace::Pace;
use crate::plan::{BoardView, PerSource, Plan, SourceQuery};
use crate::question::Question;
use crate::source::coalescer::Patience;
use crate::symbol::Symbol;

impl Quotefold {
    /// The prices of symbols as the board has them: what an answer would say whose every call is in flight.
    pub(crate) async fn prices_on_board(&self, symbols: &[Symbol]) -> Vec<Price> {
        let now = self.clock.now();
        let question = Question {
            refresh_after: None,
            patience: Patience::Waits,
            ..Question::trying(symbols.to_vec(), Duration::ZERO, now, self.settings.server.timeout)
        };
        let input = self.plan_input(&question, now);
        let (mut plan, mut view) = (Plan::new(input).await, input.view());
        let mut told = PerSource::default();
        self.look_up(&plan.queries, &mut view, &mut told).await;
        let mut valuation = self.value(&plan, &told, &question, now).await;
        // reserves and rates that answers have needed are there, too
        let more = plan.grow(&valuation.short_of_quorum, &valuation.missing_rates(), input, &mut view).await;
        if !more.is_empty() {
            self.look_up(&more, &mut view, &mut told).await;
            valuation = self.value(&plan, &told, &question, now).await;
        }
        valuation.prices.into_iter().map(|Priced { price, .. }| price).collect()
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

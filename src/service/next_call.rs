//! Finds when each symbol of a question needs its next call.

use std::collections::HashMap;

use tokio::time::Instant;

use super::Quotefold;
use crate::plan::Plan;
use crate::question::Question;
use crate::ready::Depends;
use crate::symbol::Symbol;

/// When a symbol needs its next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextCall {
    /// Now: a source that could be asked has nothing fresh enough.
    IsDue,
    /// When the first of its outcomes is no longer fresh enough.
    At(Instant),
    /// Never, as things are: no source is asked for it.
    Never,
}

impl NextCall {
    fn first(self, other: NextCall) -> NextCall {
        match (self, other) {
            (NextCall::IsDue, _) | (_, NextCall::IsDue) => NextCall::IsDue,
            (NextCall::Never, next) | (next, NextCall::Never) => next,
            (NextCall::At(one), NextCall::At(other)) => NextCall::At(one.min(other)),
        }
    }
}

impl Quotefold {
    /// When each symbol of a question, in its order, needs its next call. What is asked for in a second round has no part in it.
    pub(crate) async fn next_calls(&self, question: &Question) -> Vec<NextCall> {
        let plan = Plan::new(self.plan_input(question, self.clock.now())).await;
        let (by_symbol, depends) = (of_reads(&plan), Depends::of(&plan, question));
        let next_of = |symbol: &Symbol| {
            let reads = depends.on(symbol, None).map(|on| on.symbols()).unwrap_or_default();
            let calls = reads.iter().filter_map(|read| by_symbol.get(read).copied());
            calls.fold(NextCall::Never, NextCall::first)
        };
        question.symbols.iter().map(next_of).collect()
    }
}

/// When each symbol that sources are asked for needs its next call.
fn of_reads(plan: &Plan) -> HashMap<Symbol, NextCall> {
    let mut by_symbol: HashMap<Symbol, NextCall> = HashMap::new();
    let mut note = |symbol: &Symbol, next: NextCall| {
        let first = by_symbol.entry(symbol.clone()).or_insert(NextCall::Never);
        *first = first.first(next);
    };
    for query in &plan.queries {
        query.ask.due.iter().for_each(|(symbol, _)| note(symbol, NextCall::IsDue));
        for known in &query.settled {
            let symbol = &known.outcome.symbol;
            let freshness = plan.freshness.get(query.source, symbol);
            let due = freshness.and_then(|freshness| known.due_at(*freshness));
            note(symbol, due.map_or(NextCall::IsDue, NextCall::At));
        }
    }
    by_symbol
}

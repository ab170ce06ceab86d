//! Answers with prices that are still good although they are due, and fetches what is due behind the answer.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Quotefold;
use crate::board::Told;
use crate::fold::Status;
use crate::gather::{Gathering, in_order};
use crate::pace::Pace;
use crate::plan::{PerSource, Plan, Purpose, SourceQuery, Target};
use crate::question::Question;
use crate::quote::Role;
use crate::settings::class::Refresh;
use crate::source::coalescer::{Ask, Patience, Wait};
use crate::symbol::Symbol;
use crate::trace::TraceContext;

impl Quotefold {
    /// The same plan, but with nothing to ask for before the answer if the question does not wait for what is due, and every one
    /// of its prices is `ok` without it.
    pub(super) async fn put_off(&self, plan: Plan, question: &Question) -> Plan {
        if !self.may_put_off(&plan, question) {
            return plan;
        }
        let now = self.clock.now();
        let input = self.plan_input(question, now);
        let (mut view, mut pace) = (input.view(), Pace::default());
        let (mut queries, mut told) = (plan.queries.clone(), PerSource::default());
        for query in &mut queries {
            for (symbol, _) in &query.ask.due {
                view.look_at(symbol);
                query.settled.extend(view.known(query.source, symbol).cloned());
                pace.step(1).await;
            }
            let settled =
                query.settled.iter().map(|known| (known.outcome.symbol.clone(), Told::OnBoard(known.clone())));
            told.extend(settled.map(|(symbol, known)| (query.source, symbol, known)));
        }
        let valuation = self.value(&plan, &told, question, now).await;
        if valuation.prices.iter().any(|priced| priced.price.status != Status::Ok) {
            return plan;
        }
        let queries = queries.into_iter().map(SourceQuery::without_calls).collect();
        let is_reserve = |query: &SourceQuery| {
            self.profiles.get(query.source).is_some_and(|profile| profile.settings.role == Role::Reserve)
        };
        let behind =
            plan.queries.iter().filter(|query| !query.ask.due.is_empty() && !is_reserve(query)).cloned().collect();
        Plan { queries, behind: Some(behind), ..plan }
    }

    /// Whether something is due that the question does not wait for: it says so itself, or the classes of what is due do.
    fn may_put_off(&self, plan: &Plan, question: &Question) -> bool {
        let mut due = plan.queries.iter().flat_map(|query| &query.ask.due);
        let by_class = |symbol: &Symbol| self.settings.of_class(self.settings.class(symbol)).refresh;
        question.patience == Patience::Waits
            && !question.wants_fresh()
            // a text that is no symbol has an entry that is not `ok`
            && question.not_symbols.is_empty()
            && plan.weight() > 0
            && due.all(|(symbol, _)| question.refresh.unwrap_or_else(|| by_class(symbol)) == Refresh::Background)
    }

    /// Notes in a gathering which sources were not asked before the answer, and have said nothing yet.
    pub(super) fn note_put_off(&self, plan: &Plan, gathering: &mut Gathering<'_>) {
        for query in plan.behind.iter().flatten() {
            let Some(source) = self.sources.get(query.source) else { continue };
            for (symbol, _) in &query.ask.due {
                if !gathering.heard().told().contains(query.source, symbol) {
                    gathering.note(query.source, source.coalescer.not_awaited(symbol));
                }
            }
        }
    }

    /// Fetches what a plan has put off, and returns for which symbols of the question a call is in flight. The calls are the
    /// service's, and go as far as they can without harm to a caller who waits: none waits for a limit or a slot.
    pub(super) async fn fetch_behind(&self, plan: &mut Plan, question: &Question) -> Vec<Symbol> {
        let Some(queries) = plan.behind.take().filter(|queries| !queries.is_empty()) else { return Vec::new() };
        let until = Instant::now() + self.settings.server.timeout;
        let queries = in_order(queries, &self.sources, &question.symbols);
        let asks: Vec<_> = queries
            .into_iter()
            .filter_map(|SourceQuery { source, ask, .. }| {
                let ask = Ask { until, patience: Patience::OnlyTries, ..ask };
                Some((source, self.sources.get(source)?.coalescer.clone(), ask))
            })
            .collect();
        let due = asks.iter().map(|(_, _, ask)| ask.due.len()).sum();
        let Some(room) = self.left_behind.room_for(due) else { return Vec::new() };
        let (started, in_flight) = oneshot::channel();
        self.left_behind.spawn(TraceContext::current().scope(async move {
            let _room = room;
            let (mut waits, mut pace, mut fetched) = (Vec::new(), Pace::default(), PerSource::default());
            for (source, coalescer, ask) in asks {
                for wait in coalescer.ask(&ask) {
                    if matches!(wait, Wait::InFlight { .. }) {
                        fetched.insert(source, wait.symbol().clone(), ());
                        waits.push((coalescer.clone(), wait));
                    }
                }
                pace.step(ask.due.len()).await;
            }
            // a caller who has left does not need to know
            let _ = started.send(fetched);
            for (coalescer, wait) in waits {
                coalescer.arrive(wait).await;
            }
        }));
        // if the task panics, nothing is fetched
        let fetched = in_flight.await.unwrap_or_default();
        let (asked, rates): (Vec<&Target>, Vec<&Target>) =
            plan.targets.iter().partition(|target| target.purpose == Purpose::Asked);
        let (mut refreshing, mut pace) = (Vec::new(), Pace::default());
        for target in asked {
            if is_made_with(target, &rates, question, &fetched) {
                refreshing.push(target.symbol.clone());
            }
            pace.step(target.routes.len()).await;
        }
        refreshing
    }
}

/// Whether the price of a target may change with one of these outcomes: its own, or those of the rates that it needs.
fn is_made_with(target: &Target, rates: &[&Target], question: &Question, outcomes: &PerSource<()>) -> bool {
    let own = |target: &Target| target.routes.iter().any(|by| outcomes.contains(by.source, &by.route.asked));
    let converts = |rate: &Target| {
        let is_other = question.currency.is_some() && target.symbol.pair_currency() != question.currency;
        is_other && rate.purpose == Purpose::Conversion
    };
    let conversions = || rates.iter().filter(|rate| converts(rate));
    let is_needed = |rate: &Target| {
        let by_conversion = || conversions().any(|conversion| conversion.needs(&rate.symbol));
        converts(rate) || rate.purpose == Purpose::Rate && (target.needs(&rate.symbol) || by_conversion())
    };
    own(target) || rates.iter().any(|rate| is_needed(rate) && own(rate))
}

//! Carries a plan out: asks every source at once, and stops waiting at the caller's deadline.
//!
//! There is exactly one outcome per planned source and symbol, whatever happens to the source: late, it is a timeout; panicked,
//! it is an internal failure under its name. Dropping the future drops every wait, and calls that nobody else waits for end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::plan::{Errand, Plan};
use crate::question::Question;
use crate::quote::Outcome;
use crate::source::Source;
use crate::source::error::SourceError;
use crate::source::share::{Ask, Share};
use crate::symbol::Symbol;

/// What is kept of a caller's time for folding and answering.
pub const RESERVE: Duration = Duration::from_millis(25);

/// Asks the sources of a plan at once, and gives one outcome per source and symbol.
pub async fn gather(plan: Plan, question: &Question, sources: &[Arc<Source>]) -> Vec<Outcome> {
    let until = question.deadline() - RESERVE;
    let mut outcomes = Vec::new();
    let mut asked = HashMap::new();
    let mut tasks = JoinSet::new();
    for Errand { source, ask, settled } in plan.errands {
        outcomes.extend(settled);
        let Some(source) = sources.get(source).filter(|_| !ask.due.is_empty()) else { continue };
        let symbols: Vec<Symbol> = ask.due.iter().map(|(symbol, _)| symbol.clone()).collect();
        let task = tasks.spawn(wait_for(source.share.clone(), ask, until, question.timeout));
        asked.insert(task.id(), (source, symbols));
    }
    while let Some(ended) = tasks.join_next_with_id().await {
        match ended {
            Ok((_, arrived)) => outcomes.extend(arrived),
            Err(panicked) => {
                let Some((source, symbols)) = asked.remove(&panicked.id()) else { continue };
                tracing::error!(source = source.profile.name(), "asking panicked: {panicked}");
                let error = || SourceError::Internal("asking this source failed by a fault of ours".to_owned());
                outcomes.extend(symbols.iter().map(|symbol| source.share.failed(symbol, error())));
            }
        }
    }
    outcomes
}

/// Waits for one source's outcomes, each until the deadline; `timeout` is how long the caller said it would wait.
async fn wait_for(share: Share, ask: Ask, until: Instant, timeout: Duration) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(ask.due.len());
    // the calls run by themselves: waiting for them one after the other loses no time
    for wait in share.ask(&ask) {
        let symbol = wait.symbol().clone();
        let arrived = timeout_at(until, share.arrive(wait)).await;
        // the call may go on for others
        outcomes.push(arrived.unwrap_or_else(|_| share.failed(&symbol, SourceError::Timeout(timeout))));
    }
    outcomes
}

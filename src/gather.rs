//! Carries a plan out: asks every source at once, and stops waiting at the caller's deadline.
//!
//! There is an outcome for each source and symbol that was asked, whatever happens to the source: late, it is a timeout;
//! panicked, it is an internal failure under its name. Dropping the gathering drops every wait, and calls that nobody else
//! waits for end.

mod waiting;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout_at};

pub use waiting::Waiting;

use crate::failure::SourceError;
use crate::plan::Errand;
use crate::question::Question;
use crate::quote::Outcome;
use crate::source::share::{Ask, Patience, Share};
use crate::source::{KEPT_BACK, Source};
use crate::symbol::Symbol;

/// One caller's waits for any number of sources: one task group, one deadline.
pub struct Gathering<'a> {
    sources: &'a [Arc<Source>],
    until: Instant,
    /// How long the caller said it would wait.
    timeout: Duration,
    patience: Patience,
    tasks: JoinSet<Vec<Outcome>>,
    asked: HashMap<Id, (&'a Source, Vec<Symbol>)>,
    outcomes: Vec<Outcome>,
}

impl<'a> Gathering<'a> {
    /// Nobody is asked yet.
    pub fn new(question: &Question, sources: &'a [Arc<Source>]) -> Self {
        let until = question.deadline() - KEPT_BACK;
        let (timeout, patience) = (question.timeout, question.patience);
        let (tasks, asked, outcomes) = (JoinSet::new(), HashMap::new(), Vec::new());
        Gathering { sources, until, timeout, patience, tasks, asked, outcomes }
    }

    /// Asks sources at once, without waiting.
    pub fn ask(&mut self, errands: Vec<Errand>) {
        for Errand { source, ask, settled } in errands {
            self.outcomes.extend(settled);
            let Some(source) = self.sources.get(source).filter(|_| !ask.due.is_empty()) else { continue };
            let symbols: Vec<Symbol> = ask.due.iter().map(|(symbol, _)| symbol.clone()).collect();
            let wait = Wait { until: self.until, timeout: self.timeout, waiting: Waiting::current() };
            let task = self.tasks.spawn(wait.for_source(source.share.clone(), ask, self.patience));
            self.asked.insert(task.id(), (source, symbols));
        }
    }

    /// Waits until everybody has answered, but no longer than until an instant or the end of the caller's time.
    pub async fn settle(&mut self, until: Instant) {
        // joining is safe to give up: what has not been joined stays in the set
        let _ = timeout_at(until.min(self.until), self.join_all()).await;
    }

    /// Whether nothing is waited for.
    pub fn is_done(&self) -> bool {
        self.tasks.is_empty()
    }

    /// How long the caller still waits.
    pub fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Waits until everybody has answered or the caller's time is over, and gives all there is.
    pub async fn finish(mut self) -> Vec<Outcome> {
        // each wait ends by itself at the deadline
        self.join_all().await;
        self.outcomes
    }

    async fn join_all(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            match ended {
                Ok((_, arrived)) => self.outcomes.extend(arrived),
                Err(panicked) => {
                    let Some((source, symbols)) = self.asked.remove(&panicked.id()) else { continue };
                    tracing::error!(source = source.profile.name(), "asking panicked: {panicked}");
                    let error = || SourceError::Internal("asking this source failed by a fault of ours".to_owned());
                    self.outcomes.extend(symbols.iter().map(|symbol| source.share.failed(symbol, error())));
                }
            }
        }
    }
}

/// The terms on which a caller waits for one source.
struct Wait {
    until: Instant,
    /// How long the caller said it would wait.
    timeout: Duration,
    /// Is told when the wait begins.
    waiting: Waiting,
}

impl Wait {
    /// One source's outcomes, each of which is waited for until the deadline.
    async fn for_source(self, share: Share, ask: Ask, patience: Patience) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(ask.due.len());
        // the calls run by themselves: waiting for them one after the other loses no time
        let waits = match patience {
            Patience::Waits => share.ask(&ask),
            Patience::OnlyTries => share.attempt(&ask),
        };
        for wait in waits {
            let symbol = wait.symbol().clone();
            let arrived = timeout_at(self.until, self.waiting.wait_for(share.arrive(wait))).await;
            // the call may go on for others
            outcomes.push(arrived.unwrap_or_else(|_| share.gave_up(&symbol, self.timeout)));
        }
        outcomes
    }
}

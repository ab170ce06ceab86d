//! Waits for one source on behalf of a caller, in a task of its own, and reports what it says.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::{LeftBehind, Waiting};
use crate::board::Told;
use crate::source::coalescer::{Ask, Coalescer, Wait};

/// The most outcomes that are reported together.
const IN_ONE_REPORT: usize = 64;

/// What a task tells the caller.
pub(super) enum Report {
    /// What a source said.
    Told(usize, Vec<Told>),
    /// The task has ended. It has told everything, unless it panicked.
    Ended(usize),
}

/// Tells a caller what one source says. When it is dropped, it tells that no more will come.
pub(super) struct Reporter {
    pub(super) source: usize,
    pub(super) reports: mpsc::UnboundedSender<Report>,
}

/// A source's turn among those of its account.
pub(super) struct Turn {
    /// Resolves when the source before it has asked for its calls, or has panicked.
    pub(super) before: Option<oneshot::Receiver<()>>,
    /// Dropped when this source has asked for its own.
    pub(super) asked: oneshot::Sender<()>,
}

/// The terms on which a caller waits for one source.
pub(super) struct Terms {
    pub(super) until: Instant,
    /// How long the caller said it would wait.
    pub(super) timeout: Duration,
    /// Is told when the wait begins.
    pub(super) waiting: Waiting,
}

impl Reporter {
    fn tell(&self, told: Vec<Told>) {
        // a caller who has left hears nothing, and misses nothing
        let _ = self.reports.send(Report::Told(self.source, told));
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let _ = self.reports.send(Report::Ended(self.source));
    }
}

/// Asks a source once its turn has come.
async fn ask(coalescer: &Coalescer, ask: &Ask, turn: Turn) -> Vec<Wait> {
    if let Some(before) = turn.before {
        // it ends with an error, since nothing is ever sent
        let _ = before.await;
    }
    let waits = coalescer.ask(ask);
    drop(turn.asked);
    waits
}

/// Reports once, when all symbols have their outcome: each of them is waited for until the deadline.
pub(super) async fn report_all(coalescer: Coalescer, wanted: Ask, turn: Turn, terms: Terms, reporter: Reporter) {
    let mut all = Vec::with_capacity(wanted.due.len());
    // the calls run by themselves, so waiting for one after the other loses no time
    for wait in ask(&coalescer, &wanted, turn).await {
        let symbol = wait.symbol().clone();
        let told = timeout_at(terms.until, terms.waiting.wait_for(coalescer.arrive(wait))).await;
        // the call may go on for others
        all.push(told.unwrap_or_else(|_| coalescer.gave_up(&symbol, terms.timeout)));
    }
    reporter.tell(all);
}

/// Reports every outcome as it comes, and stays until the last one: the calls go on even if the caller does not wait for them,
/// unless too many do so already.
pub(super) async fn report_each(
    coalescer: Coalescer,
    wanted: Ask,
    turn: Turn,
    reporter: Reporter,
    left_behind: LeftBehind,
) {
    let waits = ask(&coalescer, &wanted, turn).await;
    let arriving = waits.into_iter().map(|wait| coalescer.arrive(wait));
    let mut arrivals = arriving.collect::<FuturesUnordered<_>>().ready_chunks(IN_ONE_REPORT);
    let mut room = None;
    loop {
        tokio::select! {
            biased;
            told = arrivals.next() => match told {
                Some(told) => reporter.tell(told),
                None => break,
            },
            () = reporter.reports.closed(), if room.is_none() => {
                room = left_behind.room_for(arrivals.get_ref().len());
                if room.is_none() {
                    break;
                }
            }
        }
    }
}

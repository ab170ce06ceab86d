//! The units of a call: void after a moment, settled when the vendor has had the call, or given back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::Process;
use super::super::script::SETTLE;
use super::SharedLimits;

/// How soon after it was asked for a grant must be used.
pub(super) const VOID_AFTER: Duration = Duration::from_millis(100);

/// The most units in one call to the store.
const MOST_AT_ONCE: usize = 256;

/// Units that are reserved in the store, or belong to the share of this replica. Dropped without a word, they count until their
/// call can have ended at the latest.
pub struct SharedUnits {
    pub(super) limits: Arc<SharedLimits>,
    pub(super) numbers: Vec<u64>,
    /// When they were asked for, if they are of the store.
    pub(super) asked: Option<Instant>,
    /// When the call must have ended.
    pub(super) over_by: Instant,
}

/// What the store is told of a unit whose call has ended.
pub(in crate::shared) struct Settlement {
    limits: Arc<SharedLimits>,
    number: u64,
    /// Whether the vendor may have counted it.
    is_counted: bool,
}

impl std::fmt::Debug for SharedUnits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedUnits").field("numbers", &self.numbers).finish_non_exhaustive()
    }
}

impl SharedUnits {
    /// Whether it is too late to begin a call with them.
    pub(crate) fn are_void(&self, now: Instant) -> bool {
        self.asked.is_some_and(|asked| now.saturating_duration_since(asked) > VOID_AFTER)
    }

    /// When the call that they were granted for must have ended.
    pub(crate) fn over_by(&self) -> Instant {
        self.over_by
    }

    /// Lets them count from now on: the vendor has had the call.
    pub(crate) fn settle(self, now: Instant) {
        for number in &self.numbers {
            self.limits.state.lock().ledger.settle(*number, now);
            self.tell(*number, true);
        }
    }

    /// Gives them back: nothing of the call has been written, so the vendor has not counted it.
    pub(crate) fn give_back(self) {
        for number in &self.numbers {
            self.limits.state.lock().ledger.forget(*number);
            self.tell(*number, false);
        }
    }

    fn tell(&self, number: u64, is_counted: bool) {
        let settlement = Settlement { limits: Arc::clone(&self.limits), number, is_counted };
        // if too many wait, the unit counts for a little longer
        let _ = self.limits.process.settlements.try_send(settlement);
    }
}

/// Tells the store of units whose calls have ended. No call waits for that.
pub(in crate::shared) async fn settle_all(process: Arc<Process>, mut queue: mpsc::Receiver<Settlement>) {
    let mut settled: Vec<Settlement> = Vec::new();
    while queue.recv_many(&mut settled, MOST_AT_ONCE).await > 0 {
        settled.sort_by(|one, other| one.limits.key.cmp(&other.limits.key));
        for of_account in settled.chunk_by(|one, other| one.limits.key == other.limits.key) {
            let Some(first) = of_account.first() else { continue };
            let arguments: Vec<String> = of_account
                .iter()
                .flat_map(|unit| [process.unit(unit.number), u8::from(unit.is_counted).to_string()])
                .collect();
            let asked = Instant::now();
            // a unit whose end the store does not learn of counts until its call can have ended at the latest
            let is_settled = match SETTLE.run(&process.store, &[first.limits.key()], &arguments).await {
                Ok(said) => process.hear(asked, said.at),
                Err(_) => false,
            };
            let counts = &process.counts;
            if is_settled { &counts.settled } else { &counts.unsettled }.add(of_account.len());
        }
        settled.clear();
    }
}

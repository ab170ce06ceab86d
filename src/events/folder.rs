//! Folds what is looked at whenever it may have changed, once for all readers.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::topic::Depends;
use super::wakeup::Wakeup;
use super::{Group, Inner, in_groups};
use crate::clock::age;
use crate::service::{OnBoard, Quotefold};

/// The least time between two passes, and so between two folds of one symbol.
const PASS: Duration = Duration::from_millis(20);

/// The most symbols that are folded at once. Their readers are told before the next ones are folded.
const AT_ONCE: usize = 100;

/// The longest time without a pass: the wall clock may have been set meanwhile.
const LONGEST: Duration = Duration::from_secs(1);

/// Folds what may have changed, pass by pass.
pub(super) async fn run(shared: &Inner) {
    let mut landings = shared.current.get().board().landings();
    loop {
        let began = Instant::now();
        // in this order, what lands during a pass leads to another one
        landings.borrow_and_update();
        pass(shared).await;
        sleep_until(began + PASS).await;
        let next = next_pass(shared);
        tokio::select! {
            // the board outlives every change of the settings, so this never fails
            _ = landings.changed() => {}
            () = shared.to_fold.notified() => {}
            () = sleep_until(next) => {}
        }
    }
}

/// Folds everything that may have changed.
async fn pass(shared: &Inner) {
    let now = shared.current.get().clock().now().wall;
    let dirty = shared.topics(|topic| topic.is_dirty(now));
    for group in in_groups(dirty, AT_ONCE) {
        // in this order, a change of the settings in between leads to another fold
        group.topics.iter().for_each(|topic| topic.is_being_folded());
        let service = shared.current.get();
        // a task of its own: if one fails because of a bug, the others go on
        let folded = shared.runtime.spawn(async move { fold(&service, &group).await });
        if let Err(panicked) = AbortOnDropHandle::new(folded).await {
            tracing::error!("a symbol that is looked at was not folded because of a bug in quotefold: {panicked}");
        }
    }
}

/// Folds a group, and tells its readers.
async fn fold(service: &Quotefold, group: &Group) {
    let all = service.on_board(&group.symbols, group.currency.as_ref()).await;
    let mut to_wake: Vec<Arc<Wakeup>> = Vec::new();
    for (topic, OnBoard { priced, reads, version, valid_until }) in group.topics.iter().zip(all) {
        let marks = reads.iter().map(|symbol| service.board().mark(symbol)).collect();
        let depends = Depends { marks, version, folded_at: priced.price.as_of, valid_until };
        if let Err(error) = topic.folded(&priced, depends, &mut to_wake) {
            tracing::error!("a price could not be written because of a bug in quotefold: {error}");
        }
    }
    service.metrics().stream_folds(group.topics.len());
    to_wake.iter().for_each(|wakeup| wakeup.wake());
}

/// When something may have changed although nothing has landed.
fn next_pass(shared: &Inner) -> Instant {
    let now = shared.current.get().clock().now();
    let first: Option<Timestamp> = {
        let looked_at = shared.looked_at.lock();
        looked_at.topics.values().filter_map(|topic| topic.valid_until()).min()
    };
    now.monotonic + first.map_or(LONGEST, |first| age(first, now.wall)).min(LONGEST)
}

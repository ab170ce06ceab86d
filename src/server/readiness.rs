//! Keeps a snapshot of what readiness depends on, so that a probe never waits for what the service is busy with.
//!
//! A snapshot is made whenever something has changed, and once a second, because quotes age by themselves. The end of a
//! source's pause needs no new snapshot: it is part of the last one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::clock::Moment;
use crate::fold::is_usable;
use crate::service::Quotefold;
use crate::shared::Report;
use crate::source::Source;
use crate::source::cooldown::Cooldown;
use crate::watch::Watched;

/// The longest time between two snapshots.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// The shortest time between two snapshots: many quotes may land at once.
const SHORTEST_GAP: Duration = Duration::from_millis(10);

/// An older snapshot says little about the present.
pub(super) const OLD: Duration = Duration::from_secs(5);

/// What readiness depends on, as of one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// When it was made.
    pub(super) made: Instant,
    /// The names of the sources, each with its pause, if it is paused.
    pub(super) sources: Vec<(String, Option<Cooldown>)>,
    /// Whether a quote on the board is usable. It is looked up only if no source can be asked; otherwise it does not matter, and
    /// is `true`.
    pub(super) has_quote: bool,
    /// How far the clock is off, as text.
    pub(super) skew: Option<String>,
    /// Whether any symbols are watched.
    pub(super) watches: bool,
    /// What watched symbols lack, as text.
    pub(super) lacking: Option<String>,
    /// How the limits are kept that replicas share; `None` if none are shared.
    pub(super) shared: Option<Report>,
}

/// The latest snapshot. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    latest: watch::Sender<Arc<Snapshot>>,
    watched: Arc<Watched>,
}

impl Readiness {
    /// Makes snapshots of a service on a runtime from now on.
    pub(super) fn of(service: &Arc<Quotefold>, watched: Arc<Watched>, runtime: &Handle) -> Self {
        let (now, has_quote) = (service.clock().now(), has_usable_quote);
        let latest = watch::Sender::new(Arc::new(Snapshot::of(service, &watched, has_quote, now)));
        let (landings, changes) = (service.board().landings(), watched.changes());
        let readiness = Readiness { latest, watched };
        // the task must not keep the service alive
        runtime.spawn(keep(Arc::downgrade(service), landings, changes, readiness.clone()));
        readiness
    }

    /// The latest snapshot.
    pub(super) fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.borrow())
    }

    /// Makes a snapshot before an answer is sent, so that a client that has the answer finds the same state of the sources in the
    /// health report. It does not search the board for a usable quote, which may take long.
    pub(super) fn refresh(&self, service: &Quotefold) {
        let had_quote = self.latest().has_quote;
        self.take(Snapshot::of(service, &self.watched, |_, _| had_quote, service.clock().now()));
    }

    fn take(&self, snapshot: Snapshot) {
        self.latest.send_if_modified(|latest| {
            let is_newer = snapshot.made >= latest.made;
            if is_newer {
                *latest = Arc::new(snapshot);
            }
            is_newer
        });
    }
}

async fn keep(
    service: Weak<Quotefold>,
    mut landings: watch::Receiver<()>,
    mut watched: watch::Receiver<()>,
    readiness: Readiness,
) {
    loop {
        tokio::select! {
            _ = landings.changed() => {}
            _ = watched.changed() => {}
            () = sleep(LONGEST_GAP) => {}
        }
        let Some(service) = service.upgrade() else { return };
        readiness.take(Snapshot::of(&service, &readiness.watched, has_usable_quote, service.clock().now()));
        drop(service);
        sleep(SHORTEST_GAP).await;
    }
}

impl Snapshot {
    fn of(service: &Quotefold, watched: &Watched, has_quote: impl Fn(&Quotefold, Moment) -> bool, now: Moment) -> Self {
        let rest = |source: &Arc<Source>| (source.profile.name().to_owned(), source.rest(now.monotonic));
        let sources: Vec<(String, Option<Cooldown>)> = service.sources().iter().map(rest).collect();
        let has_quote = sources.iter().any(|(_, rest)| rest.is_none()) || has_quote(service, now);
        let skew = service.clock().skew(now).map(|skew| format!("{skew}: {}", skew.witnesses()));
        let (watches, lacking) = (!service.settings().watch.symbols.is_empty(), watched.lacking());
        let shared = service.shared().map(|shared| shared.report(now.monotonic));
        Snapshot { made: now.monotonic, sources, has_quote, skew, watches, lacking, shared }
    }
}

fn has_usable_quote(service: &Quotefold, now: Moment) -> bool {
    service.board().any_quote(|outcome, quote| {
        let class = service.settings().class(&outcome.symbol);
        is_usable(quote, &outcome.origin, service.settings().of_class(class).usable_for, now.wall)
    })
}

//! Keeps what readiness looks at, so that who asks whether the service is ready waits for nothing that it is busy with.
//!
//! A snapshot is made whenever something has changed, and once a second: what a symbol's quotes are worth changes by itself.
//! When a rest of a source ends is known beforehand, and is not waited for.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::clock::Moment;
use crate::fold::is_usable;
use crate::service::Quotefold;
use crate::source::cooldown::Cooldown;
use crate::watch::Watched;

/// A snapshot is made at least so often.
const EVERY: Duration = Duration::from_secs(1);

/// Two snapshots are at least so far apart: many quotes land at once.
const PAUSE: Duration = Duration::from_millis(10);

/// An older snapshot says little of the present.
pub(super) const OLD: Duration = Duration::from_secs(5);

/// What readiness looks at, as it was at a moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// When it was made.
    pub(super) made: Instant,
    /// The names of the sources, and until when they are left alone.
    pub(super) sources: Vec<(String, Option<Cooldown>)>,
    /// Whether a quote on the board may be used, as far as it matters: it does only where no source can be asked.
    pub(super) has_quote: bool,
    /// How far the clock is off, in words.
    pub(super) skew: Option<String>,
    /// Whether any symbols are watched.
    pub(super) watches: bool,
    /// What these lack, in words.
    pub(super) lacking: Option<String>,
}

/// The latest snapshot. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    latest: watch::Sender<Arc<Snapshot>>,
    watched: Arc<Watched>,
}

impl Readiness {
    /// Makes snapshots of a service in a runtime from now on.
    pub(super) fn of(service: &Arc<Quotefold>, watched: Arc<Watched>, runtime: &Handle) -> Self {
        let (now, has_quote) = (service.clock().now(), has_usable_quote);
        let latest = watch::Sender::new(Arc::new(Snapshot::of(service, &watched, has_quote, now)));
        let (landings, changes) = (service.board().landings(), watched.changes());
        let readiness = Readiness { latest, watched };
        // a service that has been dropped needs none
        runtime.spawn(keep(Arc::downgrade(service), landings, changes, readiness.clone()));
        readiness
    }

    /// The latest snapshot.
    pub(super) fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.borrow())
    }

    /// Makes a snapshot before an answer is given, so that a client that has the answer finds the same about the sources here. Whether there is
    /// a quote on the board is not looked up for that: it may take long.
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
            () = sleep(EVERY) => {}
        }
        let Some(service) = service.upgrade() else { return };
        readiness.take(Snapshot::of(&service, &readiness.watched, has_usable_quote, service.clock().now()));
        drop(service);
        sleep(PAUSE).await;
    }
}

impl Snapshot {
    fn of(service: &Quotefold, watched: &Watched, has_quote: impl Fn(&Quotefold, Moment) -> bool, now: Moment) -> Self {
        let rest = |source: &Arc<crate::source::Source>| (source.profile.name().to_owned(), source.rest(now.monotonic));
        let sources: Vec<(String, Option<Cooldown>)> = service.sources().iter().map(rest).collect();
        let has_quote = sources.iter().any(|(_, rest)| rest.is_none()) || has_quote(service, now);
        let skew = service.clock().skew(now).map(|skew| format!("{skew}: {}", skew.witnesses()));
        let (watches, lacking) = (!service.settings().watch.symbols.is_empty(), watched.lacking());
        Snapshot { made: now.monotonic, sources, has_quote, skew, watches, lacking }
    }
}

fn has_usable_quote(service: &Quotefold, now: Moment) -> bool {
    service.board().any_quote(|outcome, quote| {
        let class = service.settings().class(&outcome.symbol);
        is_usable(quote, &outcome.origin, service.settings().of_class(class).usable_for, now.wall)
    })
}

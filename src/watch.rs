//! Keeps watched symbols fresh without a request for them, as one more caller on the same path who only tries.
//!
//! A round asks for the symbols whose quotes would be too old by the next round. A symbol for which a source has no room right
//! now is tried again within the round when there is room. No caller waits longer because of that, no reserve is asked, and a
//! refusal here is no refusal to callers.
//!
//! A list that is longer than `server.max_symbols` is cut into parts, each of them a query that a client could send. Every part
//! has rounds of its own, so that slow vendors of one part do not hold up the others, and no symbol is ever in two rounds at
//! once. The list has at most 1000 symbols, which bounds how many are asked for at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::age;
use crate::failure::SourceError;
use crate::fold::{Degraded, Price, Status, is_usable};
use crate::plan::Purpose;
use crate::question::Question;
use crate::quote::Role;
use crate::service::Quotefold;
use crate::service::current::Current;
use crate::symbol::Symbol;
use crate::text::words::list;
use crate::units::Span;

/// A quote that is younger than this fraction of `every` when a round begins is not asked for: another caller has just fetched
/// it. A tenth.
const SPARED: u32 = 10;

/// The shortest time between two attempts of one round.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The most symbols that a sentence names.
const NAMED: usize = 5;

/// Which of the watched symbols lack a quote that may be used. At first that is all of them.
#[derive(Debug, Default)]
pub struct Watched {
    state: Mutex<State>,
    /// Changes whenever what is lacking does.
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    watched: BTreeSet<Symbol>,
    lacking: BTreeSet<Symbol>,
}

impl Watched {
    /// Nothing is known of these symbols yet.
    pub fn new(symbols: &[Symbol]) -> Self {
        let watched: BTreeSet<Symbol> = symbols.iter().cloned().collect();
        let state = State { lacking: watched.clone(), watched };
        Watched { state: Mutex::new(state), changes: watch::Sender::default() }
    }

    /// Goes on with other symbols. Of those that are new, nothing is known yet.
    fn follow(&self, symbols: &[Symbol]) {
        let now: BTreeSet<Symbol> = symbols.iter().cloned().collect();
        let mut state = self.state.lock();
        let new: Vec<Symbol> = now.difference(&state.watched).cloned().collect();
        state.lacking.retain(|symbol| now.contains(symbol));
        state.lacking.extend(new);
        state.watched = now;
        drop(state);
        self.changes.send_replace(());
    }

    /// What is lacking, in words; `None` if nothing is.
    pub fn lacking(&self) -> Option<String> {
        let state = self.state.lock();
        let names = list(state.lacking.iter().map(Symbol::as_str), NAMED);
        (!names.is_empty()).then(|| format!("no usable quote of {names}"))
    }

    fn note(&self, symbol: &Symbol, lacks: bool) {
        let mut state = self.state.lock();
        // a round may end after its symbols are watched no more
        let lacks = lacks && state.watched.contains(symbol);
        let is_news = if lacks { state.lacking.insert(symbol.clone()) } else { state.lacking.remove(symbol) };
        drop(state);
        if is_news {
            self.changes.send_replace(());
        }
    }

    /// Changes whenever what is lacking does.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

/// Watches the symbols in the settings that hold, whenever these change, until `end`. A round that has begun is carried to its
/// end, also if the list changes meanwhile.
pub async fn follow(current: Current, watched: Arc<Watched>, mut chance: fastrand::Rng, end: impl Future<Output = ()>) {
    let mut end = std::pin::pin!(end);
    loop {
        let (service, stop) = (current.get(), CancellationToken::new());
        watched.follow(&service.settings().watch.symbols);
        let rounds = run_until(current.clone(), Arc::clone(&watched), chance.fork(), stop.clone());
        let rounds = AbortOnDropHandle::new(tokio::spawn(rounds));
        tokio::select! {
            biased;
            // calls that no client waits for are dropped with the rounds
            () = &mut end => return,
            () = current.changed_until(|now| !is_watched_alike(&service, now)) => {}
        }
        stop.cancel();
        // what is new is asked for at once, and not only when the last round has ended
        drop(rounds.detach());
    }
}

/// Whether two services watch the same in the same way.
fn is_watched_alike(one: &Quotefold, other: &Quotefold) -> bool {
    let of = |service: &Quotefold| (service.settings().watch.clone(), service.settings().server.max_symbols);
    of(one) == of(other)
}

/// Watches the symbols in the settings from now until `end`, and notes in `watched` which of them lack a quote. Returns at once
/// if there are none.
pub async fn run(service: Arc<Quotefold>, watched: Arc<Watched>, chance: fastrand::Rng, end: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = end => {}
        () = run_until(Current::new(service), watched, chance, CancellationToken::new()) => {}
    }
}

/// The same until `stop`, and then to the end of every attempt that is under way.
async fn run_until(current: Current, watched: Arc<Watched>, mut chance: fastrand::Rng, stop: CancellationToken) {
    let service = current.get();
    let settings = service.settings();
    if settings.watch.symbols.is_empty() {
        return;
    }
    announce(&service).await;
    let mut parts = JoinSet::new();
    for part in settings.watch.symbols.chunks(settings.server.max_symbols) {
        let (current, watched) = (current.clone(), Arc::clone(&watched));
        parts.spawn(keep_fresh(current, watched, part.to_vec(), chance.fork(), stop.clone()));
    }
    drop(service);
    parts.join_all().await;
}

/// Runs round after round for one part of the list. A round that takes longer than `every` is followed by the next at once.
async fn keep_fresh(
    current: Current,
    watched: Arc<Watched>,
    part: Vec<Symbol>,
    mut chance: fastrand::Rng,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let (service, started) = (current.get(), Instant::now());
        let next = started + jittered(service.settings().watch.every, &mut chance);
        // a task of its own: if one round panics, the next one still comes
        let mut task = JoinSet::new();
        task.spawn(round(service, Arc::clone(&watched), part.clone(), (started, next), stop.clone()));
        if let Some(Err(panicked)) = task.join_next().await {
            tracing::error!("a round of the watch list failed because of a bug in quotefold: {panicked}");
        }
        stop.run_until_cancelled(sleep_until(next)).await;
    }
}

/// `every`, up to a tenth shorter or longer: services that were started together do not call together for ever.
pub fn jittered(every: Duration, chance: &mut fastrand::Rng) -> Duration {
    every * chance.u32(900..=1100) / 1000
}

async fn announce(service: &Quotefold) {
    let watch = &service.settings().watch;
    let plan = service.plan(&question(service, watch.symbols.clone(), Instant::now())).await;
    let can = |source: &usize| service.sources().get(*source).map(|source| source.profile.settings.role);
    let uncovered = plan.targets.iter().filter(|target| {
        let mut roles = target.routes.iter().filter_map(|by| can(&by.source));
        target.purpose == Purpose::Asked && !roles.any(|role| role != Role::Reserve)
    });
    let uncovered: Vec<&str> = uncovered.map(|target| target.symbol.as_str()).collect();
    if !uncovered.is_empty() {
        let symbols = uncovered.join(", ");
        tracing::warn!(symbols, "watched, but no source that is on covers them, or only reserves, which are not asked");
    }
    tracing::info!(symbols = watch.symbols.len(), "watching, every {}", Span(watch.every));
}

/// Tries until everything has been asked for once, or the next round begins.
async fn round(
    service: Arc<Quotefold>,
    watched: Arc<Watched>,
    mut wanted: Vec<Symbol>,
    (started, next): (Instant, Instant),
    stop: CancellationToken,
) {
    loop {
        let refused = attempt(&service, &watched, wanted, started).await;
        let Some(again) = refused.iter().map(|(_, at)| *at).min() else { return };
        let again = again.max(Instant::now() + SHORTEST_PAUSE);
        if again >= next {
            return;
        }
        if stop.run_until_cancelled(sleep_until(again)).await.is_none() {
            return;
        }
        wanted = refused.into_iter().map(|(symbol, _)| symbol).collect();
    }
}

/// Asks once, and returns the symbols for which there was no room, and when there may be.
async fn attempt(
    service: &Quotefold,
    watched: &Watched,
    symbols: Vec<Symbol>,
    started: Instant,
) -> Vec<(Symbol, Instant)> {
    let answer = service.answer(&question(service, symbols, started)).await;
    let mut refused = Vec::new();
    for price in answer.prices() {
        watched.note(&price.symbol, lacks(service, price));
        let failures = price.quotes.iter().filter_map(|judged| judged.outcome.failure.as_ref());
        let throttled = failures.filter(|failure| matches!(failure.error, SourceError::Throttled { .. }));
        let again = throttled.filter_map(|failure| failure.retry_at).min();
        refused.extend(again.map(|at| (price.symbol.clone(), Instant::now() + age(at, price.as_of))));
    }
    refused
}

/// The question of a round that began at an instant: what has landed since then is fresh enough for all its attempts.
fn question(service: &Quotefold, symbols: Vec<Symbol>, started: Instant) -> Question {
    let settings = service.settings();
    let refresh_after = settings.watch.every / SPARED + started.elapsed();
    Question::trying(symbols, refresh_after, service.clock().now(), settings.server.timeout)
}

/// Whether a symbol has neither a quote that is young enough nor a price that is more than a stale fallback. The last prices
/// of a closed market will do.
fn lacks(service: &Quotefold, price: &Price) -> bool {
    let class = service.settings().of_class(service.settings().class(&price.symbol));
    let now = service.clock().now();
    let is_young = |outcome: &crate::quote::Outcome| {
        outcome.quote.as_ref().is_some_and(|quote| is_usable(quote, &outcome.origin, class.usable_for, now.wall))
    };
    let stands = price.folded.is_some() && price.status != Status::Degraded(Degraded::StaleFallback);
    !stands && !price.quotes.iter().any(|judged| is_young(&judged.outcome))
}

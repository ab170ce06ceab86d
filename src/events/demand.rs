//! Has the sources asked for what is looked at, once for all readers, as one more caller of the usual path.
//!
//! Like the watch list, this caller only tries: it takes what can be had at once, waits for no limit, and asks no reserve. A
//! source is asked when its quote is older than `refresh_after` of the symbol's class, as for a request that states none.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Group, Inner, in_groups};
use crate::answer::Answer;
use crate::clock::age;
use crate::failure::SourceError;
use crate::fold::Price;
use crate::question::Question;
use crate::service::{NextCall, Quotefold};
use crate::units::WaitFor;
use crate::workload::Overloaded;

/// The least time between two looks at what is due, unless somebody looks at something new. What falls due in between is asked for
/// together, so that sources that take many symbols per call get them in one.
const PASS: Duration = Duration::from_millis(100);

/// When to ask again where a source could not be asked, and does not say when it can be. Also where there was no room for the
/// work.
const AGAIN: Duration = Duration::from_secs(1);

/// The longest time without a look.
const LONGEST: Duration = Duration::from_secs(1);

/// How many groups are asked for at once. What else is due waits: requests need room for their calls, too.
const MOST_ASKS: usize = 4;

/// Asks for what is due, pass by pass.
pub(super) async fn run(shared: &Inner) {
    let mut asks = JoinSet::new();
    loop {
        let now = Instant::now();
        let due = shared.topics(|topic| topic.next_ask().is_some_and(|next| next <= now));
        let service = shared.current.get();
        let groups = in_groups(due, service.settings().server.max_symbols);
        for group in groups.into_iter().take(MOST_ASKS.saturating_sub(asks.len())) {
            // a task of its own: if one fails because of a bug, the others go on
            asks.spawn(ask(Arc::clone(&service), Asking::of(group)));
        }
        drop(service);
        let next = next_look(shared, now);
        tokio::select! {
            () = shared.to_ask.notified() => {}
            () = sleep_until(next) => {}
            Some(asked) = asks.join_next(), if !asks.is_empty() => match asked {
                Ok(()) => shared.to_fold.notify_one(),
                Err(panicked) => {
                    tracing::error!("a symbol that is looked at was not asked for because of a bug in quotefold: {panicked}");
                }
            },
        }
    }
}

/// When something is due next.
fn next_look(shared: &Inner, now: Instant) -> Instant {
    let looked_at = shared.looked_at.lock();
    let first = looked_at.topics.values().filter_map(|topic| topic.next_ask()).min();
    first.map_or(now + LONGEST, |first| first.clamp(now + PASS, now + LONGEST))
}

/// Topics that are being asked for. If that ends before its time, they are asked for again a little later.
struct Asking {
    group: Group,
    /// How often each of them had been renewed before.
    renewals: Vec<u64>,
}

impl Asking {
    fn of(group: Group) -> Self {
        let renewals = group.topics.iter().map(|topic| topic.is_being_asked()).collect();
        Asking { group, renewals }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let again = Instant::now() + AGAIN;
        self.group.topics.iter().for_each(|topic| topic.was_not_asked(again));
    }
}

/// Asks once for a group, and notes for each of its topics when to ask again.
async fn ask(service: Arc<Quotefold>, mut asking: Asking) {
    let settings = service.settings();
    let group = &asking.group;
    let question = |arrived| Question {
        refresh_after: None,
        currency: group.currency.clone(),
        // a source that hangs must not keep the others from being asked again; what it sends lands when it comes
        wait: WaitFor::Quorum(Duration::ZERO),
        ..Question::trying(group.symbols.clone(), Duration::ZERO, arrived, settings.server.timeout)
    };
    let asked = question(service.clock().now());
    let answered = service.answer_in_turn(&asked, None).await;
    let refused_until = match &answered {
        Ok(answered) => refused_until(&answered.answer),
        // there was no room for the work
        Err(Overloaded) => vec![Some(Instant::now() + AGAIN); group.symbols.len()],
    };
    drop(answered);
    let next_calls = service.next_calls(&question(service.clock().now())).await;
    let now = Instant::now();
    let topics = std::mem::take(&mut asking.group.topics).into_iter().zip(&asking.renewals);
    for (((topic, renewals), next), refused_until) in topics.zip(next_calls).zip(refused_until) {
        let next = match next {
            NextCall::Never => None,
            NextCall::At(at) => Some(at.max(now + PASS)),
            NextCall::IsDue => Some(refused_until.unwrap_or(now + AGAIN).max(now + PASS)),
        };
        topic.was_asked(next, *renewals);
    }
}

/// For each symbol of an answer, when a source may have room that had none.
fn refused_until(answer: &Answer) -> Vec<Option<Instant>> {
    let now = Instant::now();
    let of_price = |price: &&Price| {
        let failures = price.quotes.iter().filter_map(|judged| judged.outcome.failure.as_ref());
        let throttled = failures.filter(|failure| matches!(failure.error, SourceError::Throttled { .. }));
        let again = throttled.filter_map(|failure| failure.retry_at).min();
        again.map(|at| now + age(at, price.as_of))
    };
    answer.prices().iter().map(of_price).collect()
}

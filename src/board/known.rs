//! Says what is known of one source and one symbol, how long it stands, and how it changes when something new lands.
//!
//! Pure: the present is passed in.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::clock::Moment;
use crate::failure::{Failure, SourceError};
use crate::quote::{Origin, Outcome, Quote};
use crate::symbol::Symbol;

/// What the board knows of one source and one symbol.
#[derive(Clone, Debug)]
pub struct Known {
    /// The latest outcome.
    pub outcome: Outcome,
    /// When the quote landed, if there is one.
    pub quote_landed: Option<Instant>,
    /// When a quote of this replica's own calls last landed. If that is another one than the quote that is known, another replica
    /// has heard that.
    pub own_landed: Option<Instant>,
    /// When the failure landed, if there is one.
    pub failure_landed: Option<Instant>,
    /// How long the failure keeps the symbol from being asked for.
    pub stands: Stands,
    /// Set if the failure is a refusal of ours (no call was made). If there is a quote too, it is shown only until then.
    pub refused_until: Option<Instant>,
    /// What the source's calls brought since its last quote.
    pub in_a_row: InARow,
    /// When the source last answered, well or badly. Our own refusals do not count as answers.
    pub answered: Option<Instant>,
}

/// The first moments at which a source can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Openings {
    /// For a symbol that is due.
    pub call: Instant,
    /// To check a denial that still stands. Only a spare unit of every limit is spent on that; `None` if the limits
    /// never leave a spare unit.
    pub check: Option<Instant>,
}

/// How long a failure keeps its symbol from being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It does not: the source as a whole has failed, and is left alone as long as it takes, for any symbol.
    WithSource,
    /// As long as a quote would: the reply was understood, but held nothing for the symbol.
    LikeQuote,
    /// Until then: the failure is the symbol's own.
    Until(Instant),
}

/// What one source's calls for one symbol brought, one after the other, since its last quote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InARow {
    /// How often it said that it has no such symbol; other failures in between do not matter. A denial of what was
    /// quoted recently does not count if it comes too soon after the last one that counted.
    pub denials: u32,
    /// When another denial starts to count; `None` if it does at once.
    pub denial_counts_from: Option<Instant>,
    /// How often the symbol alone failed for another reason.
    pub failures: u32,
}

/// A failure that a call brought, and how long it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What went wrong.
    pub error: SourceError,
    /// How long the call took.
    pub latency: Duration,
    /// How long it keeps the symbol from being asked for.
    pub stands: Stands,
    /// Whether it denies a symbol that the source itself quoted recently: then it is checked before it is believed.
    pub is_doubted: bool,
    /// What the calls have brought since the last quote, this failure included.
    pub in_a_row: InARow,
}

/// What is written on the board.
#[derive(Clone, Debug)]
pub enum Update {
    /// A quote; it removes an earlier failure.
    Quote(Quote),
    /// A failure that a call brought. The last quote stays beside it, unless the failure is a denial that is believed.
    Failure(Fault),
    /// A refusal of ours: no call was made, and none will be until then.
    Refusal(SourceError, Instant),
    /// Withdraws the quote that arrived at this time, because it turned out to belong to another symbol. If it has not
    /// landed yet, it never will: the failure lands in its place.
    Withdrawal(Timestamp, SourceError),
}

/// What one caller is told about one source and one symbol.
#[derive(Clone, Debug)]
pub enum Told {
    /// What is on the board.
    OnBoard(Arc<Known>),
    /// The same, with the time in its failure at which the source may be asked again.
    Dated(Box<Outcome>, Arc<Known>),
    /// A failure of this caller alone, which never lands on the board, and what is on the board beside it.
    Alone(Box<Outcome>, Option<Arc<Known>>),
}

impl Told {
    /// The outcome.
    pub fn outcome(&self) -> &Outcome {
        match self {
            Told::OnBoard(known) => &known.outcome,
            Told::Dated(outcome, _) | Told::Alone(outcome, _) => outcome,
        }
    }

    /// The outcome, if nothing else is needed any more.
    pub fn into_outcome(self) -> Outcome {
        match self {
            Told::OnBoard(known) => known.outcome.clone(),
            Told::Dated(outcome, _) | Told::Alone(outcome, _) => *outcome,
        }
    }

    /// What is on the board.
    pub fn known(&self) -> Option<&Arc<Known>> {
        match self {
            Told::OnBoard(known) | Told::Dated(_, known) => Some(known),
            Told::Alone(_, known) => known.as_ref(),
        }
    }

    /// What is on the board, if that is all that the caller is told.
    pub(crate) fn on_board(&self) -> Option<&Arc<Known>> {
        match self {
            Told::OnBoard(known) | Told::Dated(_, known) => Some(known),
            Told::Alone(..) => None,
        }
    }

    /// Whether the caller has waited for it.
    pub(crate) fn is_awaited(&self) -> bool {
        let failure = self.outcome().failure.as_ref();
        failure.is_none_or(|failure| !matches!(failure.error, SourceError::NotAwaited))
    }

    /// States in the failure, if there is one, when the source may be asked again.
    pub(crate) fn set_retry_at(&mut self, at: Timestamp) {
        let mut outcome = self.outcome().clone();
        let Some(failure) = &mut outcome.failure else { return };
        failure.retry_at = Some(at);
        let outcome = Box::new(outcome);
        *self = match self.on_board() {
            Some(known) => Told::Dated(outcome, Arc::clone(known)),
            None => Told::Alone(outcome, self.known().cloned()),
        };
    }
}

/// How fresh an outcome must be for a request to make no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Younger than this since the quote landed.
    pub refresh_after: Duration,
    /// Younger than this since a reply held nothing for the symbol.
    pub missing_after: Duration,
    /// Younger than this since a denial landed, if the caller wants even denials checked. Otherwise they are believed.
    pub denied_after: Option<Duration>,
}

impl Freshness {
    /// The usual case: every outcome must be as fresh as a quote, and denials are believed.
    pub fn of(refresh_after: Duration) -> Self {
        Freshness { refresh_after, missing_after: refresh_after, denied_after: None }
    }

    /// What suffices for both.
    pub(crate) fn and(self, other: Freshness) -> Self {
        Freshness {
            refresh_after: self.refresh_after.min(other.refresh_after),
            missing_after: self.missing_after.min(other.missing_after),
            denied_after: self.denied_after.into_iter().chain(other.denied_after).min(),
        }
    }
}

impl Known {
    /// Whether no call is needed: the latest word is young enough, or still stands.
    pub(crate) fn is_settled(&self, freshness: Freshness, now: Instant) -> bool {
        self.due_at(freshness).is_some_and(|at| now < at)
    }

    /// When a call is needed again, as far as the symbol alone decides that; `None` if a call is needed now.
    pub(crate) fn due_at(&self, freshness: Freshness) -> Option<Instant> {
        let Some(failure) = &self.outcome.failure else { return Some(self.quote_landed? + freshness.refresh_after) };
        match self.stands {
            Stands::WithSource => Some(self.quote_landed? + freshness.refresh_after),
            Stands::LikeQuote => Some(self.failure_landed? + freshness.missing_after),
            Stands::Until(until) => match freshness.denied_after.filter(|_| failure.error.denies_symbol()) {
                Some(denied_after) => Some(until.min(self.failure_landed? + denied_after)),
                None => Some(until),
            },
        }
    }

    /// When the source would be called for the symbol again, if asked then. While a denial stands, a call only checks
    /// it.
    pub(crate) fn called_at(&self, freshness: Freshness, openings: Openings) -> Instant {
        let Some(due) = self.due_at(freshness) else { return openings.call };
        match self.stands {
            Stands::Until(until) if due < until => {
                let call = until.max(openings.call);
                openings.check.map_or(call, |check| call.min(check.max(due)))
            }
            _ => due.max(openings.call),
        }
    }

    /// Whether it is a denial that still stands. A call for the symbol then only checks the denial.
    pub(crate) fn is_denied(&self, now: Instant) -> bool {
        self.denied_until(now).is_some()
    }

    /// Until when the source's denial of the symbol stands; `None` if no denial stands now.
    pub(crate) fn denied_until(&self, now: Instant) -> Option<Instant> {
        match self.stands {
            Stands::Until(until) if self.outcome.is_denied() && now < until => Some(until),
            _ => None,
        }
    }

    /// Whether the source answered at or after an instant, and what it said is known. If it failed, and a refusal of ours that is
    /// over has taken the failure's place, only an older quote is left.
    pub fn answered_since(&self, instant: Instant) -> bool {
        let since = |at: Option<Instant>| at.is_some_and(|at| at >= instant);
        since(self.answered) && (self.outcome.failure.is_some() || since(self.quote_landed))
    }

    /// Whether an update is the refusal that is known already: for the same reason, until the same instant.
    pub(super) fn is_refused_alike(&self, update: &Update) -> bool {
        let Update::Refusal(error, until) = update else { return false };
        self.is_refused_for(error, *until)
    }

    /// Whether it is a refusal of ours for this reason, until this instant.
    pub(crate) fn is_refused_for(&self, error: &SourceError, until: Instant) -> bool {
        let refused_for = self.outcome.failure.as_ref().map(|failure| failure.error.at_any_time());
        self.refused_until == Some(until) && refused_for == Some(error.at_any_time())
    }

    /// Whether its quote is the one that arrived at this time.
    pub(super) fn has_quote_of(&self, arrived: Timestamp) -> bool {
        self.outcome.quote.as_ref().is_some_and(|quote| quote.received_at == arrived)
    }

    /// The same, but without a refusal of ours that is over, if there is a quote to show instead.
    pub(super) fn at(this: &Arc<Self>, now: Instant) -> Arc<Self> {
        let mut known = Arc::clone(this);
        if known.refused_until.is_some_and(|until| until <= now) && known.outcome.quote.is_some() {
            let known = Arc::make_mut(&mut known);
            known.outcome.failure = None;
            known.refused_until = None;
        }
        known
    }
}

/// What is known once an update has landed on what was known before.
pub(super) fn settle(
    origin: &Arc<Origin>,
    symbol: &Symbol,
    before: Option<Known>,
    update: Update,
    now: Moment,
) -> Known {
    let in_a_row = before.as_ref().map(|known| known.in_a_row).unwrap_or_default();
    let own_landed = before.as_ref().and_then(|known| known.own_landed);
    let (quote, quote_landed, answered) =
        before.map_or((None, None, None), |known| (known.outcome.quote, known.quote_landed, known.answered));
    let failure =
        |error, latency, is_doubted| Box::new(Failure { error, latency, is_doubted, at: now.wall, retry_at: None });
    let outcome = |quote, failure| Outcome { origin: Arc::clone(origin), symbol: symbol.clone(), quote, failure };
    match update {
        Update::Quote(quote) => Known {
            outcome: outcome(Some(quote.in_milliseconds()), None),
            quote_landed: Some(now.monotonic),
            own_landed: Some(now.monotonic),
            failure_landed: None,
            stands: Stands::WithSource,
            refused_until: None,
            in_a_row: InARow::default(),
            answered: Some(now.monotonic),
        },
        Update::Failure(Fault { error, latency, stands, is_doubted, in_a_row }) => {
            // a denial that is believed removes the quote, and no later failure brings it back
            let stays = is_doubted || !error.denies_symbol();
            Known {
                outcome: outcome(quote.filter(|_| stays), Some(failure(error, Some(latency), is_doubted))),
                quote_landed: quote_landed.filter(|_| stays),
                own_landed,
                failure_landed: Some(now.monotonic),
                stands,
                refused_until: None,
                in_a_row,
                answered: Some(now.monotonic),
            }
        }
        Update::Refusal(error, until) => Known {
            outcome: outcome(quote, Some(failure(error, None, false))),
            quote_landed,
            own_landed,
            failure_landed: Some(now.monotonic),
            stands: Stands::WithSource,
            refused_until: Some(until),
            in_a_row,
            answered,
        },
        Update::Withdrawal(_, error) => Known {
            outcome: outcome(None, Some(failure(error, None, false))),
            quote_landed: None,
            own_landed,
            failure_landed: Some(now.monotonic),
            stands: Stands::WithSource,
            refused_until: None,
            in_a_row,
            answered: None,
        },
    }
}

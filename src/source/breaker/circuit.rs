//! Decides when calls to one source are let through: a state machine of two states, to which time and chance are passed in.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// This many failures in a row open the circuit.
pub const IN_A_ROW: u32 = 5;

/// The share of failures is taken of the calls that ended within this time.
pub const WINDOW: Duration = Duration::from_secs(10);

/// This many calls within the window are enough to judge by the share of failures.
pub const ENOUGH_CALLS: usize = 10;

/// How long an open circuit lets no call through, the first time. Each failed probe doubles it.
pub const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest time for which it lets no call through.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the end of a call says of its source's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The source replied, and its reply was understood.
    Success,
    /// The source did not reply, or its reply was not understood.
    Failure,
    /// It works, but wants to be left alone: a 429.
    Refusal,
    /// Nothing: no call was made, or its last caller left before its end.
    Nothing,
}

/// Lets a call through. The call reports its end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Which state the circuit was in: a call that ends after the state has changed says nothing about the present.
    generation: u64,
    /// Whether this is the one call that an open circuit lets through.
    pub is_probe: bool,
}

/// What a call's end changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The circuit opened for this long.
    Opened(Duration),
    /// The probe failed: the circuit stays open for this long.
    StaysOpen(Duration),
    /// The probe succeeded: the circuit closed.
    Closed,
}

/// Whether calls are let through, and what decides it.
#[derive(Debug, Default)]
pub struct Circuit {
    state: State,
    generation: u64,
}

#[derive(Debug)]
enum State {
    Closed {
        in_a_row: u32,
        /// When the latest calls ended, and whether they failed; never decreasing.
        recent: VecDeque<(Instant, bool)>,
        /// How many of these failed. Counting them anew at the end of each call would cost more the more calls there are.
        failures: usize,
    },
    Open {
        until: Instant,
        /// How long it stays open, before chance spreads it.
        wait: Duration,
        is_probed: bool,
    },
}

impl Default for State {
    fn default() -> Self {
        State::Closed { in_a_row: 0, recent: VecDeque::new(), failures: 0 }
    }
}

impl Circuit {
    /// Lets a call through, or says when to ask again.
    ///
    /// # Errors
    /// The call is refused; returns the end of the wait or, while a probe is in flight, the shortest wait from now.
    pub fn admit(&mut self, now: Instant) -> Result<Ticket, Instant> {
        if let Some(at) = self.closed_until(now) {
            return Err(at);
        }
        let is_probe = match &mut self.state {
            State::Closed { .. } => false,
            State::Open { is_probed, .. } => {
                *is_probed = true;
                true
            }
        };
        Ok(Ticket { generation: self.generation, is_probe })
    }

    /// When a call that is not let through now may ask again; `None` if one would be.
    pub fn closed_until(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { until, .. } if now < until => Some(until),
            State::Open { is_probed: true, .. } => Some(now + FIRST_WAIT),
            State::Open { .. } => None,
        }
    }

    /// Whether calls go through freely.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Whether the probe is in flight that decides.
    pub fn is_probed(&self) -> bool {
        matches!(self.state, State::Open { is_probed: true, .. })
    }

    /// Notes how a call ended, and returns what that changed. `spread` is the random factor of this opening's wait, in
    /// thousandths, one of [`SPREAD`](crate::profile::waits::SPREAD).
    pub fn settle(&mut self, ticket: Ticket, signal: Signal, now: Instant, spread: u32) -> Option<Change> {
        if ticket.generation != self.generation {
            return None;
        }
        let spread_out = |wait: Duration| wait * spread / 1000;
        match (&mut self.state, signal) {
            (State::Closed { in_a_row, recent, failures }, Signal::Success | Signal::Failure) => {
                let failed = signal == Signal::Failure;
                *in_a_row = if failed { *in_a_row + 1 } else { 0 };
                recent.push_back((now, failed));
                *failures += usize::from(failed);
                while let Some((_, failed)) = recent.pop_front_if(|(at, _)| *at + WINDOW <= now) {
                    *failures -= usize::from(failed);
                }
                // only a failure opens: a success may tip the share as older successes leave the window
                let too_many = recent.len() >= ENOUGH_CALLS && *failures * 2 >= recent.len();
                (failed && (*in_a_row >= IN_A_ROW || too_many)).then(|| {
                    let wait = spread_out(FIRST_WAIT);
                    self.become_new(State::Open { until: now + wait, wait: FIRST_WAIT, is_probed: false });
                    Change::Opened(wait)
                })
            }
            (State::Closed { .. }, Signal::Refusal | Signal::Nothing) => None,
            (State::Open { .. }, Signal::Success) => {
                self.become_new(State::default());
                Some(Change::Closed)
            }
            (State::Open { wait, .. }, Signal::Failure | Signal::Refusal) => {
                // a source that wants to be left alone is not worse than before
                let next = if signal == Signal::Failure { (*wait * 2).min(LONGEST_WAIT) } else { *wait };
                let wait = spread_out(next);
                self.become_new(State::Open { until: now + wait, wait: next, is_probed: false });
                Some(Change::StaysOpen(wait))
            }
            (State::Open { is_probed, .. }, Signal::Nothing) => {
                *is_probed = false;
                None
            }
        }
    }

    fn become_new(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

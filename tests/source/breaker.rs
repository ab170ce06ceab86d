//! The breaker's circuit against a naive reference that remembers everything that ever happened, under random events.

use std::collections::BTreeMap;
use std::time::Duration;

use quotefold::profile::waits::SPREAD;
use quotefold::source::breaker::circuit::{
    Change, Circuit, ENOUGH_CALLS, FIRST_WAIT, IN_A_ROW, LONGEST_WAIT, Signal, Ticket, WINDOW,
};
use tokio::time::Instant;

/// What the reference knows of a call that was let through.
struct Let {
    ticket: Ticket,
    /// How many times the circuit had changed by then.
    changes: usize,
}

/// The rules, written down literally: nothing is forgotten, and everything is counted anew each time.
struct Reference {
    /// Every end of a call since the circuit last closed: when, and whether the call failed.
    ends: Vec<(Instant, bool)>,
    /// Set while it is open: until when, how long that is before chance spreads it, and whether a probe is under way.
    open: Option<(Instant, Duration, bool)>,
    changes: usize,
}

impl Reference {
    fn lets_through(&self, now: Instant) -> bool {
        self.open.is_none_or(|(until, _, is_probed)| now >= until && !is_probed)
    }

    fn must_open(&self, now: Instant) -> bool {
        let latest: Vec<bool> = self.ends.iter().rev().map(|(_, failed)| *failed).collect();
        let in_a_row = latest.iter().take_while(|failed| **failed).count();
        let recent: Vec<bool> = self.ends.iter().filter(|(at, _)| now - *at < WINDOW).map(|(_, f)| *f).collect();
        let failures = recent.iter().filter(|failed| **failed).count();
        latest[0] && (in_a_row >= IN_A_ROW as usize || recent.len() >= ENOUGH_CALLS && failures * 2 >= recent.len())
    }

    /// What the end of a call must change, before chance spreads the wait.
    fn settle(&mut self, call: &Let, verdict: Signal, now: Instant) -> Option<Change> {
        if call.changes != self.changes {
            return None;
        }
        let change = match (self.open, verdict) {
            (None, Signal::Refusal | Signal::Nothing) => None,
            (None, verdict) => {
                self.ends.push((now, verdict == Signal::Failure));
                self.must_open(now).then_some(Change::Opened(FIRST_WAIT))
            }
            (Some(_), Signal::Success) => Some(Change::Closed),
            (Some((_, wait, _)), Signal::Failure) => Some(Change::StaysOpen((2 * wait).min(LONGEST_WAIT))),
            (Some((_, wait, _)), Signal::Refusal) => Some(Change::StaysOpen(wait)),
            (Some((until, wait, _)), Signal::Nothing) => {
                self.open = Some((until, wait, false));
                None
            }
        };
        match change {
            Some(Change::Opened(wait) | Change::StaysOpen(wait)) => self.open = Some((now + wait, wait, false)),
            Some(Change::Closed) => (self.open, self.ends) = (None, Vec::new()),
            None => {}
        }
        self.changes += usize::from(change.is_some());
        change
    }
}

fn spread_out(change: Change, spread: u32) -> Change {
    let spread_out = |wait: Duration| wait * spread / 1000;
    match change {
        Change::Opened(wait) => Change::Opened(spread_out(wait)),
        Change::StaysOpen(wait) => Change::StaysOpen(spread_out(wait)),
        Change::Closed => Change::Closed,
    }
}

#[test]
fn the_circuit_does_what_a_naive_reference_does_under_random_events() {
    let (mut opened, mut closed, mut longest) = (0, 0, Duration::ZERO);
    for seed in 0..300 {
        let mut chance = fastrand::Rng::with_seed(seed);
        // from sources that hardly ever fail to sources that always do
        let failing = chance.u32(0..=10);
        let mut now = Instant::now();
        let mut circuit = Circuit::default();
        let mut reference = Reference { ends: Vec::new(), open: None, changes: 0 };
        let mut calls: BTreeMap<u32, Let> = BTreeMap::new();
        for event in 0..2_000 {
            now +=
                Duration::from_millis(if chance.u32(0..50) == 0 { chance.u64(0..90_000) } else { chance.u64(0..400) });
            let admitted = circuit.admit(now);
            assert_eq!(admitted.is_ok(), reference.lets_through(now), "seed {seed}, event {event}");
            match admitted {
                Ok(ticket) => {
                    assert_eq!(ticket.is_probe, reference.open.is_some(), "seed {seed}, event {event}");
                    reference.open = reference.open.map(|(until, wait, _)| (until, wait, true));
                    calls.insert(event, Let { ticket, changes: reference.changes });
                }
                // a refusal names a time that lies ahead, and never one that is far off
                Err(at) => assert!(at > now && at <= now + LONGEST_WAIT * 6 / 5, "seed {seed}, event {event}"),
            }
            let ended: Vec<u32> = calls.keys().copied().filter(|_| chance.u32(0..3) == 0).collect();
            for number in ended {
                let call = calls.remove(&number).unwrap();
                let verdict = match chance.u32(0..12) {
                    10 => Signal::Refusal,
                    11 => Signal::Nothing,
                    dice if dice < failing => Signal::Failure,
                    _ => Signal::Success,
                };
                let spread = chance.u32(SPREAD);
                let expected = reference.settle(&call, verdict, now).map(|change| spread_out(change, spread));
                if let (Some((until, ..)), Some(Change::Opened(wait) | Change::StaysOpen(wait))) =
                    (&mut reference.open, expected)
                {
                    *until = now + wait;
                    longest = longest.max(wait);
                }
                assert_eq!(circuit.settle(call.ticket, verdict, now, spread), expected, "seed {seed}, event {event}");
                opened += usize::from(matches!(expected, Some(Change::Opened(_))));
                closed += usize::from(expected == Some(Change::Closed));
            }
            assert_eq!(circuit.is_closed(), reference.open.is_none(), "seed {seed}, event {event}");
        }
    }
    // the test proves something only if much has happened
    assert!(
        opened > 1_000 && closed > 1_000 && longest > LONGEST_WAIT,
        "{opened} opened, {closed} closed, {longest:?}"
    );
}

/// Ends this many calls at once.
fn settle_all(circuit: &mut Circuit, verdict: Signal, times: u32, now: Instant) -> Vec<Change> {
    let mut end = |_| circuit.admit(now).ok().and_then(|ticket| circuit.settle(ticket, verdict, now, 1000));
    (0..times).filter_map(&mut end).collect()
}

#[test]
fn five_failures_in_a_row_open_it_and_one_success_in_between_does_not() {
    let (mut circuit, now) = (Circuit::default(), Instant::now());
    assert_eq!(settle_all(&mut circuit, Signal::Failure, 4, now), []);
    settle_all(&mut circuit, Signal::Success, 1, now);
    assert_eq!(settle_all(&mut circuit, Signal::Failure, 4, now), []);
    assert_eq!(settle_all(&mut circuit, Signal::Failure, 1, now), [Change::Opened(FIRST_WAIT)]);
}

#[test]
fn half_of_ten_calls_failing_opens_it_even_without_two_in_a_row() {
    let (mut circuit, now) = (Circuit::default(), Instant::now());
    for _ in 0..4 {
        settle_all(&mut circuit, Signal::Success, 1, now);
        assert_eq!(settle_all(&mut circuit, Signal::Failure, 1, now), [], "too few calls to judge by");
    }
    settle_all(&mut circuit, Signal::Success, 1, now);
    assert_eq!(settle_all(&mut circuit, Signal::Failure, 1, now), [Change::Opened(FIRST_WAIT)]);
}

#[test]
fn each_failed_probe_doubles_the_wait_up_to_a_minute() {
    let (mut circuit, mut now) = (Circuit::default(), Instant::now());
    settle_all(&mut circuit, Signal::Failure, IN_A_ROW, now);
    let waits = (0..8).map(|_| {
        now = circuit.closed_until(now).unwrap();
        match settle_all(&mut circuit, Signal::Failure, 1, now)[..] {
            [Change::StaysOpen(wait)] => wait.as_secs(),
            ref other => panic!("{other:?}"),
        }
    });
    assert_eq!(waits.collect::<Vec<_>>(), [2, 4, 8, 16, 32, 60, 60, 60]);
}

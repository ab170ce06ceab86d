//! Counts what a filter does, and ends one that does too much.
//!
//! No filter runs for ever, but one loop in another over a long list comes near to it, and may give no row at which it could
//! be stopped. So every step of the interpreter is counted: it looks each of them up in the program, and we hold the program.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use jaq_core::data::HasLut;
use jaq_core::{DataT, Lut};
use jaq_json::Val;

/// How many steps pass between two looks at the clock. Sorting a long list is one step, and may take a millisecond.
const STEPS_PER_LOOK: u64 = 16;

/// What a filter may take for one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Steps of the interpreter. They bound the memory too, since none makes more than a few values.
    pub steps: u64,
    /// The time, on the machine's own clock: a filter works, it does not wait.
    pub time: Duration,
}

impl Effort {
    /// The most that any filter gets.
    pub const MOST: Effort = Effort { steps: 5_000_000, time: Duration::from_secs(1) };
    /// What a filter may hold up others for: some twenty times what the catalogue's filters need for their
    /// examples.
    pub const LITTLE: Effort = Effort { steps: 10_000, time: Duration::from_millis(10) };

    /// Starts to count.
    pub(super) fn counter(self) -> Counter {
        Counter { effort: self, steps: Cell::new(0), begun: Instant::now() }
    }
}

/// What a filter has done so far.
pub(super) struct Counter {
    effort: Effort,
    steps: Cell<u64>,
    begun: Instant,
}

/// What unwinds through the interpreter when a filter has done too much.
pub(super) struct TooMuch(pub(super) String);

impl Counter {
    fn step(&self) {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > self.effort.steps {
            end(format!("it took more than {} steps", self.effort.steps));
        }
        if steps.is_multiple_of(STEPS_PER_LOOK) && self.begun.elapsed() > self.effort.time {
            end(format!("it took longer than {} ms", self.effort.time.as_millis()));
        }
    }
}

/// The interpreter asks nobody whether to go on, so this is a panic, but one without a word on stderr.
fn end(why: String) {
    resume_unwind(Box::new(TooMuch(why)))
}

/// What filters work with: values, and a program whose steps are counted.
pub(super) struct Counted;

/// A program, and the counter of its steps.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    pub(super) lut: &'a Lut<Counted>,
    pub(super) counter: &'a Counter,
}

impl DataT for Counted {
    type V<'a> = Val;
    type Data<'a> = Program<'a>;
}

impl<'a> HasLut<'a, Counted> for Program<'a> {
    fn lut(&self) -> &'a Lut<Counted> {
        self.counter.step();
        self.lut
    }
}

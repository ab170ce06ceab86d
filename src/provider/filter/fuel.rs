//! Counts the steps of a filter, and stops one that takes too many.
//!
//! No filter runs for ever, but nested loops over a long list come close to it, and may never yield a row at which the
//! filter could be stopped. So every step of the interpreter is counted: the interpreter looks each step up in the
//! program, and the program is ours.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::time::Duration;

use jaq_core::data::HasLut;
use jaq_core::{DataT, Lut};
use jaq_json::Val;

/// How many steps pass between two looks at the clock. Sorting a long list is one step, and may take a millisecond.
const STEPS_PER_LOOK: u64 = 16;

/// Starts to measure the CPU time of the current thread. The function that it returns tells whether this thread has
/// used more than a given time since then.
pub type CpuTimer = fn() -> Box<dyn Fn(Duration) -> bool>;

/// What a filter may spend on one reply.
#[derive(Clone, Copy, Debug)]
pub struct Fuel {
    /// Steps of the interpreter, or of the walk in its place. They bound how many values a filter makes, but not how large those are.
    pub steps: u64,
    /// CPU time of the thread that runs the filter.
    pub time: Duration,
    /// Measures the CPU time.
    pub timer: CpuTimer,
}

impl Fuel {
    /// The most CPU time that any filter gets.
    pub(crate) const MOST_TIME: Duration = Duration::from_secs(1);

    /// The most that any filter gets: five million steps, and one second.
    pub fn most(timer: CpuTimer) -> Self {
        Fuel { steps: 5_000_000, time: Self::MOST_TIME, timer }
    }

    /// What a filter gets on a thread that other tasks wait for: 10,000 steps and 10 ms, some twenty times what the
    /// catalogue's filters need for their examples.
    pub fn little(timer: CpuTimer) -> Self {
        Fuel { steps: 10_000, time: Duration::from_millis(10), timer }
    }

    /// Starts counting.
    pub(super) fn meter(self) -> Meter {
        Meter { fuel: self, steps: Cell::new(0), has_used: (self.timer)() }
    }
}

/// What a filter has used so far.
pub(super) struct Meter {
    fuel: Fuel,
    steps: Cell<u64>,
    /// Whether it has used more than this CPU time.
    has_used: Box<dyn Fn(Duration) -> bool>,
}

/// The payload of the panic that stops a filter that is out of fuel: what it is out of.
pub(super) struct OutOfFuel(pub(super) String);

impl Meter {
    /// Counts steps from the beginning again, because the filter is run again. The time goes on.
    pub(super) fn restart(&self) {
        self.steps.set(0);
    }

    /// Counts a step, and ends the filter if it is one too many.
    pub(super) fn step(&self) {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > self.fuel.steps {
            end(format!("it took more than {} steps", self.fuel.steps));
        }
        if steps.is_multiple_of(STEPS_PER_LOOK) && (self.has_used)(self.fuel.time) {
            end(format!("it took more than {} ms of processor time", self.fuel.time.as_millis()));
        }
    }
}

/// Stops the filter with a panic that writes nothing to stderr, because the interpreter offers no other way.
fn end(why: String) {
    resume_unwind(Box::new(OutOfFuel(why)))
}

/// The types that the interpreter works with: values, and a program whose steps are counted.
pub(super) struct Metered;

/// A program, and the meter of its steps.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    pub(super) lut: &'a Lut<Metered>,
    pub(super) meter: &'a Meter,
}

impl DataT for Metered {
    type V<'a> = Val;
    type Data<'a> = Program<'a>;
}

impl<'a> HasLut<'a, Metered> for Program<'a> {
    fn lut(&self) -> &'a Lut<Metered> {
        self.meter.step();
        self.lut
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Takes enough steps for one look at the clock, and returns whether that stopped the filter.
    fn is_ended(meter: &Meter) -> bool {
        catch_unwind(AssertUnwindSafe(|| (0..STEPS_PER_LOOK).for_each(|_| meter.step()))).is_err()
    }

    #[test]
    fn time_in_which_the_thread_does_not_run_is_not_counted() {
        use crate::clock::cpu::{timer, used};
        let fuel = Fuel { steps: u64::MAX, time: Duration::from_millis(20), timer };
        let (meter, used_before) = (fuel.meter(), used());
        std::thread::sleep(fuel.time * 5);
        assert!(!is_ended(&meter), "it was asleep");
        while used() - used_before <= fuel.time {
            std::hint::black_box(0);
        }
        assert!(is_ended(&meter), "its time is used up");
    }
}

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
use rustix::time::{ClockId, clock_gettime};

/// How many steps pass between two looks at the clock. Sorting a long list is one step, and may take a millisecond.
const STEPS_PER_LOOK: u64 = 16;

/// What a filter may take for one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Steps of the interpreter. They bound how many values a filter makes, and not how long those are.
    pub steps: u64,
    /// Processor time of the thread that runs the filter. On a busy machine a second may pass in which the thread has hardly
    /// run, and that says nothing of the filter.
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
        Counter { effort: self, steps: Cell::new(0), begun: Instant::now(), used_before: processor_time() }
    }
}

/// What a filter has done so far.
pub(super) struct Counter {
    effort: Effort,
    steps: Cell<u64>,
    begun: Instant,
    /// The processor time that this thread had used when the filter began.
    used_before: Duration,
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
        if steps.is_multiple_of(STEPS_PER_LOOK) && self.has_used_its_time() {
            end(format!("it took more than {} ms of processor time", self.effort.time.as_millis()));
        }
    }

    /// A thread uses no more processor time than passes, and the wall clock is the cheaper one to read.
    fn has_used_its_time(&self) -> bool {
        self.begun.elapsed() > self.effort.time && processor_time().saturating_sub(self.used_before) > self.effort.time
    }
}

/// How much processor time this thread has used since it began.
pub(super) fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Takes as many steps as it takes to look at the clock once; whether that ended the filter.
    fn is_ended(counter: &Counter) -> bool {
        catch_unwind(AssertUnwindSafe(|| (0..STEPS_PER_LOOK).for_each(|_| counter.step()))).is_err()
    }

    #[test]
    fn time_in_which_the_thread_does_not_run_is_not_the_filters() {
        let effort = Effort { steps: u64::MAX, time: Duration::from_millis(20) };
        let counter = effort.counter();
        std::thread::sleep(effort.time * 5);
        assert!(!is_ended(&counter), "it was asleep");
        while processor_time() - counter.used_before <= effort.time {
            std::hint::black_box(0);
        }
        assert!(is_ended(&counter), "it had its time");
    }
}

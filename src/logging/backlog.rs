//! Holds the lines that wait to be written, up to a limit in bytes, and counts lines that do not fit.

/// Lines that wait for the writer.
///
/// Once a line has been dropped, every further one is, until everything that waits has been written. So lines are missing in one
/// place only, and the line with their count stands there.
#[derive(Debug)]
pub(super) struct Backlog {
    /// The most bytes that may wait, including those that the writer has taken but not yet written.
    limit: usize,
    waiting: Vec<u8>,
    /// Bytes that the writer has taken but not yet written.
    writing: usize,
    /// Dropped lines that have not been reported yet.
    dropped: u64,
    /// Whether the writer has a job.
    is_busy: bool,
    /// Whether the last write failed.
    fails: bool,
}

/// What the writer has to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Whole lines.
    Lines(Vec<u8>),
    /// The number of lines that were dropped.
    Count(u64),
}

impl Backlog {
    pub(super) fn new(limit: usize) -> Self {
        Backlog { limit, waiting: Vec::new(), writing: 0, dropped: 0, is_busy: false, fails: false }
    }

    /// Takes whole lines, or drops them; returns how many it dropped.
    pub(super) fn push(&mut self, lines: &[u8]) -> u64 {
        let fits = self.waiting.len() + self.writing + lines.len() <= self.limit;
        if fits && self.dropped == 0 {
            self.waiting.extend_from_slice(lines);
            return 0;
        }
        let dropped = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.dropped += dropped;
        dropped
    }

    /// The writer's next job, after it has finished the last one.
    pub(super) fn next(&mut self) -> Option<Job> {
        let job = match (self.waiting.is_empty(), self.dropped) {
            (true, 0) => None,
            (true, _) => Some(Job::Count(std::mem::take(&mut self.dropped))),
            (false, _) => Some(Job::Lines(std::mem::take(&mut self.waiting))),
        };
        self.writing = if let Some(Job::Lines(lines)) = &job { lines.len() } else { 0 };
        self.is_busy = job.is_some();
        job
    }

    /// Records that the writer has something else to do before its next job.
    pub(super) fn begin(&mut self) {
        self.is_busy = true;
    }

    /// Records that the writer has written this many bytes of its job.
    pub(super) fn written(&mut self, bytes: usize) {
        self.writing = self.writing.saturating_sub(bytes);
        self.fails = false;
    }

    /// Records that a write has failed; the writer will try again.
    pub(super) fn failed(&mut self) {
        self.fails = true;
    }

    /// Whether the last write failed.
    pub(super) fn fails(&self) -> bool {
        self.fails
    }

    /// Whether waiting is pointless: everything is written, or nothing can be.
    pub(super) fn is_settled(&self) -> bool {
        self.fails || !self.is_busy && self.waiting.is_empty() && self.dropped == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 64;

    /// Something that happens to a backlog.
    #[derive(Clone, Debug)]
    enum Event {
        /// A line of this length in bytes arrives.
        Line(usize),
        /// The writer can write this many bytes of its job.
        Write(usize),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            8 => (1..40_usize).prop_map(Event::Line),
            1 => Just(Event::Line(LIMIT + 1)),
            8 => (1..LIMIT).prop_map(Event::Write),
        ];
        proptest::collection::vec(event, 0..200)
    }

    /// A line that begins with its number.
    fn line(number: usize, bytes: usize) -> String {
        let number = number.to_string();
        format!("{number:x<0$}\n", bytes.saturating_sub(1))
    }

    /// A backlog with a writer, and the log that it writes.
    struct Scenario {
        backlog: Backlog,
        job: Vec<u8>,
        log: Vec<u8>,
    }

    impl Scenario {
        fn write(&mut self, bytes: usize) {
            if self.job.is_empty() {
                self.job = match self.backlog.next() {
                    Some(Job::Lines(lines)) => lines,
                    Some(Job::Count(dropped)) => format!("+{dropped}\n").into_bytes(),
                    None => return,
                };
            }
            let bytes = bytes.min(self.job.len());
            self.log.extend(self.job.drain(..bytes));
            self.backlog.written(bytes);
        }
    }

    proptest! {
        #[test]
        fn every_line_is_in_the_log_or_counted_where_it_is_missing(events in events()) {
            let mut scenario = Scenario { backlog: Backlog::new(LIMIT), job: Vec::new(), log: Vec::new() };
            let mut lines = 0;
            for event in events {
                match event {
                    Event::Line(bytes) => {
                        let _ = scenario.backlog.push(line(lines, bytes).as_bytes());
                        lines += 1;
                    }
                    Event::Write(bytes) => scenario.write(bytes),
                }
                prop_assert!(scenario.backlog.waiting.len() + scenario.backlog.writing <= LIMIT);
            }
            while !scenario.backlog.is_settled() {
                scenario.write(LIMIT);
            }
            let log = String::from_utf8(scenario.log).unwrap();
            let mut next = 0;
            for said in log.lines() {
                if let Some(count) = said.strip_prefix('+') {
                    next += count.parse::<usize>().unwrap();
                } else {
                    prop_assert_eq!(said.trim_end_matches('x').parse(), Ok(next), "{}", log);
                    next += 1;
                }
            }
            prop_assert_eq!(next, lines, "{}", log);
        }
    }

    #[test]
    fn a_line_that_is_longer_than_the_limit_is_counted_at_once() {
        let mut backlog = Backlog::new(LIMIT);
        assert_eq!(backlog.push(line(0, LIMIT + 1).as_bytes()), 1);
        assert!(!backlog.is_settled());
        assert_eq!(backlog.next(), Some(Job::Count(1)));
        assert_eq!(backlog.next(), None);
        assert!(backlog.is_settled());
        assert_eq!(backlog.push(line(1, LIMIT).as_bytes()), 0);
    }

    #[test]
    fn flushing_does_not_wait_for_what_cannot_be_written() {
        let mut backlog = Backlog::new(LIMIT);
        let _ = backlog.push(b"a line\n");
        assert!(backlog.next().is_some() && !backlog.is_settled());
        backlog.failed();
        assert!(backlog.is_settled());
        backlog.written(1);
        assert!(!backlog.is_settled());
    }
}

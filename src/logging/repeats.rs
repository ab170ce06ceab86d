//! Counts lines that repeat within a second, instead of writing each. An outage would otherwise fill the disk, since every
//! failed request is a line.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// The time within which a line counts as a repeat.
const WINDOW: Duration = Duration::from_secs(1);

/// How many lines about one source or account are written within that time: all would give the same reason.
const OF_SOURCE: u64 = 1;

/// How many other lines of one kind are written within that time: each is about another request.
const OF_OTHERS: u64 = 10;

/// The fields that distinguish lines: lines that differ in one of these are not repeats.
const DISTINGUISHING: [&str; 4] = ["source", "account", "reason", "status"];

/// The most bytes of a repeated line's message that are kept.
const LONGEST: usize = 200;

/// The lines that were written lately.
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<Kind, Said>);

/// Lines that are the same except for details.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    /// The place in the program that writes them.
    callsite: Identifier,
    /// What they are about, as the values of [`DISTINGUISHING`].
    about: String,
}

/// How often lines of a kind were logged since then.
#[derive(Debug)]
struct Said {
    since: Instant,
    level: Level,
    words: String,
    written: u64,
    repeated: u64,
}

/// A line that was counted instead of written, and how many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    pub(super) level: Level,
    /// The message of the last one.
    pub(super) words: String,
    /// What they were about, as in "source=kraken reason=timeout"; may be empty.
    pub(super) about: String,
    pub(super) times: u64,
}

/// The contents of an event.
#[derive(Default)]
struct Told {
    about: String,
    words: String,
    is_of_source: bool,
}

impl Repeats {
    /// Whether to write an event. `now` must never go back.
    pub(super) fn is_new(&mut self, event: &Event<'_>, now: Instant) -> bool {
        let mut told = Told::default();
        event.record(&mut told);
        let most = if told.is_of_source { OF_SOURCE } else { OF_OTHERS };
        let kind = Kind { callsite: event.metadata().callsite(), about: told.about };
        self.is_first(kind, *event.metadata().level(), told.words, most, now)
    }

    fn is_first(&mut self, kind: Kind, level: Level, words: String, most: u64, now: Instant) -> bool {
        let said = self.0.entry(kind).or_insert_with(|| Said {
            since: now,
            level,
            words: String::new(),
            written: 0,
            repeated: 0,
        });
        // a count stays until it has been reported
        if said.repeated == 0 && now.duration_since(said.since) >= WINDOW {
            (said.since, said.written) = (now, 0);
        }
        let is_first = said.written < most;
        if is_first {
            said.written += 1;
        } else {
            (said.repeated, said.words) = (said.repeated + 1, words);
        }
        is_first
    }

    /// The repeats of windows that are over. Kinds that are no longer logged are forgotten.
    pub(super) fn over(&mut self, now: Instant) -> Vec<Repeated> {
        let mut over = Vec::new();
        self.0.retain(|kind, said| {
            if now.duration_since(said.since) < WINDOW {
                return true;
            }
            over.extend(said.told(kind));
            false
        });
        over
    }

    /// All repeats up to now.
    pub(super) fn all(&mut self) -> Vec<Repeated> {
        self.0.drain().filter_map(|(kind, said)| said.told(&kind)).collect()
    }

    /// Whether there are repeats that have not been reported yet.
    pub(super) fn is_counting(&self) -> bool {
        self.0.values().any(|said| said.repeated > 0)
    }
}

impl Said {
    fn told(&self, kind: &Kind) -> Option<Repeated> {
        (self.repeated > 0).then(|| Repeated {
            level: self.level,
            words: self.words.clone(),
            about: kind.about.clone(),
            times: self.repeated,
        })
    }
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // writing to a string cannot fail
        match field.name() {
            "message" => {
                let mut words = format!("{value:?}");
                words.truncate(words.floor_char_boundary(LONGEST));
                self.words = words;
            }
            name if DISTINGUISHING.contains(&name) => {
                let gap = if self.about.is_empty() { "" } else { " " };
                let _ = write!(self.about, "{gap}{name}={value:?}");
                self.is_of_source |= matches!(name, "source" | "account");
            }
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::{Subscriber, error, info, warn};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt};

    use super::*;

    /// A log whose time the test sets.
    #[derive(Clone)]
    struct TestLog(Arc<Mutex<(Repeats, Instant, Vec<bool>)>>);

    impl TestLog {
        /// Whether each of these events is written.
        fn written(&self, events: impl FnOnce()) -> Vec<bool> {
            tracing::subscriber::with_default(tracing_subscriber::registry().with(self.clone()), events);
            std::mem::take(&mut self.0.lock().2)
        }

        fn after(&self, time: Duration) -> Vec<Repeated> {
            let mut log = self.0.lock();
            log.1 += time;
            let now = log.1;
            let mut over = log.0.over(now);
            over.sort_by(|one, other| one.about.cmp(&other.about));
            over
        }
    }

    impl<S: Subscriber> Layer<S> for TestLog {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            let mut log = self.0.lock();
            let now = log.1;
            let is_new = log.0.is_new(event, now);
            log.2.push(is_new);
        }
    }

    fn test_log() -> TestLog {
        TestLog(Arc::new(Mutex::new((Repeats::default(), Instant::now(), Vec::new()))))
    }

    fn fails(source: &str, wait: u64) {
        warn!(source, "its calls keep failing; pausing calls for {wait} ms");
    }

    #[test]
    fn a_line_about_a_source_is_written_once_a_second_and_repeats_are_counted() {
        let log = test_log();
        let written = log.written(|| {
            fails("a", 100);
            fails("b", 100);
            fails("a", 200);
            fails("a", 400);
        });
        assert_eq!(written, [true, true, false, false]);
        assert_eq!(log.after(Duration::from_millis(999)), []);
        let expected = Repeated {
            level: Level::WARN,
            words: "its calls keep failing; pausing calls for 400 ms".to_owned(),
            about: "source=a".to_owned(),
            times: 2,
        };
        assert_eq!(log.after(Duration::from_millis(1)), [expected]);
        assert_eq!(log.written(|| fails("a", 800)), [true], "a second later it is news again");
        assert_eq!(log.after(Duration::from_secs(9)), []);
    }

    #[test]
    fn a_line_with_another_reason_or_status_is_not_a_repeat() {
        let failed = |reason: &str| warn!(account = "a", reason, "pausing calls");
        let answered = |status: u16| warn!(url = "/x", status, "answered");
        let written = test_log().written(|| {
            failed("quota");
            failed("blocked");
            answered(503);
            answered(500);
            error!(source = "a", "panicked");
            info!(source = "a", "panicked");
        });
        assert_eq!(written, [true; 6]);
    }

    #[test]
    fn ten_request_lines_of_a_kind_are_written_and_the_others_counted() {
        let log = test_log();
        let (mut lines, mut counted) = (0, 0);
        for _ in 0..100 {
            let written = log.written(|| (0..50).for_each(|number| warn!(number, status = 503, "answered")));
            lines += written.iter().filter(|is_written| **is_written).count();
            counted += log.after(Duration::from_millis(100)).iter().map(|repeated| repeated.times).sum::<u64>();
        }
        counted += log.0.lock().0.all().iter().map(|repeated| repeated.times).sum::<u64>();
        assert_eq!(lines as u64 + counted, 5000);
        assert_eq!(lines, 100, "ten in each of ten seconds");
        assert!(!log.0.lock().0.is_counting());
    }
}

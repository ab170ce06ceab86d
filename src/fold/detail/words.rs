//! Writes figures as people read them: spans of time in their largest unit, short lists.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock;

/// Within this a day of the week names a day.
const A_WEEK_OR_SO: Duration = Duration::from_secs(6 * 86_400);
/// A list names at most so many.
const MOST_NAMED: usize = 3;

/// `3.4 s`, `42 s`, `17 min`, `3 h`, `2 days`: rounded down, in a unit of which there are at least two where one is; below ten
/// seconds with a tenth, or "stated 3 s ago, 3 s allowed" would contradict itself.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        seconds @ 1..10 if span.subsec_millis() >= 100 => format!("{seconds}.{} s", span.subsec_millis() / 100),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// `14:31:40 UTC`; with the date, if that is another day.
pub(super) fn clock_time(at: Timestamp, now: Timestamp) -> String {
    let day = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    let format = if day(at) == day(now) { "%H:%M:%S UTC" } else { "%a %-d %b %H:%M:%S UTC" };
    at.strftime(format).to_string()
}

/// `Tue 11:00` by the clocks of a place; with the date, if that was about a week ago or longer.
pub(super) fn day_and_time(at: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
    let format = if clock::age(now, at) < A_WEEK_OR_SO { "%a %H:%M" } else { "%a %-d %b %H:%M" };
    at.to_zoned(zone.clone()).strftime(format).to_string()
}

/// The first few, and how many more there are; empty if there are none.
pub(super) fn listed(mut items: Vec<String>, separator: &str) -> String {
    let more = items.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        items.truncate(MOST_NAMED);
        items.push(format!("and {more} more"));
    }
    items.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_unit_one_would_use() {
        let spans =
            [(60, "60 s"), (119, "119 s"), (1_020, "17 min"), (10_800, "3 h"), (86_400, "24 h"), (172_800, "2 days")];
        for (seconds, expected) in spans {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(span(Duration::from_millis(700)), "700 ms");
        assert_eq!(span(Duration::from_millis(3_480)), "3.4 s");
        assert_eq!(span(Duration::from_millis(3_000)), "3 s");
    }
}

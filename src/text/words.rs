//! Writes lists, lengths of time and times of day the way people read them.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Within this, the day of the week is enough to name a day.
pub(crate) const A_WEEK_OR_SO: SignedDuration = SignedDuration::from_hours(6 * 24);

/// `3.4 s`, `42 s`, `17 min`, `3 h`, `2 days`: rounded down, in the largest unit of which there are at least two, with tenths
/// below ten seconds.
pub(crate) fn duration(length: Duration) -> String {
    match length.as_secs() {
        0 => format!("{} ms", length.as_millis()),
        seconds @ 1..10 if length.subsec_millis() >= 100 => format!("{seconds}.{} s", length.subsec_millis() / 100),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// `14:31:40 UTC`; if that is not today, `Tue 1 Dec 14:31:40 UTC`; if it is in another year, `2019-12-01 14:31:40 UTC`.
pub(crate) fn clock_time(at: Timestamp, now: Timestamp) -> String {
    let day = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    let format = match (day(at), day(now)) {
        (at, now) if at == now => "%H:%M:%S UTC",
        (at, now) if at.year() == now.year() => "%a %-d %b %H:%M:%S UTC",
        _ => "%F %H:%M:%S UTC",
    };
    at.strftime(format).to_string()
}

/// `Tue 11:00` in a time zone, with the date if that was about a week ago or longer.
pub(crate) fn day_and_time(at: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
    let format = if now.duration_since(at) < A_WEEK_OR_SO { "%a %H:%M" } else { "%a %-d %b %H:%M" };
    at.to_zoned(zone.clone()).strftime(format).to_string()
}

/// `a`, `a and b`, `a, b and c`; of more than `most` names, `a, b and 3 more`. Empty if there are none.
pub(crate) fn list<N: AsRef<str>>(names: impl IntoIterator<Item = N>, most: usize) -> String {
    let names: Vec<N> = names.into_iter().collect();
    let more = names.len().saturating_sub(most);
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match shown.split_last() {
        _ if more > 0 => format!("{} and {more} more", shown.join(", ")),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The first `most` clauses, and how many more there are: `a: no reply; b: no reply; and 2 more`. Empty if there are none.
pub(crate) fn clauses(mut clauses: Vec<String>, separator: &str, most: usize) -> String {
    let more = clauses.len().saturating_sub(most);
    if more > 0 {
        clauses.truncate(most);
        clauses.push(format!("and {more} more"));
    }
    clauses.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_the_unit_that_people_would_use() {
        let spans =
            [(60, "60 s"), (119, "119 s"), (1_020, "17 min"), (10_800, "3 h"), (86_400, "24 h"), (172_800, "2 days")];
        for (seconds, expected) in spans {
            assert_eq!(duration(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(duration(Duration::from_millis(700)), "700 ms");
        assert_eq!(duration(Duration::from_millis(3_480)), "3.4 s");
        assert_eq!(duration(Duration::from_millis(3_000)), "3 s");
    }

    #[test]
    fn a_time_of_another_day_has_its_date_and_of_another_year_its_year() {
        let time = |at: &str| clock_time(at.parse().unwrap(), "2026-11-20T14:31:00Z".parse().unwrap());
        assert_eq!(time("2026-11-20T14:31:40Z"), "14:31:40 UTC");
        assert_eq!(time("2026-12-01T00:00:00Z"), "Tue 1 Dec 00:00:00 UTC");
        assert_eq!(time("2019-12-01T00:00:00Z"), "2019-12-01 00:00:00 UTC");
    }

    #[test]
    fn of_many_names_the_first_few_are_listed() {
        let names = |count: usize| list(["a", "b", "c", "d", "e", "f"].into_iter().take(count), 4);
        assert_eq!([0, 1, 2, 4, 6].map(names), ["", "a", "a and b", "a, b, c and d", "a, b, c, d and 2 more"]);
    }
}

//! Reads a row's times exactly: the filter hands over text or a number as it stands in the body, and the arithmetic is
//! done here.

use std::ops::Range;

use jaq_json::{Num, Val};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::row::{self, Row};
use crate::decimal;

/// The fields for one time, each with how many of its units make a second.
type Words = [(&'static str, i64); 4];

/// The units of these fields, in their order.
const UNITS: [&str; 4] = ["seconds", "milliseconds", "microseconds", "nanoseconds"];

/// The years in which the times of quotes lie, 2000 to 2099, in seconds since 1970.
const QUOTED: Range<i64> = 946_684_800..4_102_444_800;

/// The fields for the time of the last trade.
const AT: Words = [("at", 1), ("at_ms", 1_000), ("at_us", 1_000_000), ("at_ns", 1_000_000_000)];
/// The fields for the time of the book.
const BOOK_AT: Words =
    [("book_at", 1), ("book_at_ms", 1_000), ("book_at_us", 1_000_000), ("book_at_ns", 1_000_000_000)];

/// The times that a row states.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// The time of the last trade.
    pub(super) at: Option<Timestamp>,
    /// The time of the book, or of the reply as a whole.
    pub(super) book_at: Option<Timestamp>,
}

impl Times {
    /// Reads the times; one that is not stated (null, zero) is `None`. A time that cannot be read is an error and never
    /// left out.
    pub(super) fn of(row: &Row<'_>) -> Result<Self, String> {
        let zone = zone(row)?;
        let time = |words: &Words| stated(row, words, zone.as_ref());
        Ok(Times { at: time(&AT)?, book_at: time(&BOOK_AT)? })
    }

    /// The newest time of the row: of two rows about one symbol the newer one counts.
    pub(super) fn newest(self) -> Option<Timestamp> {
        self.at.max(self.book_at)
    }
}

fn zone(row: &Row<'_>) -> Result<Option<TimeZone>, String> {
    let Some(name) = row.field("zone").and_then(row::text) else { return Ok(None) };
    TimeZone::get(&name).map(Some).map_err(|_| format!("`zone` is {name:?}, which is not an IANA time zone"))
}

/// The time that a row states in one of these fields.
fn stated(row: &Row<'_>, words: &Words, zone: Option<&TimeZone>) -> Result<Option<Timestamp>, String> {
    let mut found: Option<(&str, Timestamp)> = None;
    for &(word, per_second) in words {
        let Some(value) = row.field(word) else { continue };
        let text = match value {
            Val::Num(Num::Dec(text)) => text.to_string(),
            Val::Num(number) => {
                return Err(format!("`{word}` is {number}: hand over the time as it stands in the body"));
            }
            other => row::text(other).ok_or_else(|| format!("`{word}` is {other}, neither a number nor text"))?,
        };
        let Some(time) = read(text.trim(), per_second, words, zone).map_err(|why| format!("`{word}` {why}"))? else {
            continue;
        };
        if let Some((before, _)) = found.replace((word, time)) {
            return Err(format!("the filter gave two times, `{before}` and `{word}`"));
        }
    }
    Ok(found.map(|(_, time)| time))
}

fn read(text: &str, per_second: i64, words: &Words, zone: Option<&TimeZone>) -> Result<Option<Timestamp>, String> {
    if decimal::is_missing(text) {
        return Ok(None);
    }
    let unreadable = || format!("is {text:?}, which is not a time");
    match decimal::read(text) {
        Some(number) if number.is_zero() => Ok(None),
        Some(number) => {
            let time = since_1970(number, per_second);
            match mistaken_unit(number, time, per_second, words) {
                Some(hint) => Err(format!("{}{hint}", unreadable())),
                None => time.map(Some).ok_or_else(unreadable),
            }
        }
        None if per_second == 1 => written(text, zone).map(Some),
        None => Err(unreadable()),
    }
}

/// A number of units since the beginning of 1970; what is finer than a nanosecond is cut off.
fn since_1970(number: Decimal, per_second: i64) -> Option<Timestamp> {
    let nanoseconds = number.checked_mul(Decimal::from(1_000_000_000 / per_second))?.trunc();
    Timestamp::from_nanosecond(i128::try_from(nanoseconds).ok()?).ok()
}

/// The unit in which a number would be the time of a quote, if in its own field's unit it cannot be one: milliseconds
/// in `at` lie beyond the year 9999, and seconds in `at_ms` in January 1970.
fn mistaken_unit(number: Decimal, time: Option<Timestamp>, per_second: i64, words: &Words) -> Option<String> {
    let is_quoted = |time: Timestamp| QUOTED.contains(&time.as_second());
    if time.is_some_and(is_quoted) {
        return None;
    }
    let stated = words.iter().position(|(_, unit)| *unit == per_second).and_then(|place| UNITS.get(place))?;
    let meant = words.iter().zip(UNITS).find_map(|((word, per_second), unit)| {
        let time = since_1970(number, *per_second).filter(|time| is_quoted(*time))?;
        Some(format!("in {unit} it would be {time:.0}: name it `{word}`"))
    })?;
    Some(format!(" of a quote in {stated}; {meant}"))
}

/// A time in text: with an offset, local to the zone, or a date.
fn written(text: &str, zone: Option<&TimeZone>) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let unreadable = |_| format!("is {text:?}, which is not a time");
    let local: DateTime = text.parse().map_err(unreadable)?;
    let is_date = text.len() == "2026-11-20".len() && text.parse::<Date>().is_ok();
    let zone = match zone {
        Some(zone) => zone.clone(),
        None if is_date => TimeZone::UTC,
        None => return Err(format!("is {text:?}, a local time; name its `zone`, such as \"America/New_York\"")),
    };
    local.to_zoned(zone).map(|zoned| zoned.timestamp()).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str, per_second: i64) -> String {
        match read(text, per_second, &AT, None) {
            Ok(time) => time.map_or_else(|| "none".to_owned(), |time| time.to_string()),
            Err(why) => why,
        }
    }

    #[test]
    fn numbers_count_from_1970_exactly() {
        assert_eq!(utc("1643640186", 1), "2022-01-31T14:43:06Z");
        assert_eq!(utc("1710328265.9690602", 1), "2024-03-13T11:11:05.9690602Z");
        assert_eq!(utc("1586991278494", 1_000), "2020-04-15T22:54:38.494Z");
        assert_eq!(utc("1605192474128571", 1_000_000), "2020-11-12T14:47:54.128571Z");
        assert_eq!(utc("1605192474128571234", 1_000_000_000), "2020-11-12T14:47:54.128571234Z");
        assert_eq!(utc("1.643640186E9", 1), "2022-01-31T14:43:06Z");
        assert_eq!(utc("0", 1), "none");
        assert_eq!(utc("0.0", 1_000), "none");
        for wrong in ["1586991278494", "9999999999999999999999999999", "1e30"] {
            assert!(utc(wrong, 1).contains("not a time"), "{wrong}");
        }
    }

    #[test]
    fn a_number_in_the_unit_of_another_field_is_refused_and_the_field_is_named() {
        assert_eq!(
            utc("1586991278494", 1),
            "is \"1586991278494\", which is not a time of a quote in seconds; in milliseconds it would be \
             2020-04-15T22:54:38Z: name it `at_ms`"
        );
        for (units, per_second, number) in
            [("at", 1, "1586991278"), ("at_ms", 1_000, "1586991278494"), ("at_us", 1_000_000, "1586991278494857")]
                .into_iter()
                .chain([("at_ns", 1_000_000_000, "1586991278494857123")])
        {
            assert!(utc(number, per_second).starts_with("2020-04-15"), "{number}");
            for (word, other) in AT.into_iter().filter(|(word, _)| *word != units) {
                let said = utc(number, other);
                assert!(said.ends_with(&format!(": name it `{units}`")), "{number} as {word}: {said}");
            }
        }
        let of_a_book = read("1586991278494", 1, &BOOK_AT, None).unwrap_err();
        assert!(of_a_book.ends_with(": name it `book_at_ms`"), "{of_a_book}");
        // a number that is not a quote's time in any unit is read as it is
        for (text, per_second, time) in [("1", 1, "1970-01-01T00:00:01Z"), ("20261120", 1, "1970-08-23T12:05:20Z")] {
            assert_eq!(utc(text, per_second), time);
        }
        assert_eq!(utc("20261120143100", 1), "is \"20261120143100\", which is not a time");
    }

    #[test]
    fn texts_are_read_in_every_notation_in_use() {
        let same = "2021-11-05T15:54:23.055122029Z";
        for text in [
            "2021-11-05T11:54:23.055122029-04:00",
            "2021-11-05T11:54:23.055122029-0400",
            "2021-11-05 15:54:23.055122029Z",
        ] {
            assert_eq!(utc(text, 1), same, "{text}");
        }
        assert_eq!(utc("2021-11-05T11:54:23-0500", 1), "2021-11-05T16:54:23Z");
        assert_eq!(utc("2021-11-05T11:54:23+0000", 1), "2021-11-05T11:54:23Z");
        assert_eq!(utc("2021-11-05", 1), "2021-11-05T00:00:00Z");
        for none in ["", " ", "N/A", "--"] {
            assert_eq!(utc(none, 1), "none");
        }
        for wrong in ["soon", "2021-13-05", "2021-11-05T25:00:00Z", "Nov 5, 2021", "2021-11-05x"] {
            assert!(utc(wrong, 1).contains("not a time"), "{wrong}: {}", utc(wrong, 1));
        }
        assert!(utc("2021-11-05T11:54:23Z", 1_000).contains("not a time"));
    }

    #[test]
    fn a_local_time_needs_its_zone() {
        let new_york = TimeZone::get("America/New_York").unwrap();
        let local = |text| read(text, 1, &AT, Some(&new_york)).unwrap().unwrap().to_string();
        assert_eq!(local("2021-11-01 19:33:43"), "2021-11-01T23:33:43Z");
        assert_eq!(local("2021-12-01T19:33:43"), "2021-12-02T00:33:43Z");
        assert_eq!(local("2021-12-01"), "2021-12-01T05:00:00Z");
        // an offset says more than a zone
        assert_eq!(local("2021-12-01T19:33:43Z"), "2021-12-01T19:33:43Z");
        assert!(utc("2021-11-01 19:33:43", 1).contains("name its `zone`"));
    }
}

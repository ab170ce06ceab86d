//! Turns a market's usual week and its exceptions into sessions, each with an opening and a closing.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// For how many years after the file's end the usual week continues. Holidays are not known then, so prices on holidays
/// are degraded, which is better than trusting a dead feed.
const YEARS_PAST_THE_END: i16 = 10;

/// One market: its time zone, its usual week, and the days that differ from it.
#[derive(Debug)]
pub(super) struct Calendar {
    /// The exchange's MIC, `fx` or `metals`.
    pub(super) name: String,
    /// The time zone by which it opens and closes.
    pub(super) zone: TimeZone,
    /// The first day whose hours are known.
    pub(super) first: Date,
    /// The last day whose holidays are known.
    pub(super) until: Date,
    /// The usual weeks, each valid from a day until the first day of the next one.
    pub(super) weeks: Vec<(Date, Week)>,
    /// The days that differ from the week, with their hours; a day with an empty list has no session.
    pub(super) exceptions: BTreeMap<Date, Vec<OpenHours>>,
    /// All sessions, computed once, on first use.
    pub(super) sessions: OnceLock<Vec<Session>>,
}

/// The hours of each day of a week, from Monday.
pub(super) type Week = [Vec<OpenHours>; 7];

/// An opening and a closing on one day, in local time. A closing of `None` is the midnight at the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenHours {
    pub(super) opening: Time,
    pub(super) closing: Option<Time>,
}

/// One session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) opening: Timestamp,
    pub(super) closing: Timestamp,
}

impl Calendar {
    /// All sessions, in order; no two overlap or touch.
    pub(super) fn sessions(&self) -> &[Session] {
        self.sessions.get_or_init(|| {
            let end = self.until.saturating_add(i64::from(YEARS_PAST_THE_END).years());
            let mut sessions: Vec<Session> = Vec::new();
            let days = std::iter::successors(Some(self.first), |day| day.tomorrow().ok());
            for day in days.take_while(|day| *day <= end) {
                for session in self.spans_of(day).iter().filter_map(|span| self.session(day, *span)) {
                    match sessions.last_mut() {
                        // a market that trades through midnight has not closed in between
                        Some(last) if last.closing >= session.opening => last.closing = session.closing,
                        _ => sessions.push(session),
                    }
                }
            }
            sessions
        })
    }

    fn spans_of(&self, day: Date) -> &[OpenHours] {
        if let Some(spans) = self.exceptions.get(&day) {
            return spans;
        }
        let week = self.weeks.iter().rev().find(|(from, _)| *from <= day);
        let number = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default();
        week.and_then(|(_, week)| week.get(number)).map_or(&[], Vec::as_slice)
    }

    fn session(&self, day: Date, span: OpenHours) -> Option<Session> {
        let instant = |time: jiff::civil::DateTime| self.zone.to_timestamp(time).ok();
        let closing = match span.closing {
            Some(time) => day.to_datetime(time),
            None => day.tomorrow().ok()?.to_datetime(Time::midnight()),
        };
        Some(Session { opening: instant(day.to_datetime(span.opening))?, closing: instant(closing)? })
    }
}

//! Reads the file of markets line by line; each line begins with a keyword. The top of the file explains them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::PastEnd;
use super::calendar::{Calendar, OpenHours, Week};

/// The names of the days of a week, from Monday.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The markets of the file, and the symbols that belong to them.
#[derive(Debug, Default)]
pub(super) struct File {
    /// The first and the last day that it covers.
    covers: Option<(Date, Date)>,
    calendars: Vec<Calendar>,
    /// The place in `calendars` of the market of a suffix, an index or a kind of symbols.
    symbols: BTreeMap<String, usize>,
}

/// Why a line cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct FileError {
    line: usize,
    what: &'static str,
}

impl File {
    /// Reads the file.
    ///
    /// # Errors
    /// The first line that cannot be read, and why.
    pub(super) fn read(text: &str) -> Result<Self, FileError> {
        let mut file = File::default();
        for (number, line) in text.lines().enumerate() {
            file.read_line(line).map_err(|what| FileError { line: number + 1, what })?;
        }
        Ok(file)
    }

    /// The market of a suffix (`.L`), an index (`^FTSE`) or a kind of symbols (`US`, `fx`).
    pub(super) fn calendar_for(&self, symbols: &str) -> Option<&Calendar> {
        self.calendars.get(*self.symbols.get(symbols)?)
    }

    /// A market by its name.
    pub(super) fn calendar(&self, name: &str) -> Option<&Calendar> {
        self.calendars.iter().find(|calendar| calendar.name == name)
    }

    /// The markets whose holidays are no longer known at a time; `None` if there are no such markets.
    pub(super) fn past_end(&self, at: Timestamp) -> Option<PastEnd> {
        let ended = |calendar: &&Calendar| at.to_zoned(calendar.zone.clone()).date() > calendar.until;
        let ended: Vec<&Calendar> = self.calendars.iter().filter(ended).collect();
        let until = ended.iter().map(|calendar| calendar.until).min()?;
        let everywhere = ended.len() == self.calendars.len();
        let names: Vec<&str> = ended.iter().map(|calendar| calendar.name.as_str()).collect();
        let which = if everywhere { "any market".to_owned() } else { names.join(", ") };
        let sentence = format!(
            "this version does not know the holidays of {which} after {until}; on a holiday the last prices are \
             degraded / stale_fallback, as if the market were open. A newer version may know them"
        );
        Some(PastEnd { everywhere, sentence })
    }

    fn read_line(&mut self, line: &str) -> Result<(), &'static str> {
        let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
        match keyword {
            "" | "#" | "package" | "exported" => Ok(()),
            "covers" => {
                let (first, last) = rest.split_once(' ').ok_or("two dates are expected")?;
                self.covers = Some((date(first)?, date(last)?));
                Ok(())
            }
            "market" => self.begin(rest),
            "for" => self.name_symbols(rest),
            "until" => {
                self.current()?.until = date(rest)?;
                Ok(())
            }
            "week" => self.current()?.read_week(rest),
            "closed" => self.current()?.except(&[], rest),
            "only" => {
                let (hours, days) = rest.split_once(' ').ok_or("hours, a year and days are expected")?;
                self.current()?.except(&spans(hours)?, days)
            }
            _ => Err("the keyword is unknown"),
        }
    }

    fn begin(&mut self, rest: &str) -> Result<(), &'static str> {
        let (name, zone) = rest.split_once(' ').ok_or("a name and a time zone are expected")?;
        let (first, until) = self.covers.ok_or("the line `covers` must come before the markets")?;
        self.calendars.push(Calendar {
            name: name.to_owned(),
            zone: TimeZone::get(zone).map_err(|_| "there is no such time zone")?,
            first,
            until,
            weeks: Vec::new(),
            exceptions: BTreeMap::new(),
            sessions: OnceLock::new(),
        });
        Ok(())
    }

    fn name_symbols(&mut self, rest: &str) -> Result<(), &'static str> {
        let market = self.calendars.len().checked_sub(1).ok_or("no market has begun")?;
        for symbols in rest.split_whitespace() {
            if self.symbols.insert(symbols.to_owned(), market).is_some() {
                return Err("these symbols already have another market");
            }
        }
        Ok(())
    }

    fn current(&mut self) -> Result<&mut Calendar, &'static str> {
        self.calendars.last_mut().ok_or("no market has begun")
    }
}

impl Calendar {
    fn read_week(&mut self, rest: &str) -> Result<(), &'static str> {
        let mut words = rest.split_whitespace().peekable();
        let mut from = self.first;
        if words.next_if_eq(&"from").is_some() {
            from = date(words.next().ok_or("a date is expected")?)?;
        }
        if self.weeks.last().is_some_and(|(before, _)| *before >= from) {
            return Err("a later week is expected");
        }
        let mut week = Week::default();
        while let Some(days) = words.next() {
            let hours = spans(words.next().ok_or("hours are expected")?)?;
            let (first, last) = days.split_once('-').unwrap_or((days, days));
            let (mut day, last) = (weekday(first)?, weekday(last)?);
            loop {
                week[day].clone_from(&hours);
                if day == last {
                    break;
                }
                day = (day + 1) % DAYS.len();
            }
        }
        self.weeks.push((from, week));
        Ok(())
    }

    /// Adds days of a year that differ from the week.
    fn except(&mut self, hours: &[OpenHours], rest: &str) -> Result<(), &'static str> {
        let mut words = rest.split_whitespace();
        let year = words.next().ok_or("a year is expected")?;
        for day in words {
            if self.exceptions.insert(date(&format!("{year}-{day}"))?, hours.to_vec()).is_some() {
                return Err("a day is listed twice");
            }
        }
        Ok(())
    }
}

fn date(text: &str) -> Result<Date, &'static str> {
    text.parse().map_err(|_| "a date is expected, such as 2026-11-27")
}

fn weekday(text: &str) -> Result<usize, &'static str> {
    DAYS.iter().position(|day| *day == text).ok_or("a day of the week is expected, such as Mon")
}

/// Reads `09:00-11:30+12:30-15:30`: the time between two spans is a break.
fn spans(text: &str) -> Result<Vec<OpenHours>, &'static str> {
    let mut spans: Vec<OpenHours> = Vec::new();
    for span in text.split('+') {
        let (opening, closing) = span.split_once('-').ok_or("hours are expected, such as 09:30-16:00")?;
        let opening = time(opening)?;
        let closing = if closing == "24:00" { None } else { Some(time(closing)?) };
        let follows = spans.last().is_none_or(|before| before.closing.is_some_and(|before| before < opening));
        if !follows || closing.is_some_and(|closing| closing <= opening) {
            return Err("hours are expected in their order");
        }
        spans.push(OpenHours { opening, closing });
    }
    Ok(spans)
}

fn time(text: &str) -> Result<Time, &'static str> {
    text.parse().map_err(|_| "a time is expected, such as 09:30")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(lines: &str) -> Result<File, FileError> {
        File::read(&format!("covers 2026-01-05 2028-12-31\n{lines}"))
    }

    #[test]
    fn a_line_that_cannot_be_read_is_refused_with_its_number() {
        let wrong = [
            ("market XNYS Nowhere/City", "there is no such time zone"),
            ("week Mon-Fri 09:30-16:00", "no market has begun"),
            ("market XNYS America/New_York\nweek Mon-Fry 09:30-16:00", "a day of the week is expected, such as Mon"),
            ("market XNYS America/New_York\nweek Mon-Fri 16:00-09:30", "hours are expected in their order"),
            ("market XNYS America/New_York\nclosed 2026 13-01", "a date is expected, such as 2026-11-27"),
            ("market XNYS America/New_York\nclosed 2026 12-25 12-25", "a day is listed twice"),
            ("market XNYS America/New_York\nfor US US", "these symbols already have another market"),
            ("market XNYS America/New_York\nopen 2026 12-25", "the keyword is unknown"),
        ];
        for (lines, expected) in wrong {
            assert_eq!(with(lines).unwrap_err().what, expected, "{lines}");
        }
        assert_eq!(
            with("market XNYS America/New_York\n\nweek Mon").unwrap_err().to_string(),
            "line 4: hours are expected"
        );
        assert_eq!(File::read("market XNYS America/New_York").unwrap_err().line, 1);
    }

    #[test]
    fn a_week_may_span_the_weekend_and_change_with_the_season() {
        let file =
            with("market M UTC\nweek Sun-Thu 10:00-14:00\nweek from 2026-06-01 Mon 10:00-12:00+13:00-24:00").unwrap();
        let sessions = file.calendar("M").unwrap().sessions();
        let days: Vec<String> =
            sessions.iter().take(5).map(|session| session.opening.strftime("%a").to_string()).collect();
        assert_eq!(days, ["Mon", "Tue", "Wed", "Thu", "Sun"]);
        let june = sessions.iter().position(|session| session.opening.to_string() == "2026-06-01T10:00:00Z").unwrap();
        assert_eq!(sessions[june + 1].closing.to_string(), "2026-06-02T00:00:00Z");
        assert_eq!(sessions[june + 2].opening.to_string(), "2026-06-08T10:00:00Z");
    }
}

//! Shows row by row how a filter reads a reply, for people who write filters.

use jaq_json::Val;

use super::readings;
use super::row::{Context, Row};
use super::{Extractor, RawReply};
use crate::provider::filter::stages::Place;
use crate::provider::filter::{CpuTimer, Filter, Fuel, RunError};
use crate::symbol::Symbol;

/// How a filter reads a reply. Every text in it may be shown: keys are replaced by `***`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The rows, in the filter's order, up to the first error.
    pub rows: Vec<SeenRow>,
    /// Why the filter stopped early; `None` if it did not.
    pub stop: Option<Stop>,
}

/// A row as a filter made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRow {
    /// The row as JSON.
    pub text: String,
    /// Why the row cannot be read; `None` if it can.
    pub fault: Option<String>,
    /// What its figures are read as, where that is not what they say, and why.
    pub readings: Vec<String>,
}

/// Why a filter stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What went wrong, in jq's own words if the filter itself failed.
    pub why: String,
    /// Where in the filter, if the filter itself failed.
    pub place: Option<Place>,
}

impl Extractor {
    /// Lists every row of a reply to a call that asked for these symbols, with what is wrong with it.
    pub fn explain(&self, reply: &RawReply, asked: &[Symbol], timer: CpuTimer) -> Explanation {
        let spelled: Vec<String> =
            asked.iter().map(|symbol| self.spelling.spell_as_set(symbol).unwrap_or_default()).collect();
        let spelled: Vec<&str> = spelled.iter().map(String::as_str).collect();
        let run = |filter: &Filter| filter.run(&reply.body, self.layout, reply.status, &spelled, Fuel::most(timer));
        let rows = run(&self.filter);
        let context = self.context(reply);
        let readings = |row| self.readings(row, &context, asked, &spelled);
        let seen = |row| SeenRow {
            readings: readings(row).iter().map(|reading| self.scrub.clean(reading)).collect(),
            text: self.scrub.hide(&format!("{row}")),
            fault: self.fault(row, &context, &spelled).err().map(|why| self.scrub.clean(&why)),
        };
        let stop = |failure: RunError| {
            let place = self.filter.place(&failure, &run);
            let hidden = |place: Place| Place {
                stage: self.scrub.hide(&place.stage),
                given: place.given.map(|given| self.scrub.hide(&given)),
                ..place
            };
            let why = match failure {
                RunError::Filter(words) => words,
                other => other.to_string(),
            };
            Stop { why: self.scrub.clean(&why), place: place.map(hidden) }
        };
        Explanation { rows: rows.rows.iter().map(seen).collect(), stop: rows.failure.map(stop) }
    }

    /// What the figures of a row about a symbol that was asked for are read as.
    fn readings(&self, row: &Val, context: &Context<'_>, asked: &[Symbol], spelled: &[&str]) -> Vec<String> {
        let Ok(row) = Row::of(row) else { return Vec::new() };
        let named = row.symbol().ok().flatten();
        let is_named = |place: usize| match &named {
            Some(named) => spelled.get(place).is_some_and(|spelled| self.spelling.requested_as(named) == *spelled),
            None => asked.len() == 1,
        };
        let symbol = asked.iter().enumerate().find(|(place, _)| is_named(*place)).map(|(_, symbol)| symbol);
        symbol.map(|symbol| readings::of(&row, context, self.multiple(symbol))).unwrap_or_default()
    }

    /// Checks that a row can be read. Of a row about a symbol that was not asked for, only the symbol is read.
    fn fault(&self, row: &Val, context: &Context<'_>, asked: &[&str]) -> Result<(), String> {
        let row = Row::of(row)?;
        let named = if row.is_error() { row.symbol()? } else { row.symbol_of(asked.len())? };
        let is_asked = |named: &String| asked.contains(&self.spelling.requested_as(named));
        if !named.as_ref().is_none_or(is_asked) {
            return Ok(());
        }
        if row.is_error() { row.failure(context).map(drop) } else { row.quote(context, 1, |_| (None, 0)).map(drop) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{extractor, reply, symbols};
    use super::*;

    fn explained(toml: &str, body: &str, asked: &[&str]) -> Explanation {
        extractor(toml).explain(&reply(200, body), &symbols(asked), crate::clock::cpu::timer)
    }

    #[test]
    fn every_row_is_shown_with_what_is_wrong_with_it() {
        let body = r#"[{"symbol":"AAPL","price":1.50},{"price":2},3,{"error":"nonsense"},{"error":"missing"}]"#;
        let explained = explained("", body, &["AAPL", "MSFT"]);
        let faults: Vec<Option<&str>> = explained.rows.iter().map(|row| row.fault.as_deref()).collect();
        let starts = |fault: Option<&str>, words: &str| fault.is_some_and(|fault| fault.starts_with(words));
        assert_eq!((explained.rows[0].text.as_str(), faults[0]), (r#"{"symbol":"AAPL","price":1.50}"#, None));
        assert!(starts(faults[1], "the filter gave a row without a symbol, though 2 were asked for"), "{faults:?}");
        assert!(starts(faults[2], "the filter gave 3 where a row"), "{faults:?}");
        assert!(starts(faults[3], "the filter names the failure \"nonsense\"; a filter can name"), "{faults:?}");
        assert_eq!((faults[4], explained.stop), (None, None));
    }

    #[test]
    fn a_price_that_was_calculated_is_a_fault_of_its_row() {
        let explained = explained("jq = '.[] | {price: (.p + 1)}'", r#"[{"p":1.5}]"#, &["AAPL"]);
        assert_eq!(explained.rows[0].text, r#"{"price":2.5}"#);
        assert!(explained.rows[0].fault.as_deref().unwrap().starts_with("`price` is 2.5: the filter calculated it"));
    }

    #[test]
    fn a_row_about_a_symbol_that_was_not_asked_for_may_hold_anything() {
        let body =
            r#"[{"symbol":"MSFT","price":true},{"symbol":"MSFT","error":"nonsense"},{"symbol":"AAPL","price":true}]"#;
        let faults: Vec<bool> = explained("", body, &["AAPL"]).rows.iter().map(|row| row.fault.is_some()).collect();
        assert_eq!(faults, [false, false, true]);
    }

    #[test]
    fn a_figure_that_is_not_read_as_it_stands_says_what_it_becomes_and_why() {
        let readings = |toml: &str, body: &str, asked: &[&str]| {
            explained(toml, body, asked).rows.into_iter().flat_map(|row| row.readings).collect::<Vec<_>>()
        };
        let comma = "decimal = \",\"";
        assert_eq!(
            readings(comma, r#"[{"price":"1.213,03","bid":"1212","per":100,"volume":"2.050"}]"#, &["AAPL"]),
            [
                "`price` \"1.213,03\" is read as 12.1303: decimal = \",\", per 100",
                "`bid` \"1212\" is read as 12.12: per 100",
                "`volume` \"2.050\" is read as 2050: decimal = \",\""
            ]
        );
        assert_eq!(
            readings("multiplied = { PEPE = 1000 }", r#"[{"price":99105,"scale":-7,"volume":2}]"#, &["PEPE-USD"]),
            [
                "`price` 99105 is read as 0.0000099105: scale -7, multiplied 1000",
                "`volume` 2 is read as 2000: multiplied 1000"
            ]
        );
        assert_eq!(
            readings("", r#"[{"price":"48,7","volume":"1,084"}]"#, &["AAPL"]),
            [
                "`price` \"48,7\" is not a number here; with decimal = \",\" it would be 48.7",
                "`volume` \"1,084\" is left out: its comma can be read in two ways, unless the source states `decimal`"
            ]
        );
        assert_eq!(readings(comma, r#"[{"symbol":"AAPL","price":"231","bid":"€ 230"}]"#, &["AAPL"]), [""; 0]);
        assert_eq!(readings(comma, r#"[{"symbol":"MSFT","price":"231,5"},3,{"error":"missing"}]"#, &["AAPL"]), [""; 0]);
    }

    #[test]
    fn a_filter_that_stops_shows_where_and_no_key() {
        let keyed = "key = \"s3cret\"\njq = '.[] | {price: .p} | .price.s3cret'";
        let stop = explained(keyed, r#"[{"p":"for s3cret"}]"#, &["AAPL"]).stop.unwrap();
        let place = stop.place.unwrap();
        assert_eq!(stop.why, "cannot index \"for ***\" with \"***\"");
        assert_eq!((place.stage.as_str(), place.given.as_deref()), (".price.***", Some(r#"{"price":"for ***"}"#)));
    }
}

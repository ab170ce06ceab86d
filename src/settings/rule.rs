//! The ages and the rule of the fold: what a file may state, and what holds where it states nothing.

use std::fmt;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::ClassSettings;
use crate::fold::BelowQuorum;
use crate::symbol::{Class, Currency};
use crate::units::{Percent, Span};

/// The code of a money in ISO 4217: `USD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct MoneyCode([u8; 3]);

impl MoneyCode {
    /// US dollars.
    pub const USD: MoneyCode = MoneyCode(*b"USD");

    fn parse(text: &str) -> Result<Self, String> {
        // pence are not pounds
        let (currency, places) = Currency::of_unit(text);
        let is_whole = currency.is_money() && places == 0;
        let code = <[u8; 3]>::try_from(currency.as_str().as_bytes()).ok().filter(|_| is_whole);
        code.map(MoneyCode).ok_or_else(|| format!("{text:?} is no money; write a code of ISO 4217 such as \"USD\""))
    }

    /// The money.
    pub fn currency(self) -> Currency {
        Currency::new(&self.to_string())
    }
}

impl TryFrom<String> for MoneyCode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for MoneyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Any key of `[freshness]` and `[fold]`, as a file or a class states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTable {
    /// Since we received it; younger: answered from the board.
    pub refresh_after: Option<Span>,
    /// Since the market said it; older: not folded.
    pub usable_for: Option<Span>,
    /// The last rung but one.
    pub fallback_for: Option<Span>,
    /// How long a closed market's last quotes stand.
    pub closed_for: Option<Span>,
    /// Whether the known hours of markets are gone by.
    pub hours: Option<bool>,
    /// A caller's `refresh_after` below it is raised to it.
    pub refresh_floor: Option<Span>,
    /// How long a source's "unknown symbol" is believed.
    pub unknown_for: Option<Span>,
    /// Sources that must agree.
    pub required: Option<usize>,
    /// What fewer give.
    pub below_quorum: Option<BelowQuorum>,
    /// Farther than this from the median is an outlier.
    pub outlier_beyond: Option<Percent>,
    /// Survivors farther apart than this disagree.
    pub disagree_beyond: Option<Percent>,
    /// What a listing without an exchange's suffix is in; shares alone have it.
    pub bare_currency: Option<MoneyCode>,
    /// A book whose sides are farther apart than this does not count.
    pub book_within: Option<Percent>,
}

impl ClassSettings {
    /// The built-in values of a class.
    pub fn built_in(class: Class) -> Self {
        ClassSettings::general().with(&ClassSettings::own(class))
    }

    /// The built-in values that hold for every class that has none of its own.
    pub fn general() -> Self {
        ClassSettings {
            refresh_after: Duration::from_secs(5),
            usable_for: Duration::from_secs(60),
            fallback_for: Duration::from_secs(15 * 60),
            closed_for: Duration::from_secs(5 * 86_400),
            hours: true,
            refresh_floor: Duration::ZERO,
            unknown_for: Duration::from_secs(3_600),
            required: 2,
            below_quorum: BelowQuorum::Refuse,
            outlier_beyond: Decimal::new(2, 2),
            disagree_beyond: Decimal::new(3, 2),
            bare_currency: None,
            book_within: Decimal::new(2, 2),
        }
    }

    /// The built-in values that a class has of its own. They hold even where the file says otherwise for all classes.
    pub fn own(class: Class) -> RuleTable {
        let minutes = |n: u64| Some(Span(Duration::from_secs(n * 60)));
        let days = |n: u64| Some(Span(Duration::from_secs(n * 86_400)));
        let nothing = RuleTable::default();
        match class {
            Class::Crypto => nothing,
            // free plans are 15 to 20 minutes late
            Class::Equity | Class::Index => RuleTable {
                refresh_after: minutes(1),
                usable_for: minutes(25),
                fallback_for: days(1),
                below_quorum: Some(BelowQuorum::Degrade),
                bare_currency: Some(MoneyCode::USD).filter(|_| class == Class::Equity),
                book_within: class.has_books().then_some(Percent(Decimal::new(1, 2))),
                ..nothing
            },
            Class::Fx => RuleTable {
                refresh_after: minutes(1),
                usable_for: minutes(10),
                fallback_for: days(1),
                outlier_beyond: Some(Percent(Decimal::new(5, 3))),
                disagree_beyond: Some(Percent(Decimal::new(1, 2))),
                book_within: Some(Percent(Decimal::new(3, 3))),
                ..nothing
            },
            // one net asset value a day
            Class::Fund => RuleTable {
                refresh_after: minutes(60),
                usable_for: days(4),
                fallback_for: days(10),
                below_quorum: Some(BelowQuorum::Degrade),
                ..nothing
            },
        }
    }

    /// These settings with what a table states laid over them.
    pub fn with(self, table: &RuleTable) -> Self {
        let span = |stated: Option<Span>, before: Duration| stated.map_or(before, |span| span.0);
        ClassSettings {
            refresh_after: span(table.refresh_after, self.refresh_after),
            usable_for: span(table.usable_for, self.usable_for),
            fallback_for: span(table.fallback_for, self.fallback_for),
            closed_for: span(table.closed_for, self.closed_for),
            hours: table.hours.unwrap_or(self.hours),
            refresh_floor: span(table.refresh_floor, self.refresh_floor),
            unknown_for: span(table.unknown_for, self.unknown_for),
            required: table.required.unwrap_or(self.required),
            below_quorum: table.below_quorum.unwrap_or(self.below_quorum),
            outlier_beyond: table.outlier_beyond.map_or(self.outlier_beyond, |share| share.0),
            disagree_beyond: table.disagree_beyond.map_or(self.disagree_beyond, |share| share.0),
            bare_currency: table.bare_currency.or(self.bare_currency),
            book_within: table.book_within.map_or(self.book_within, |share| share.0),
        }
    }

    /// When an outcome is asked for anew: at the age a caller says, but not below the floor; else at the class's own.
    pub fn refresh_after(&self, asked: Option<Duration>) -> Duration {
        asked.map_or(self.refresh_after, |asked| asked.max(self.refresh_floor))
    }
}

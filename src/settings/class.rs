//! `[freshness]`, `[fold]` and `[class.NAME]`: how old quotes may be, and how many make a price.
//!
//! `[class.NAME]` may have any key of `[freshness]` and `[fold]`, and `[class.equity]` has one more. A value comes from
//! the class's own section, else from the built-in values of the class, else from the sections for all classes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, Serializer};
use toml::Table;

use super::error::{ConfigError, Report};
use super::load::document::Document;
use super::load::wording::unknown_key;
use super::print::lines;
use crate::fold::BelowQuorum;
use crate::symbol::{Class, Currency};
use crate::units::{Percent, Span, as_text};

/// One class's ages and fold rule: every key of `[freshness]` and `[fold]`, and those that only a class has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassSettings {
    /// Below this age since its arrival, a quote is answered from the board, without a call.
    #[serde(with = "as_text::span")]
    pub refresh_after: Duration,
    /// Whether answers wait for quotes that are due while the others make good prices.
    pub refresh: Refresh,
    /// Beyond this age by the market's time, a quote is not folded.
    #[serde(with = "as_text::span")]
    pub usable_for: Duration,
    /// Beyond this age, counted like `usable_for`, a quote cannot be a fallback either.
    #[serde(with = "as_text::span")]
    pub fallback_for: Duration,
    /// How long the last quotes of a closed market remain usable.
    #[serde(with = "as_text::span")]
    pub closed_for: Duration,
    /// Whether to use the known trading hours. Without them, only the quotes tell whether a market is closed.
    pub hours: bool,
    /// The least `refresh_after` that a caller gets; a shorter one is raised to it.
    #[serde(with = "as_text::span")]
    pub refresh_floor: Duration,
    /// How long a source's "unknown symbol" is believed.
    #[serde(with = "as_text::span")]
    pub unknown_for: Duration,
    /// How many sources must agree; 1 to 100.
    pub required: usize,
    /// What happens when fewer agree.
    pub below_quorum: BelowQuorum,
    /// A quote farther than this from the median is an outlier; a fraction of the median, up to a half.
    #[serde(with = "as_text::percent")]
    pub outlier_beyond: Decimal,
    /// The remaining quotes disagree if they are farther apart than this; a fraction, up to a half.
    #[serde(with = "as_text::percent")]
    pub disagree_beyond: Decimal,
    /// The currency of a listing without an exchange suffix; only [`Class::Equity`] has this key.
    pub bare_currency: Option<CurrencyCode>,
    /// An order book with a wider spread than this is ignored; a fraction, up to a half. The book of an index or a fund
    /// is always ignored.
    #[serde(with = "as_text::percent")]
    pub book_within: Decimal,
}

/// Whether an answer waits for quotes that are due, although those on the board still make every price of it `ok`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Refresh {
    /// It does.
    Awaited,
    /// It does not: they are fetched behind the answer.
    Background,
}

/// The keys of `[fold]`; every other key that all classes have belongs to `[freshness]`.
const OF_FOLD: [&str; 5] = ["required", "below_quorum", "outlier_beyond", "disagree_beyond", "book_within"];

/// The upper bound of `outlier_beyond` and the like: quotes farther apart than this are not prices of the same thing.
const WIDEST: Decimal = Decimal::from_parts(5, 0, 0, false, 1);

impl Default for ClassSettings {
    /// The built-in values of a class without special ones.
    fn default() -> Self {
        ClassSettings {
            refresh_after: Duration::from_secs(5),
            refresh: Refresh::Awaited,
            usable_for: Duration::from_secs(60),
            fallback_for: minutes(15),
            closed_for: days(5),
            hours: true,
            refresh_floor: Duration::ZERO,
            unknown_for: minutes(60),
            required: 2,
            below_quorum: BelowQuorum::Refuse,
            outlier_beyond: Decimal::new(2, 2),
            disagree_beyond: Decimal::new(3, 2),
            bare_currency: None,
            book_within: Decimal::new(2, 2),
        }
    }
}

impl ClassSettings {
    /// The built-in values of a class.
    pub fn built_in(class: Class) -> Self {
        ClassSettings::default().with_own_of(class)
    }

    /// These settings with the built-in values that are special to a class.
    fn with_own_of(self, class: Class) -> Self {
        match class {
            Class::Crypto => self,
            // quotes of free plans are 15 to 20 minutes late
            Class::Equity | Class::Index => ClassSettings {
                refresh_after: minutes(1),
                usable_for: minutes(25),
                fallback_for: days(1),
                below_quorum: BelowQuorum::Degrade,
                bare_currency: if class == Class::Equity { Some(CurrencyCode::USD) } else { self.bare_currency },
                book_within: if class.has_books() { Decimal::new(1, 2) } else { self.book_within },
                ..self
            },
            Class::Fx => ClassSettings {
                refresh_after: minutes(1),
                usable_for: minutes(10),
                fallback_for: days(1),
                outlier_beyond: Decimal::new(5, 3),
                disagree_beyond: Decimal::new(1, 2),
                book_within: Decimal::new(3, 3),
                ..self
            },
            // one net asset value a day
            Class::Fund => ClassSettings {
                refresh_after: minutes(60),
                usable_for: days(4),
                fallback_for: days(10),
                below_quorum: BelowQuorum::Degrade,
                ..self
            },
        }
    }

    /// The settings of each class; `file` is the whole configuration.
    pub(super) fn of_all_classes(file: &Table, report: &mut Report<'_>) -> BTreeMap<Class, ClassSettings> {
        let section = |name: &str| file.get(name).and_then(toml::Value::as_table);
        let of_class = |class: Class| -> Result<ClassSettings, toml::de::Error> {
            let general = ClassSettings::default().with(section("freshness"))?.with(section("fold"))?;
            let own = section("class").and_then(|classes| classes.get(class.as_str())?.as_table());
            general.with_own_of(class).with(own)
        };
        let mut classes = BTreeMap::new();
        for class in Class::ALL {
            match of_class(class) {
                Ok(settings) => drop(classes.insert(class, settings)),
                Err(error) => report.at(&["class", class.as_str()], error.message()),
            }
        }
        classes
    }

    /// These settings with the keys of a section laid over them.
    fn with(self, section: Option<&Table>) -> Result<Self, toml::de::Error> {
        let Some(section) = section else { return Ok(self) };
        let mut all = Table::try_from(self).map_err(<toml::de::Error as serde::de::Error>::custom)?;
        all.extend(section.clone());
        all.try_into()
    }

    /// The age at which to fetch an outcome again: what a caller asks for, but not below the floor; else the class's.
    pub fn refresh_after(&self, asked: Option<Duration>) -> Duration {
        asked.map_or(self.refresh_after, |asked| asked.max(self.refresh_floor))
    }
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// The keys of `[freshness]` and `[fold]` that are none of theirs, since both are read as a class with any key.
pub(super) fn wrong_keys(document: &Document<'_>) -> Vec<ConfigError> {
    let general = lines(&ClassSettings::default());
    let (of_fold, of_freshness): (Vec<&str>, Vec<&str>) =
        general.iter().map(|(key, _)| key.as_str()).partition(|key| OF_FOLD.contains(key));
    let mut wrong = Vec::new();
    for (section, allowed, other) in [("freshness", &of_freshness, "fold"), ("fold", &of_fold, "freshness")] {
        for key in document.keys(&[section]).iter().filter(|key| !allowed.contains(&key.as_str())) {
            let is_of_other = general.iter().any(|(known, _)| known == key);
            let belongs = if is_of_other { format!("; {key} belongs under [{other}]") } else { String::new() };
            wrong.push(document.error(&[section, key], format!("{}{belongs}", unknown_key(key, allowed))));
        }
    }
    wrong
}

/// What is wrong within one class.
struct Fault {
    /// The keys involved.
    keys: Vec<&'static str>,
    found: String,
    cure: String,
}

/// The faults found, with their classes.
type Found<'a> = BTreeMap<String, Vec<&'a str>>;

/// Checks the ages and the rule of every class.
pub(super) fn check(classes: &BTreeMap<Class, ClassSettings>, report: &mut Report<'_>) {
    // a line in [freshness] can be wrong for several classes, each in its own way; report it once
    let mut wrong: BTreeMap<(Vec<&str>, String), Found<'_>> = BTreeMap::new();
    for (class, set) in classes {
        let is_known = |key: &&str| {
            ["freshness", "fold"].iter().all(|section| report.was_read(&[section, key]))
                && report.was_read(&["class", class.as_str(), key])
        };
        for fault in faults(*class, set).into_iter().filter(|fault| fault.keys.iter().all(is_known)) {
            let line = (place(*class, &fault.keys, report), fault.cure);
            wrong.entry(line).or_default().entry(fault.found).or_default().push(class.as_str());
        }
    }
    for (class, set) in classes.iter().filter(|(class, _)| **class != Class::Equity) {
        report.unless(
            set.bare_currency.is_none(),
            &["class", class.as_str(), "bare_currency"],
            "only listings without an exchange suffix use it; write it under [class.equity]",
        );
    }
    for class in classes.keys().filter(|class| !class.has_books()) {
        let path = ["class", class.as_str(), "book_within"];
        if report.states(&path) {
            report
                .at(&path, format!("the order book of a symbol of class {class} is always ignored; remove this line"));
        }
    }
    for ((path, cure), found) in wrong {
        let found: Vec<String> =
            found.into_iter().map(|(found, classes)| format!("for {}: {found}", classes.join(", "))).collect();
        report.at(&path, format!("{}; {cure}", found.join("; ")));
    }
}

fn faults(class: Class, set: &ClassSettings) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut in_order = |shorter: (&'static str, Duration), longer: (&'static str, Duration)| {
        if shorter.1 > longer.1 {
            faults.push(Fault {
                keys: vec![shorter.0, longer.0],
                found: format!("{} = {} is longer than {} = {}", shorter.0, Span(shorter.1), longer.0, Span(longer.1)),
                cure: "from short to long: refresh_after, usable_for, then fallback_for and closed_for".to_owned(),
            });
        }
    };
    in_order(("refresh_after", set.refresh_after), ("usable_for", set.usable_for));
    in_order(("refresh_floor", set.refresh_floor), ("usable_for", set.usable_for));
    in_order(("usable_for", set.usable_for), ("fallback_for", set.fallback_for));
    if class.closes() {
        in_order(("usable_for", set.usable_for), ("closed_for", set.closed_for));
    }
    if set.usable_for.is_zero() {
        faults.push(Fault {
            keys: vec!["usable_for"],
            found: "0s makes every quote too old".to_owned(),
            cure: "write a duration such as \"60s\"".to_owned(),
        });
    }
    if !(1..=100).contains(&set.required) {
        faults.push(Fault {
            keys: vec!["required"],
            found: format!("required = {} is out of range", set.required),
            cure: "write 1 to 100: how many sources must agree".to_owned(),
        });
    }
    if set.outlier_beyond > set.disagree_beyond && set.outlier_beyond <= WIDEST {
        let (outlier, disagree) = (Percent(set.outlier_beyond), Percent(set.disagree_beyond));
        faults.push(Fault {
            keys: vec!["outlier_beyond", "disagree_beyond"],
            found: format!(
                "outlier_beyond = {outlier} is more than disagree_beyond = {disagree}, so quotes that are no outliers disagree"
            ),
            cure: "write a smaller outlier_beyond, or a larger disagree_beyond".to_owned(),
        });
    }
    let shares = [
        ("outlier_beyond", set.outlier_beyond),
        ("disagree_beyond", set.disagree_beyond),
        ("book_within", set.book_within),
    ];
    for (key, share) in shares {
        if share > WIDEST {
            faults.push(Fault {
                keys: vec![key],
                found: format!("{} would let prices of different things agree", Percent(share)),
                cure: format!("write {} or less", Percent(WIDEST)),
            });
        }
    }
    faults
}

/// Where the faulty value is written: in the class's section, else in the sections for all classes.
fn place<'a>(class: Class, keys: &[&'a str], report: &Report<'_>) -> Vec<&'a str> {
    let of_class = keys.iter().map(|key| vec!["class", class.as_str(), *key]);
    let of_all = keys.iter().flat_map(|key| [vec!["freshness", *key], vec!["fold", *key]]);
    let stated = of_class.chain(of_all).find(|path| report.states(path));
    stated.unwrap_or_else(|| vec!["class", class.as_str()])
}

/// An ISO 4217 currency code: `USD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct CurrencyCode([u8; 3]);

impl CurrencyCode {
    /// US dollars.
    pub const USD: CurrencyCode = CurrencyCode(*b"USD");

    fn parse(text: &str) -> Result<Self, String> {
        // pence are not pounds
        let (currency, places) = Currency::of_unit(text);
        // dealers quote metals like currencies, but no share is priced in gold
        let is_whole = currency.is_fx() && currency.prices_listings() && places == 0;
        let code = <[u8; 3]>::try_from(currency.as_str().as_bytes()).ok().filter(|_| is_whole);
        let wrong = || format!("{text:?} is not a currency; write an ISO 4217 code such as \"USD\"");
        code.map(CurrencyCode).ok_or_else(wrong)
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        Currency::new(&self.to_string())
    }
}

impl TryFrom<String> for CurrencyCode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl Serialize for CurrencyCode {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(self)
    }
}

//! Checks the ages and the fold's rule of each class against each other.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;

use super::Report;
use crate::settings::{ClassSettings, Settings};
use crate::symbol::Class;
use crate::units::{Percent, Span};

/// Quotes farther apart than this are no prices of one thing.
const WIDEST: Decimal = Decimal::from_parts(5, 0, 0, false, 1);

/// What is wrong within one class.
struct Fault {
    /// The keys that take part.
    keys: Vec<&'static str>,
    found: String,
    cure: String,
}

/// What was found, and in which classes.
type Found<'a> = BTreeMap<String, Vec<&'a str>>;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    // a line in [freshness] can be wrong for several classes, each in its own way, and is reported once
    let mut wrong: BTreeMap<(Vec<&str>, String), Found<'_>> = BTreeMap::new();
    for (class, set) in &settings.classes {
        for fault in faults(*class, set) {
            let line = (place(*class, &fault.keys, report), fault.cure);
            wrong.entry(line).or_default().entry(fault.found).or_default().push(class.as_str());
        }
    }
    for (class, set) in settings.classes.iter().filter(|(class, _)| **class != Class::Equity) {
        report.unless(
            set.bare_currency.is_none(),
            &["class", class.as_str(), "bare_currency"],
            "only listings without an exchange's suffix have it; write it under [class.equity]",
        );
    }
    for class in settings.classes.keys().filter(|class| !class.has_books()) {
        let path = ["class", class.as_str(), "book_within"];
        if report.states(&path) {
            report.at(
                &path,
                format!("the book of a symbol of class {class} never counts, so this says nothing; take the line out"),
            );
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
                cure: "the order is refresh_after, usable_for, fallback_for and closed_for".to_owned(),
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
            found: "0s lets no quote be used".to_owned(),
            cure: "write a length of time such as \"60s\"".to_owned(),
        });
    }
    if !(1..=100).contains(&set.required) {
        faults.push(Fault {
            keys: vec!["required"],
            found: format!("required = {} is out of range", set.required),
            cure: "write 1 to 100: how many sources must agree".to_owned(),
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
                found: format!("{} would take different things for one", Percent(share)),
                cure: format!("write {} or less", Percent(WIDEST)),
            });
        }
    }
    faults
}

/// Where the fault was written down: a key of the class, else of the sections for all classes.
fn place<'a>(class: Class, keys: &[&'a str], report: &Report<'_>) -> Vec<&'a str> {
    let of_class = keys.iter().map(|key| vec!["class", class.as_str(), *key]);
    let of_all = keys.iter().flat_map(|key| [vec!["freshness", *key], vec!["fold", *key]]);
    let stated = of_class.chain(of_all).find(|path| report.states(path));
    stated.unwrap_or_else(|| vec!["class", class.as_str()])
}

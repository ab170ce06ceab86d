//! Seeded mistakes: what a wrong description, or a wrong reply to a right description, would do to a price.
//!
//! Each is made on purpose and must be noticed where the table says: a wrong description by an example of its own file,
//! a wrong reply by what reads it or by the fold, between two honest sources. What goes unnoticed is listed in
//! docs/limitations.md.

mod company;
mod described;
mod sent;

use std::collections::{BTreeMap, BTreeSet};

use quotefold::provider::example;

use company::Company;
use described::DESCRIBED;
use sent::SENT;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// One field is in the place of another.
    Swapped,
    /// The price is inverted.
    Inverted,
    /// The price is too high or too low by a factor of a hundred or another power of ten.
    Scaled,
    /// The time has another offset, unit or zone, or is an old one.
    Time,
    /// The price is in another currency.
    Currency,
    /// The price is another symbol's.
    Symbol,
    /// A sign is missing, or is there without need.
    Sign,
    /// A rate is the wrong way round.
    Rate,
}

const KINDS: [Kind; 8] =
    [Kind::Swapped, Kind::Inverted, Kind::Scaled, Kind::Time, Kind::Currency, Kind::Symbol, Kind::Sign, Kind::Rate];

/// Replacements of one text by another; each of the old texts occurs only once.
type Changes = &'static [(&'static str, &'static str)];

/// The place of a mistake that goes unnoticed.
const SLIPS_THROUGH: &str = "slips through";

/// The place of a wrong last price that the book beside it overrules.
const OVERRULED: &str = "overruled by the book";

/// The text with all changes applied.
fn changed(text: &str, changes: Changes) -> Result<String, String> {
    let mut changed = String::new();
    let mut places = Vec::new();
    for (from, to) in changes {
        let all: Vec<_> = text.match_indices(from).collect();
        let [(at, _)] = all[..] else { return Err(format!("{from:?} occurs in {} places", all.len())) };
        places.push((at, at + from.len(), to));
    }
    places.sort_unstable();
    let mut done = 0;
    for (from, to, written) in places {
        let kept = text.get(done..from).ok_or("two changes meet")?;
        changed.extend([kept, written]);
        done = to;
    }
    changed.push_str(&text[done..]);
    if changed == text { Err("it changes nothing".to_owned()) } else { Ok(changed) }
}

/// Whether a changed description fails one of its own examples.
fn fails_an_example(file: &str, changes: Changes) -> Result<bool, String> {
    let path = format!("{}/config/sources/{file}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let (description, examples) = text.split_once("\n[[examples]]").ok_or("it has no examples")?;
    let description = changed(description, changes)?;
    let (source, extractor) = crate::described(file, &format!("{description}\n[[examples]]{examples}"))?;
    Ok(source
        .examples
        .iter()
        .any(|example| example::check(&extractor, &source, example, quotefold::clock::cpu::timer).is_err()))
}

#[test]
fn a_mistake_in_a_description_fails_one_of_its_own_examples() {
    let mut wrong = Vec::new();
    for (file, kind, mistake, changes) in DESCRIBED {
        let fails = fails_an_example(file, changes);
        if fails != Ok(true) {
            wrong.push(format!("{file}: {kind:?}: {mistake}: an example fails: {fails:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_mistake_in_a_reply_is_noticed_where_the_table_says() {
    let company = Company::new();
    let mut wrong = Vec::new();
    for sent in SENT {
        let noticed = company.noticed(sent);
        if noticed.as_deref() != Ok(sent.noticed) {
            wrong
                .push(format!("{}: {:?}: {}: {noticed:?}, not {:?}", sent.file, sent.kind, sent.mistake, sent.noticed));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The mistakes of connections, not of bodies, that go unnoticed: the tests of surplus responses in `tests/process`
/// show how many of these are noticed.
const OF_CONNECTIONS: [&str; 1] = [
    "a response that comes twice, or early, while the next call waits, from a source whose replies name no symbol (coinbase, \
     bitstamp, finnhub, some of your own)",
];

#[test]
fn mistakes_that_go_unnoticed_are_those_that_the_documentation_lists() {
    const LIMITATIONS: &str = include_str!("../../docs/limitations.md");
    let (_, section) = LIMITATIONS.split_once("\n## What it cannot catch\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| "));
    let listed: BTreeSet<&str> = rows.skip(1).map(|row| row.split(" |").next().unwrap()).collect();
    let slips = SENT.iter().filter(|sent| sent.noticed == SLIPS_THROUGH).map(|sent| sent.mistake);
    assert_eq!(slips.chain(OF_CONNECTIONS).collect::<BTreeSet<_>>(), listed);
}

#[test]
fn mistakes_of_every_kind_are_made_all_over_the_catalogue() {
    let described = DESCRIBED.iter().map(|(file, kind, _, changes)| (*file, *changes, "", *kind, "example"));
    let sent = SENT.iter().map(|sent| (sent.file, sent.changes, sent.rate.said, sent.kind, sent.noticed));
    let all: Vec<_> = described.chain(sent).collect();
    let files: BTreeSet<&str> = all.iter().map(|(file, ..)| *file).collect();
    let different: BTreeSet<_> = all.iter().map(|(file, changes, rate, ..)| (file, changes, rate)).collect();
    assert!(different.len() == all.len(), "a mistake is made twice");
    assert!(all.len() >= 50 && files.len() >= 20, "{} mistakes in {} files", all.len(), files.len());
    for kind in KINDS {
        let made = all.iter().filter(|(.., of, _)| *of == kind).count();
        assert!(made >= 5, "{made} mistakes are {kind:?}");
    }
    let mut noticed = BTreeMap::new();
    all.iter().for_each(|(.., place)| *noticed.entry(place).or_insert(0) += 1);
    println!("{} mistakes in {} files: {noticed:?}", all.len(), files.len());
}

//! How many calls it takes to tell the known symbols from the unknown ones.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn symbols(count: usize) -> Vec<Symbol> {
    (0..count).map(|number| Symbol::parse(&format!("S{number:02}-USD")).unwrap()).collect()
}

/// Asks until every symbol has its answer, and gives the calls that this took.
fn calls(all: &[Symbol], unknown: &BTreeSet<Symbol>, expected: &BTreeSet<Symbol>) -> Vec<Vec<Symbol>> {
    let mut suspects = Suspects::default();
    let mut open: Vec<Symbol> = all.to_vec();
    let mut calls: Vec<Vec<Symbol>> = Vec::new();
    while !open.is_empty() {
        let untried: Vec<Symbol> = open.iter().filter(|symbol| !suspects.contains(symbol)).cloned().collect();
        let is_expected = |symbol: &Symbol| expected.contains(symbol);
        let most = if suspects.are_many() { 1 } else { untried.len() };
        let at_once = suspects.next_at_once(&open, is_expected);
        let asked = match (at_once.is_empty(), untried.is_empty()) {
            (false, _) => at_once,
            (true, false) => untried.into_iter().take(most).collect(),
            (true, true) => suspects.next(&open, is_expected),
        };
        assert!(!asked.is_empty(), "it ends");
        if asked.iter().any(|symbol| unknown.contains(symbol)) {
            suspects.fail(&asked, Instant::now());
            if let [symbol] = &asked[..] {
                open.retain(|other| other != symbol);
            }
        } else {
            for symbol in &asked {
                suspects.clear(symbol, true);
                open.retain(|other| other != symbol);
            }
        }
        calls.push(asked);
        assert!(calls.len() <= 10 * all.len(), "it ends: {calls:?}");
    }
    calls
}

#[test]
fn without_an_unknown_symbol_it_is_one_call() {
    assert_eq!(calls(&symbols(20), &BTreeSet::new(), &BTreeSet::new()).len(), 1);
}

#[test]
fn what_others_have_quoted_is_asked_first() {
    let all = symbols(12);
    let unknown = BTreeSet::from([all[0].clone()]);
    let expected: BTreeSet<Symbol> = all[4..].iter().cloned().collect();
    let calls = calls(&all, &unknown, &expected);
    assert_eq!(calls[1], all[4..], "{calls:?}");
    assert!(calls.len() <= 6, "{calls:?}");
}

#[test]
fn what_is_unknown_for_certain_is_asked_alone_and_takes_nothing_down_any_more() {
    let all = symbols(4);
    let mut suspects = Suspects::default();
    suspects.fail(&all[..1], Instant::now());
    assert!(suspects.contains(&all[0]) && !suspects.contains(&all[1]));
    assert_eq!(suspects.next(&all, |_| false), all[..1]);
}

#[test]
fn where_all_are_unknown_it_costs_little_more_than_asking_each_alone() {
    let all = symbols(20);
    let unknown: BTreeSet<Symbol> = all.iter().cloned().collect();
    let calls = calls(&all, &unknown, &BTreeSet::new());
    assert!(calls.len() <= 20 + 4, "{}", calls.len());
}

#[test]
fn failures_of_long_ago_say_nothing_of_what_is_asked_now() {
    let (all, now) = (symbols(2), Instant::now());
    let mut suspects = Suspects::default();
    suspects.fail(&all[..1], now);
    suspects.fail(&all[1..], now);
    suspects.forget_old(now + LATELY);
    assert!(suspects.are_many());
    suspects.forget_old(now + LATELY + Duration::from_millis(1));
    assert!(!suspects.are_many() && suspects.contains(&all[0]));
}

#[test]
fn no_more_are_remembered_than_there_is_room_for() {
    let mut suspects = Suspects::default();
    for number in 0..2 * MOST {
        suspects.fail(&[Symbol::parse(&format!("X{number}-USD")).unwrap()], Instant::now());
    }
    assert_eq!(suspects.groups.len(), MOST);
    assert!(suspects.contains(&Symbol::parse(&format!("X{}-USD", 2 * MOST - 1)).unwrap()));
}

#[test]
fn what_was_learned_is_the_same_after_a_restart() {
    let all = symbols(6);
    let mut before = Suspects::default();
    before.fail(&all[..3], Instant::now());
    before.fail(&all[5..], Instant::now());
    let mut after = Suspects::default();
    after.fail(&all[2..5], Instant::now());
    after.restore(before.remember());
    // what is known here already stands, and no symbol is in two groups
    assert_eq!(after.remember(), [all[2..5].to_vec(), all[..2].to_vec(), all[5..].to_vec()]);
}

proptest! {
    /// Whichever symbols are unknown, and whatever others have quoted: the calls grow with the number of unknown symbols, and
    /// only with the logarithm of the others.
    #[test]
    fn every_symbol_has_its_answer_within_few_calls(
        count in 1usize..40,
        unknown in prop::collection::btree_set(0usize..40, 0..6),
        expected in prop::collection::btree_set(0usize..40, 0..40),
    ) {
        let all = symbols(count);
        let pick = |set: &BTreeSet<usize>| -> BTreeSet<Symbol> {
            set.iter().filter_map(|index| all.get(*index).cloned()).collect()
        };
        let (unknown, expected) = (pick(&unknown), pick(&expected));
        let calls = calls(&all, &unknown, &expected);
        let halvings = usize::try_from(count.next_power_of_two().ilog2()).unwrap();
        let most = 1 + unknown.len() * (halvings + 4);
        prop_assert!(calls.len() <= most, "{} calls for {} unknown of {count}: {calls:?}", calls.len(), unknown.len());
    }
}

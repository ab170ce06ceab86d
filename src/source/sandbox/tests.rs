//! What goes to a filter's process and comes back is the same, and nothing else is taken for a message.

use std::borrow::Cow;

use jaq_json::{Num, Rc, Val};
use proptest::prelude::*;

use super::*;
use crate::clock::cpu;
use crate::provider::catalogue::catalogue;
use crate::provider::description::Notation;
use crate::provider::filter::{Filter, Fuel};

/// Values of every kind that a filter can make, calculated numbers among them.
fn values() -> impl Strategy<Value = Val> {
    let leaf = prop_oneof![
        Just(Val::Null),
        any::<bool>().prop_map(Val::from),
        any::<isize>().prop_map(Val::from),
        any::<f64>().prop_map(Val::from),
        "[1-9][0-9]{20,60}".prop_map(|digits| Val::Num(Num::from_str_radix(&digits, 10).unwrap())),
        "-?[0-9]{1,30}(\\.[0-9]{1,30})?".prop_map(|text| Val::Num(Num::Dec(Rc::new(text)))),
        any::<String>().prop_map(Val::from),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Val::utf8_str),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Val::byte_str),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| items.into_iter().collect()),
            // jq lets anything be a key
            prop::collection::vec((inner.clone(), inner), 0..6)
                .prop_map(|fields| Val::obj(fields.into_iter().collect())),
        ]
    })
}

fn failures() -> impl Strategy<Value = Option<RunError>> {
    let notation = prop_oneof![Just(Notation::Json), Just(Notation::Csv), Just(Notation::Xml)];
    prop_oneof![
        Just(None),
        Just(Some(RunError::Panic)),
        (notation, any::<String>()).prop_map(|(notation, why)| Some(RunError::Body(notation, why))),
        any::<String>().prop_map(|why| Some(RunError::Filter(why))),
        any::<String>().prop_map(|why| Some(RunError::OutOfFuel(why))),
    ]
}

/// Rows in which a calculated number differs from one that stood in the body.
fn shown(rows: &Rows) -> String {
    format!("{rows:?}")
}

proptest! {
    #[test]
    fn rows_come_back_as_they_were(rows in prop::collection::vec(values(), 0..5), cut: bool, failure in failures()) {
        let rows = Rows { rows, cut, failure };
        prop_assert_eq!(shown(&wire::rows(&wire::reply(&rows)).unwrap()), shown(&rows));
    }

    #[test]
    fn a_job_arrives_as_it_was(status: u16, asked: Vec<String>, body: Vec<u8>, xml: bool) {
        let notation = if xml { Notation::Xml } else { Notation::Csv };
        let job = Job { status, layout: notation.into(), asked: asked.into_iter().map(Cow::Owned).collect(), body: &body };
        let message = [job.head(), body.clone()].concat();
        prop_assert_eq!(Job::decode(&message).unwrap(), job);
    }

    #[test]
    fn what_is_no_message_is_an_error_and_no_panic(bytes: Vec<u8>, rows in prop::collection::vec(values(), 0..3), at: prop::sample::Index) {
        let _ = (wire::rows(&bytes), Job::decode(&bytes));
        let whole = wire::reply(&Rows { rows, cut: false, failure: None });
        prop_assert!(wire::rows(&whole[..at.index(whole.len())]).is_err());
    }
}

#[test]
fn rows_that_are_too_many_too_long_or_too_deep_are_a_filter_that_did_too_much() {
    let filter =
        |code: &str| Filter::compile(code).unwrap().run(b"1", Notation::Json, 200, &[], Fuel::most(cpu::timer));
    let wide = |levels: usize| vec!["[.,.,.,.,.,.,.,.,.,.]"; levels].join(" | ");
    // in the process it is a hundred small lists, each of which stands in the next one ten times
    for rows in [filter(&wide(10)), filter(&format!("[{}] | map(tojson)", wide(5)))] {
        let rows = Rows { rows: vec![rows.rows[0].clone(); 200], ..rows };
        let read = wire::rows(&wire::reply(&rows)).unwrap();
        assert!(read.rows.is_empty());
        assert_eq!(
            read.failure.unwrap().to_string(),
            "the filter was stopped: its rows take more than 8 MiB or 500000 values"
        );
    }
    let deep = (0..300).fold(Val::Null, |inner, _| [inner].into_iter().collect());
    let read = wire::rows(&wire::reply(&Rows { rows: vec![deep], cut: false, failure: None })).unwrap();
    assert!(matches!(read.failure, Some(RunError::OutOfFuel(_))));
}

#[test]
fn what_the_filters_of_the_catalogue_make_of_their_examples_comes_back_as_it_was() {
    for (name, table) in catalogue() {
        let source = table.clone().resolve(name).unwrap();
        let filter = Filter::compile(&source.jq).unwrap();
        for example in &source.examples {
            let rows =
                filter.run(example.body.as_bytes(), source.layout(), example.status, &["X"], Fuel::most(cpu::timer));
            assert_eq!(shown(&wire::rows(&wire::reply(&rows)).unwrap()), shown(&rows), "{name}");
        }
    }
}
